import { afterEach } from "vitest";

if (typeof document !== "undefined") {
    const { cleanup } = await import("@testing-library/react");
    afterEach(() => {
        cleanup();
        localStorage.clear();
        sessionStorage.clear();
    });
}
