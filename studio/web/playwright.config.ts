import { defineConfig } from "@playwright/test";

// Against a gateway that runs, on a development chain with the demonstration's story played:
//     tributary demo --keep
//     tributary studio --node ws://.. --trainer http://.. --store STORE --web studio/web/dist
//     STUDIO_URL=http://127.0.0.1:3000 npm run e2e
export default defineConfig({
    testDir: "e2e",
    outputDir: "test-results",
    // Every test moves the one chain on.
    workers: 1,
    fullyParallel: false,
    timeout: 180_000,
    expect: { timeout: 60_000 },
    reporter: [["list"]],
    use: {
        baseURL: process.env["STUDIO_URL"] ?? "http://127.0.0.1:3000",
        viewport: { width: 1280, height: 860 },
        trace: "retain-on-failure",
        launchOptions: { executablePath: process.env["CHROMIUM"] ?? "/usr/bin/chromium", args: ["--no-sandbox"] },
    },
});
