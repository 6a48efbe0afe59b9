// Every page: no serious finding of axe-core, nothing wider than the window, no error in the console; and what a page does
// when the gateway is gone.
import axe from "axe-core";
import { expect, test } from "@playwright/test";
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

for (const theme of ["light", "dark"] as const) {
    for (const width of [360, 1280]) {
        test.describe(`${theme}, ${width} px`, () => {
            test.use({ viewport: { width, height: 800 }, reducedMotion: "reduce" });
            for (const [name, path] of Object.entries(PAGES)) {
                test(name, async ({ page }) => {
                    await install(page, "Ada");
                    await page.addInitScript((chosen) => localStorage.setItem("tributary.theme", JSON.stringify(chosen)), theme);
                    const errors: string[] = [];
                    page.on("console", (message) => {
                        // An answer of 404 is told by the browser too, and belongs to the page that shows it.
                        if (message.type() === "error" && !/status of 404/.test(message.text())) errors.push(message.text());
                    });
                    page.on("pageerror", (error) => errors.push(error.message));
                    await page.goto(path);
                    await expect(page.getByRole("heading", { level: 1 })).toBeAttached();
                    await expect(page.locator(".loading-block")).toHaveCount(0);
                    const excess = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
                    expect(excess).toBeLessThanOrEqual(0);
                    // Evaluated by the debugger, which the page's content security policy does not govern.
                    await page.evaluate(axe.source);
                    const found = await page.evaluate(async () => {
                        const { axe: run } = window as unknown as { axe: typeof import("axe-core") };
                        const { violations } = await run.run(document, { resultTypes: ["violations"] });
                        return violations
                            .filter(({ impact }) => impact === "serious" || impact === "critical")
                            .map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).slice(0, 3).join(" | ")}`);
                    });
                    expect(found).toEqual([]);
                    expect(errors).toEqual([]);
                });
            }
        });
    }
}

test("a gateway that is gone is said, and its coming back too", async ({ page }) => {
    await page.goto("/datanets");
    await expect(page.getByRole("article").first()).toBeVisible();
    await page.route("**/api/**", (route) => route.abort());
    await page.getByRole("link", { name: "Network", exact: true }).click();
    await expect(page.getByText("Cannot reach ModelFactory").first()).toBeVisible();
    await page.unroute("**/api/**");
    await page.getByRole("button", { name: "Try again" }).first().click();
    await expect(page.getByText("Latest final blocks")).toBeVisible();
});

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
