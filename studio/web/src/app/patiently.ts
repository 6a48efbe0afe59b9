// Loading a page's module while the gateway may be away.

const PAUSE_MS = 1_000;

async function isReachable(): Promise<boolean> {
    try {
        return (await fetch("/api/config", { cache: "no-store" })).ok;
    } catch {
        return false;
    }
}

/**
 * Loads a module, and waits where the gateway cannot be reached: the router answers a module that is not there with a reload,
 * which would leave the person with the browser's own error page. A module that a gateway which answers does not have is of
 * an older build: there a reload is right, and the error goes on to the router.
 */
export async function patiently<T>(load: () => Promise<T>): Promise<T> {
    for (;;) {
        try {
            return await load();
        } catch (error) {
            if (await isReachable()) throw error;
            do await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
            while (!(await isReachable()));
            if (!(error instanceof Error && /preload CSS/.test(error.message))) continue;
            // Vite asks for a style sheet once: only a new page gets it.
            window.location.reload();
            return new Promise<never>(() => undefined);
        }
    }
}
