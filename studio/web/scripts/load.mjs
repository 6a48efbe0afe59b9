// How fast a page of a running gateway is there, each time in a browser that has nothing of it yet:
//     node scripts/load.mjs http://127.0.0.1:3000 [PATH] [TIMES]
// `drawn`: the first content is painted. `heading`: the page's own heading is in the document. `interactive`: that, and no
// task of the main thread holds up a click any more (none of 50 ms or more begins later in the second after).
// Bytes are as they came over the wire.
import { chromium } from "@playwright/test";

const [url, path = "/", times = "7"] = process.argv.slice(2);
if (!url) {
    console.error("hint: node scripts/load.mjs URL [PATH] [TIMES]");
    process.exit(2);
}
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });
const runs = [];
for (let run = 0; run < Number(times); run += 1) {
    const context = await browser.newContext({ viewport: { width: 1280, height: 860 } });
    await context.addInitScript(() => {
        const seen = { heading: 0, busyUntil: 0 };
        window.loadSeen = seen;
        new PerformanceObserver((list) => {
            for (const task of list.getEntries()) seen.busyUntil = Math.max(seen.busyUntil, task.startTime + task.duration);
        }).observe({ type: "longtask", buffered: true });
        new MutationObserver((_, observer) => {
            if (!document.querySelector("main h1")) return;
            seen.heading = performance.now();
            observer.disconnect();
        }).observe(document, { childList: true, subtree: true });
    });
    const page = await context.newPage();
    await page.goto(url + path);
    await page.waitForFunction(() => window.loadSeen.heading > 0 && performance.now() > Math.max(window.loadSeen.heading, window.loadSeen.busyUntil) + 1_000);
    runs.push(
        await page.evaluate(() => {
            const entries = [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")];
            const { heading, busyUntil } = window.loadSeen;
            return {
                drawn: performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? 0,
                heading,
                interactive: Math.max(heading, busyUntil),
                kilobytes: entries.reduce((sum, entry) => sum + entry.transferSize, 0) / 1000,
                requests: entries.length,
            };
        }),
    );
    await context.close();
}
await browser.close();
const median = (name) => runs.map((run) => run[name]).sort((a, b) => a - b)[Math.floor(runs.length / 2)];
const worst = (name) => Math.max(...runs.map((run) => run[name]));
for (const name of ["drawn", "heading", "interactive"]) {
    console.log(`${name.padEnd(12)} ${median(name).toFixed(0).padStart(5)} ms median, ${worst(name).toFixed(0)} ms worst of ${runs.length}`);
}
console.log(`transferred  ${median("kilobytes").toFixed(0)} kB in ${median("requests")} requests`);
