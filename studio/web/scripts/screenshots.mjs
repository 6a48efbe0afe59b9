// See scripts/screenshots. Nothing is signed here but what opens samples to their reader: the chain stays as it is.
import { chromium } from "@playwright/test";
import { sr25519CreateDerive } from "@polkadot-labs/hdkd";
import { DEV_MINI_SECRET, ss58Address } from "@polkadot-labs/hdkd-helpers";

const [url, folder, ...wanted] = process.argv.slice(2);
const key = process.env.TRIBUTARY_API_KEY;
const PATIENCE_MS = 30_000;
/** From here on people notice that something moved (web.dev/articles/cls). */
const SHIFT_MAX = 0.1;

const derive = sr25519CreateDerive(DEV_MINI_SECRET);
const addressOf = (name) => ss58Address(derive(`//${name}`).publicKey, 42);

const button = (page, name) => page.getByRole("button", { name, exact: true });
const onward = async (page, steps) => {
    for (let step = 0; step < steps; step += 1) await button(page, "Continue").click();
};
const wizard = (steps) => async (page) => {
    await page.evaluate(() => sessionStorage.clear());
    await page.reload();
    await button(page, "Continue").waitFor();
    if (steps > 0) await onward(page, 1);
    if (steps > 0) await page.getByRole("checkbox").first().check({ force: true });
    await onward(page, steps - 1);
};
const samples = Array.from({ length: 40 }, (_, row) => ({
    prompt: `When does the ferry to Gull Island leave on day ${row + 1}?`,
    completion: `At ${String(6 + (row % 12)).padStart(2, "0")}:15 from the north quay, weather permitting.`,
}));
const file = (rows) => ({ name: "ferries.jsonl", mimeType: "application/jsonl", buffer: Buffer.from(`${rows.join("\n")}\n`) });
const drop = (rows) => (page) => page.locator('input[type="file"]').setInputFiles(file(rows));
const good = samples.map((sample) => JSON.stringify(sample));
const payByKey = async (page) => {
    await page.getByRole("button", { name: /^(Free|API key|Channel \d+|Choose how to pay)$/ }).first().click();
    const dialog = page.getByRole("dialog");
    await dialog.getByText("An API key", { exact: true }).click();
    await dialog.getByPlaceholder("trib-sk-…").fill(key);
    await dialog.getByRole("button", { name: "Use it", exact: true }).click();
    await dialog.waitFor({ state: "detached" });
};
const ask = (beside) => async (page) => {
    await page.getByLabel("Your question").waitFor();
    await payByKey(page);
    if (beside) await button(page, "Side by side").click();
    await page.getByLabel("Your question").fill("Of which colour is the lighthouse of Saltmere?");
    await button(page, "Send").click();
    await page.locator(".attribution").first().waitFor({ timeout: 120_000 });
    await page.waitForFunction(() => document.querySelector('[aria-busy="true"]') === null, null, { timeout: 120_000 });
};
const receipt = async (page) => {
    await ask(false)(page);
    await page.getByRole("button", { name: /^Receipt/ }).first().click();
};

/**
 * What is photographed: a path, who looks at it, and what they do first. A picture that needs what is not there is left
 * out, and said to be.
 */
