// What people do in several stories.
import { expect, type Browser, type Page } from "@playwright/test";
import { install, type TestWallet } from "./wallet";

/** Signs what the open dialog shows, and waits until it is final. */
export async function sign(page: Page, button: string | RegExp = "Sign and send") {
    const dialog = page.getByRole("dialog");
    await dialog.getByRole("button", { name: button, exact: typeof button === "string" }).click();
    await expect(dialog.getByText("Final: it cannot be undone")).toBeVisible();
    await expect(dialog.getByRole("button", { name: "Done" })).toBeVisible();
}

/** Signs, and closes the dialog. */
export async function signAndClose(page: Page, button?: string | RegExp) {
    await sign(page, button);
    await page.getByRole("dialog").getByRole("button", { name: "Done" }).click();
}

/** Somebody with a browser, storage and wallet of their own. */
export async function person(browser: Browser, name: string): Promise<{ page: Page; wallet: TestWallet }> {
    const context = await browser.newContext();
    const page = await context.newPage();
    return { page, wallet: await install(page, name) };
}

/** What tells this run's Datanets from those of runs before on the same chain. */
export const unique = Date.now().toString(36);

export const samples = (about: string, count: number) =>
    Array.from({ length: count }, (_, place) =>
        JSON.stringify({ prompt: `When is tide ${place} of ${about}?`, completion: `At ${place % 24} o'clock, as the harbour master says.` }),
    ).join("\n") + "\n";

export const file = (name: string, text: string) => ({ name, mimeType: "application/octet-stream", buffer: Buffer.from(text) });

/** Makes the network as slow as a bad connection; `null` ends that. Kilobytes a second. */
export async function slow(page: Page, speed: { down?: number; up?: number } | null) {
    const session = await page.context().newCDPSession(page);
    const bytes = (kilobytes: number | undefined) => (kilobytes === undefined ? -1 : kilobytes * 1000);
    await session.send("Network.enable");
    await session.send("Network.emulateNetworkConditions", {
        offline: false,
        latency: 0,
        downloadThroughput: bytes(speed?.down),
        uploadThroughput: bytes(speed?.up),
    });
}

/** Registers a Datanet as a person does, and returns its number. */
export async function register(page: Page, name: string, change: { licence?: string; access: "Automatically" | "You decide" }): Promise<number> {
    await page.goto("/datanets/new");
    await page.getByLabel("Name", { exact: true }).fill(name);
    await page.getByLabel("Field", { exact: true }).fill("seafaring");
    await page.getByLabel("What it holds").fill("Tides, as the harbour master knows them.");
    if (change.licence !== undefined) await page.getByLabel("Licence of the data").fill(change.licence);
    await page.getByText(change.access, { exact: true }).click();
    await page.getByRole("button", { name: "Register", exact: true }).click();
    await sign(page);
    await page.getByRole("button", { name: "Open it" }).click();
    await expect(page.getByRole("heading", { level: 1, name })).toBeVisible();
    const id = Number(/\/datanets\/(\d+)/.exec(page.url())?.[1]);
    expect(id).toBeGreaterThan(0);
    return id;
}

/** Asks in the chat that is open. */
export async function ask(page: Page, question: string) {
    await page.getByLabel("Your question").fill(question);
    await page.getByLabel("Your question").press("Enter");
}

export const answers = (page: Page) => page.getByRole("article", { name: /^Answer of / });

/** What the newest answer says. */
export const said = (page: Page) => answers(page).last().locator(".reply-text");
