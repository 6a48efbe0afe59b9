// Every page, narrow and wide, light and dark: no serious finding of axe-core, nothing wider than the window, no error in
// the console.
import axe from "axe-core";
import { expect, test, type Page } from "@playwright/test";
import { addressOf, install } from "./wallet";

const PAGES = {
    Home: "/",
    Datanets: "/datanets",
    Datanet: "/datanets/0",
    Contributions: "/datanets/0/contributions",
    Versions: "/datanets/0/versions",
    Grants: "/datanets/0/grants",
    "A Datanet's models": "/datanets/0/models",
    "A Datanet's earnings": "/datanets/0/earnings",
    Register: "/datanets/new",
    Contribute: "/datanets/0/contribute",
    Review: "/datanets/0/review",
    Contribution: "/contributions/0",
    "My grants": "/grants",
    "New model": "/build",
    Runs: "/jobs",
    Run: "/jobs/0",
    Models: "/models",
    Model: "/models/0",
    Chat: "/chat",
    Earnings: "/earnings",
    Network: "/network",
    Account: `/accounts/${addressOf("Ada")}`,
    "Nothing there": "/datanets/999999",
    "No such page": "/nowhere",
};

// They only look, so they may go side by side.
test.describe.configure({ mode: "parallel" });

for (const width of [360, 1280]) {
    test.describe(`${width} px`, () => {
        test.use({ viewport: { width, height: 800 }, reducedMotion: "reduce" });
        for (const [name, path] of Object.entries(PAGES)) {
            test(name, async ({ page }) => {
                await install(page, "Ada");
                const errors: string[] = [];
                page.on("console", (message) => {
                    // An answer of 404 is told by the browser too, and belongs to the page that shows it; one of 401 is how an
                    // operator says that it sells.
                    if (message.type() === "error" && !/status of 40[14]/.test(message.text())) errors.push(message.text());
                });
                page.on("pageerror", (error) => errors.push(error.message));
                await page.goto(path);
                await expect(page.getByRole("heading", { level: 1 })).toBeAttached();
                await expect(page.locator(".loading-block")).toHaveCount(0);
                const excess = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
                expect(excess).toBeLessThanOrEqual(0);
                // Evaluated by the debugger, which the page's content security policy does not govern.
                await page.evaluate(axe.source);
                expect(await serious(page), "in the light theme").toEqual([]);
                await page.getByRole("button", { name: "Use the dark theme" }).click();
                await expect(page.locator('html[data-theme="dark"]')).toBeAttached();
                // However short, what passes over from one colour to another has the first one until a frame is drawn.
                await page.evaluate(() => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn))));
                expect(await serious(page), "in the dark theme").toEqual([]);
                expect(errors).toEqual([]);
            });
        }
    });
}

/** What axe-core finds that keeps people out, or nearly. */
function serious(page: Page): Promise<string[]> {
    return page.evaluate(async () => {
        const { axe: run } = window as unknown as { axe: typeof import("axe-core") };
        const { violations } = await run.run(document, { resultTypes: ["violations"] });
        return violations
            .filter(({ impact }) => impact === "serious" || impact === "critical")
            .map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).slice(0, 3).join(" | ")}`);
    });
}

test("the keyboard alone reaches a Datanet", async ({ page }) => {
    await page.goto("/datanets");
    await expect(page.getByRole("article").first()).toBeVisible();
    await page.keyboard.press("Tab");
    await expect(page.getByRole("link", { name: "Skip to the page" })).toBeFocused();
    await page.keyboard.press("Enter");
    const link = page.getByRole("article").first().getByRole("link").first();
    for (let presses = 0; presses < 30 && !(await link.evaluate((one) => one === document.activeElement)); presses += 1) {
        await page.keyboard.press("Tab");
    }
    await expect(link).toBeFocused();
    await page.keyboard.press("Enter");
    await expect(page).toHaveURL(/\/datanets\/\d+$/);
});
