// What the browser keeps between visits: preferences, drafts, conversations. No secrets: see payment/keys.ts for the one
// key that a browser makes.

/** Reads what `check` accepts; anything else, a full or a forbidden store included, is as good as nothing. */
export function load<T>(area: "local" | "session", key: string, check: (value: unknown) => value is T): T | null {
    try {
        const text = storage(area).getItem(`tributary.${key}`);
        const value: unknown = text === null ? null : JSON.parse(text);
        return check(value) ? value : null;
    } catch {
        return null;
    }
}

/** Keeps a value if the browser lets us; `false` if it does not. */
export function save(area: "local" | "session", key: string, value: unknown): boolean {
    try {
        if (value === null) storage(area).removeItem(`tributary.${key}`);
        else storage(area).setItem(`tributary.${key}`, JSON.stringify(value));
        return true;
    } catch {
        return false;
    }
}

const storage = (area: "local" | "session") => (area === "local" ? window.localStorage : window.sessionStorage);