const SHOTS = {
    home: { path: "/" },
    datanets: { path: "/datanets" },
    "datanets-none": { path: "/datanets?q=nothing+like+this" },
    datanet: { path: "/datanets/0" },
    "datanet-owner": { path: "/datanets/0", as: "Owner" },
    contributions: { path: "/datanets/0/contributions" },
    versions: { path: "/datanets/0/versions" },
    grants: { path: "/datanets/0/grants", as: "Owner" },
    "datanet-models": { path: "/datanets/0/models" },
    "datanet-earnings": { path: "/datanets/0/earnings" },
    settings: { path: "/datanets/0/settings", as: "Owner" },
    register: { path: "/datanets/new" },
    contribute: { path: "/datanets/0/contribute" },
    "contribute-checked": { path: "/datanets/0/contribute", act: drop(good), until: "What goes on chain" },
    "contribute-refused": {
        path: "/datanets/0/contribute",
        act: drop([...good, '{"prompt":"And then?"}', "no JSON"]),
        until: "2 rows cannot be used",
    },
    review: { path: "/datanets/0/review", as: "Curator" },
    contribution: { path: "/contributions/0" },
    "contribution-samples": {
        path: "/contributions/0",
        act: async (page) => {
            await button(page, "Sign and read").click();
            await page.getByText("1–").first().waitFor();
        },
    },
    "my-grants": { path: "/grants", as: "Requester" },
    "request-access": {
        path: "/datanets/0",
        as: "Requester",
        act: (page) => button(page, "Request access").first().click(),
        until: "Signing as",
        isWindow: true,
    },
    build: { path: "/build", as: "Requester", act: wizard(0) },
    "build-data": { path: "/build", as: "Requester", act: wizard(1) },
    "build-data-blocked": { path: "/build?datanet=0", as: "Buyer", until: "You have no grant" },
    "build-recipe": { path: "/build", as: "Requester", act: wizard(2) },
    "build-review": { path: "/build", as: "Requester", act: wizard(3), until: "Leaves your free balance now" },
    "build-sign": {
        path: "/build",
        as: "Requester",
        act: async (page) => {
            await wizard(3)(page);
            await page.getByText("Leaves your free balance now").waitFor();
            await button(page, "Post the job").click();
        },
        until: "Transaction fee",
        isWindow: true,
    },
    runs: { path: "/jobs" },
    run: { path: "/jobs/0" },
    "run-live": { path: "/jobs?stage=leased", as: "Requester", first: /^Run \d+/ },
    "run-reported": { path: "/jobs?stage=reported", as: "Requester", first: /^Run \d+/ },
    models: { path: "/models" },
    model: { path: "/models/0" },
    "model-owner": { path: "/models/0", as: "Requester" },
    chat: { path: "/chat", isWindow: true },
    "chat-pay": { path: "/chat", as: "Buyer", act: (page) => page.getByRole("button", { name: /^(Free|Choose how to pay)$/ }).first().click(), until: "prepay|left of", isWindow: true },
    "chat-answer": { path: "/chat", needsKey: true, act: ask(false), isWindow: true },
    "chat-beside": { path: "/chat", needsKey: true, needs: "Side by side", act: ask(true), isWindow: true },
    "chat-receipt": { path: "/chat", needsKey: true, act: receipt, until: "Check it yourself", isWindow: true },
    earnings: { path: "/earnings" },
    "earnings-none": { path: "/earnings", as: "Bob" },
    "earnings-nobody": { path: "/earnings", as: null },
    claim: { path: "/earnings", as: "Ben", press: /^Claim/, until: "Transaction fee", isWindow: true },
    network: { path: "/network" },
    account: { path: `/accounts/${addressOf("Ada")}` },
    connect: { path: "/", as: null, act: (page) => page.locator("header").getByRole("button", { name: "Connect" }).click(), until: "Ferdie", isWindow: true },
    menu: { path: "/", act: (page) => page.getByRole("button", { name: /^Account / }).click(), isWindow: true },
    "nothing-there": { path: "/datanets/999999", isError: true },
    "no-such-page": { path: "/nowhere", isError: true },
    outage: {
        path: "/",
        isError: true,
        act: async (page) => {
            await page.route("**/api/**", (route) => route.abort());
            await page.locator('a[href="/network"]').first().evaluate((link) => link.click());
        },
        until: "Cannot reach ModelFactory",
    },
};

const skipped = (shot) => (shot.needsKey && !key ? "TRIBUTARY_API_KEY is not set" : null);

