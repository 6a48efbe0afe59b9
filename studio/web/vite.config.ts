import localesPlugin from "@react-aria/optimize-locales-plugin";
import react from "@vitejs/plugin-react";
import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

// `npm run dev` sends everything that is not a page to a gateway that runs already.
const gateway = process.env["STUDIO_GATEWAY"] ?? "http://127.0.0.1:3000";
const file = (path: string) => fileURLToPath(new URL(path, import.meta.url));

export default defineConfig({
    plugins: [react(), { ...localesPlugin.vite({ locales: ["en-US"] }), enforce: "pre" }],
    resolve: { alias: { "#descriptors": file("./papi/descriptors/dist/index.js") } },
    build: {
        target: "es2022",
        // Inlined files would need data: in the content security policy.
        assetsInlineLimit: 0,
        manifest: true,
    },
    server: { proxy: { "/api": gateway, "/v1": gateway } },
    test: { environment: "node", include: ["tests/**/*.test.{ts,tsx}"], setupFiles: ["tests/setup.ts"], testTimeout: 60_000 },
});
