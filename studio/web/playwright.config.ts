import { defineConfig } from "@playwright/test";

// Against a gateway that runs, on a development chain with the demonstration's story played. scripts/stories starts all of
// it and tells the tests where it is; by hand:
//     tributary demo --keep --web studio/web/dist
//     STUDIO_URL=http://127.0.0.1:.. npm run e2e
export default defineConfig({
    testDir: "e2e",
    outputDir: "test-results",
    // Files side by side, and the tests of one file one after the other. Everybody in a file has accounts that no other
    // file's people have, so that no transaction takes the place of another.
    workers: 2,
    fullyParallel: false,
    timeout: 180_000,
    expect: { timeout: 60_000 },
    reporter: [["list"]],
    // The long stories begin first; pages are looked at beside them, and after.
    projects: [
        { name: "stories", testIgnore: "pages.spec.ts" },
        { name: "pages", testMatch: "pages.spec.ts" },
    ],
    use: {
        baseURL: process.env["STUDIO_URL"] ?? "http://127.0.0.1:3000",
        viewport: { width: 1280, height: 860 },
        trace: "retain-on-failure",
        launchOptions: { executablePath: process.env["CHROMIUM"] ?? "/usr/bin/chromium", args: ["--no-sandbox"] },
    },
});