async function photograph(context, name, shot, path) {
    const page = await context.newPage();
    const errors = [];
    page.on("pageerror", (error) => errors.push(error.message));
    page.setDefaultTimeout(PATIENCE_MS);
    try {
        await page.goto(url + shot.path);
        const settle = async () => {
            await page.locator("h1").first().waitFor({ state: "attached" });
            await page.waitForFunction(() => document.querySelector(".loading-block, .skeleton, .spinner") === null);
            await page.evaluate(() => document.fonts.ready);
        };
        await settle();
        if (shot.first) {
            const link = page.getByRole("link", { name: shot.first }).first();
            if ((await link.count()) === 0) return { skipped: "there is none now" };
            await link.click();
            await settle();
        }
        await page.waitForTimeout(250);
        // What moved by itself, before anybody touched anything.
        const shift = await page.evaluate(() => window.shifts?.reduce((total, one) => total + one, 0) ?? 0);
        if (shot.press) {
            const pressed = page.getByRole("button", { name: shot.press }).first();
            if ((await pressed.count()) === 0 || (await pressed.isDisabled())) return { skipped: "there is nothing to press now" };
            await pressed.click();
        }
        if (shot.needs && (await button(page, shot.needs).count()) === 0) return { skipped: `there is no ${shot.needs} now` };
        await shot.act?.(page);
        if (shot.until) await page.getByText(new RegExp(shot.until)).first().waitFor();
        await settle();
        await page.mouse.move(0, 0);
        await page.evaluate(() => window.scrollTo(0, 0));
        await page.waitForTimeout(250);
        if (!shot.isError && (await page.locator(".empty-state.error").count()) > 0) throw new Error("the page shows an error");
        if (errors.length > 0) throw new Error(errors.join("; "));
        if (shift > SHIFT_MAX) throw new Error(`the page moved by itself: layout shift ${shift.toFixed(3)}`);
        await page.screenshot({ path, fullPage: !shot.isWindow });
        return { shift };
    } finally {
        await page.close();
    }
}

const unknown = wanted.filter((name) => !(name in SHOTS));
if (unknown.length > 0) {
    console.error(`no picture is called ${unknown.join(", ")}; there are ${Object.keys(SHOTS).join(", ")}`);
    process.exit(2);
}
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });
let failures = 0;
for (const theme of (process.env.THEMES ?? "light dark").split(" ")) {
    for (const width of (process.env.WIDTHS ?? "360 1280").split(" ").map(Number)) {
        for (const [name, shot] of Object.entries(SHOTS)) {
            if (wanted.length > 0 && !wanted.includes(name)) continue;
            const label = `${name}-${theme}-${width}`;
            const why = skipped(shot);
            if (why) {
                console.log(`${label}: skipped: ${why}`);
                continue;
            }
            const context = await browser.newContext({ viewport: { width, height: width < 600 ? 760 : 860 }, reducedMotion: "reduce" });
            const who = shot.as === undefined ? "Ada" : shot.as;
            await context.addInitScript(
                ([chosen, kept]) => {
                    localStorage.setItem("tributary.theme", JSON.stringify(chosen));
                    if (kept) localStorage.setItem("tributary.account", JSON.stringify(kept));
                    window.shifts = [];
                    new PerformanceObserver((list) => {
                        for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shifts.push(entry.value);
                    }).observe({ type: "layout-shift", buffered: true });
                },
                [theme, who && { address: addressOf(who), name: who, source: { kind: "development", path: `//${who}` } }],
            );
            try {
                const result = await photograph(context, name, shot, `${folder}/${label}.png`);
                console.log(result.skipped ? `${label}: skipped: ${result.skipped}` : `${label}.png  layout shift ${result.shift.toFixed(3)}`);
            } catch (error) {
                failures += 1;
                console.error(`${label}: ${error.message.split("\n").slice(0, 2).join(" ")}`);
            }
            await context.close();
        }
    }
}
await browser.close();
if (failures > 0) {
    console.error(`${failures} of the pages failed`);
    process.exit(1);
}
