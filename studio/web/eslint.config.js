import js from "@eslint/js";
import a11y from "eslint-plugin-jsx-a11y";
import hooks from "eslint-plugin-react-hooks";
import ts from "typescript-eslint";

export default ts.config(
    { ignores: ["dist", "papi/descriptors", "src/generated", "test-results", "playwright-report"] },
    js.configs.recommended,
    ...ts.configs.strict,
    a11y.flatConfigs.recommended,
    hooks.configs.flat["recommended-latest"],
    {
        files: ["src/**/*.{ts,tsx}"],
        rules: {
            "no-console": "error",
            "react-hooks/incompatible-library": "off",
            // On the first field of a dialog that somebody opened, focus is expected.
            "jsx-a11y/no-autofocus": ["error", { ignoreNonDOM: true }],
            // Safari takes a list without marks for no list unless it says that it is one.
            "jsx-a11y/no-redundant-roles": ["error", { ul: ["list"], ol: ["list"] }],
        },
    },
    { files: ["scripts/*.mjs"], languageOptions: { globals: { console: "readonly", process: "readonly", URL: "readonly", document: "readonly", localStorage: "readonly", window: "readonly", sessionStorage: "readonly", Buffer: "readonly", performance: "readonly", PerformanceObserver: "readonly", MutationObserver: "readonly" } } },
);
