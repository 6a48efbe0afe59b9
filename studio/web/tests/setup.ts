import { afterEach } from "vitest";

if (typeof document !== "undefined") {
    // Dialogs look up elements by id; jsdom has no `CSS`. Its window is not the tests' global object.
    const css = { escape: (text: string) => text.replace(/[^\w-]/g, "\\$&") };
    for (const place of [globalThis, document.defaultView]) Object.assign(place as object, { CSS: css });
    const { cleanup } = await import("@testing-library/react");
    afterEach(() => {
        cleanup();
        localStorage.clear();
        sessionStorage.clear();
    });
}
