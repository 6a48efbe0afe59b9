// See scripts/screenshots.
import { chromium } from "@playwright/test";

const [url, folder] = process.argv.slice(2);
// A contributor of the demonstration; looking needs no key.
const account = {
    address: "5FBhYxDBoQjJAWYE1fvRzH9EBwbqbtdXKjtwf1onWhx8E75w",
    name: "Ada",
    source: { kind: "development", path: "//Ada" },
};
const pages = {
    home: "/",
    datanets: "/datanets",
    datanet: "/datanets/0",
    contributions: "/datanets/0/contributions",
    versions: "/datanets/0/versions",
    grants: "/datanets/0/grants",
    "datanet-models": "/datanets/0/models",
    "datanet-earnings": "/datanets/0/earnings",
    register: "/datanets/new",
    contribute: "/datanets/0/contribute",
    review: "/datanets/0/review",
    contribution: "/contributions/0",
    "my-grants": "/grants",
    build: "/build",
    runs: "/jobs",
    run: "/jobs/0",
    models: "/models",
    model: "/models/0",
    chat: "/chat",
    earnings: "/earnings",
    network: "/network",
    account: `/accounts/${account.address}`,
};

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });
for (const theme of ["light", "dark"]) {
    for (const width of [360, 1280]) {
        const context = await browser.newContext({ viewport: { width, height: 860 }, reducedMotion: "reduce" });
        await context.addInitScript(
            ([chosen, kept]) => {
                localStorage.setItem("tributary.theme", JSON.stringify(chosen));
                localStorage.setItem("tributary.account", JSON.stringify(kept));
            },
            [theme, account],
        );
        for (const [name, path] of Object.entries(pages)) {
            const page = await context.newPage();
            await page.goto(url + path);
            await page.locator("h1").first().waitFor({ state: "attached" });
            await page.waitForFunction(() => document.querySelector(".loading-block, .skeleton") === null, null, { timeout: 30_000 });
            const file = `${folder}/${name}-${theme}-${width}.png`;
            await page.screenshot({ path: file, fullPage: true });
            console.log(file);
            await page.close();
        }
        await context.close();
    }
}
await browser.close();
