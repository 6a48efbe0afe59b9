import { load, save } from "../lib/persist";
import { createStore } from "../lib/store";

export type Theme = "light" | "dark";
const isTheme = (value: unknown): value is Theme => value === "light" || value === "dark";

export const theme = createStore<Theme>(
    load("local", "theme", isTheme) ??
        (typeof matchMedia === "function" && matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light"),
);

export function applyTheme(): void {
    document.documentElement.dataset["theme"] = theme.get();
}

export function toggleTheme(): void {
    theme.set(theme.get() === "dark" ? "light" : "dark");
    save("local", "theme", theme.get());
    applyTheme();
}
