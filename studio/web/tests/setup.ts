import { afterEach } from "vitest";

if (typeof document !== "undefined") {
    // Dialogs look up elements by id; jsdom has no `CSS`. Its window is not the tests' global object.
    const css = { escape: (text: string) => text.replace(/[^\w-]/g, "\\$&") };
    for (const place of [globalThis, document.defaultView]) Object.assign(place as object, { CSS: css });
    const { cleanup, configure } = await import("@testing-library/react");
    // Code that a page loads when it needs it takes its time on a machine that is busy.
    configure({ asyncUtilTimeout: 15_000 });
    // What jsdom has no layout for.
    window.scrollTo = () => undefined;
    afterEach(() => {
        cleanup();
        localStorage.clear();
        sessionStorage.clear();
    });
}
