// Asking one's own model for nothing: side by side with its base, stopped, asked again, over reloads.
import { expect, test, type Page } from "@playwright/test";
import { freePort, needs, ownGateway, Program, SlowLine } from "./programs";
import { answers, ask, said } from "./steps";

const QUESTION = "Of which colour is the lighthouse of Saltmere?";

test.describe.configure({ mode: "serial" });
const ends: (() => Promise<void>)[] = [];
let url = "";
let line: SlowLine;

test.beforeAll(async () => {
    const [program, folder] = [needs("TRIBUTARY"), needs("DEMO_FOLDER")];
    const port = await freePort();
    const server = new Program(program, ["serve", `--local=${folder}/model`, `--listen=127.0.0.1:${port}`], `http://127.0.0.1:${port}/health`);
    ends.push(() => server.kill());
    await server.start();
    line = new SlowLine(`http://127.0.0.1:${port}`);
    ends.push(async () => line.end());
    const own = await ownGateway(program, process.env["STUDIO_URL"] ?? "http://127.0.0.1:3000", [`--serving=${await line.start()}`]);
    ends.push(own.end);
    url = own.url;
});
test.afterAll(async () => {
    for (const end of ends.toReversed()) await end();
});

test("the tuned model knows what its base does not, side by side", async ({ page }) => {
    await page.goto(`${url}/chat`);
    await page.getByRole("button", { name: "Side by side" }).click();
    await ask(page, QUESTION);
    await expect(answers(page)).toHaveCount(2);
    const [tuned, base] = [answers(page).nth(0), answers(page).nth(1)];
    await expect(base.getByText("(base)")).toBeVisible();
    for (const one of [tuned, base]) await expect(one.getByRole("button", { name: "Again" })).toBeVisible();
    await expect(tuned.locator(".reply-text")).not.toBeEmpty();
    expect(await tuned.locator(".reply-text").innerText()).not.toBe(await base.locator(".reply-text").innerText());
    // Asked again, one of them answers and the other stays as it is.
    const kept = await base.locator(".reply-text").innerText();
    await tuned.getByRole("button", { name: "Again" }).click();
    await expect(tuned.getByRole("button", { name: "Again" })).toBeVisible();
    await expect(base.locator(".reply-text")).toHaveText(kept);
    await expect(answers(page)).toHaveCount(2);
});

test("an answer streams, is stopped, and is asked for again", async ({ page }) => {
    await page.goto(`${url}/chat`);
    line.pause = 500;
    await ask(page, QUESTION);
    await grows(page);
    await page.getByRole("button", { name: "Stop" }).click();
    await expect(page.getByText("Stopped", { exact: true })).toBeVisible();
    const kept = await said(page).innerText();
    await expect(page.getByRole("button", { name: "Send" })).toBeVisible();
    line.pause = 0;
    await page.getByRole("button", { name: "Again" }).click();
    await expect(page.getByText(/^\d+ \+ \d+ tokens$/)).toBeVisible();
    await expect(page.getByText("Stopped", { exact: true })).toHaveCount(0);
    expect((await said(page).innerText()).length).toBeGreaterThan(kept.length);
});

test("a reload while an answer comes keeps what had come, and the conversation goes on", async ({ page }) => {
    await page.goto(`${url}/chat`);
    line.pause = 500;
    await ask(page, QUESTION);
    await grows(page);
    await page.reload();
    line.pause = 0;
    await expect(page.getByText(QUESTION, { exact: true }).last()).toBeVisible();
    await expect(page.getByText("Stopped", { exact: true })).toBeVisible();
    await expect(said(page)).not.toBeEmpty();
    await page.getByRole("button", { name: "Again" }).click();
    await expect(page.getByText(/^\d+ \+ \d+ tokens$/)).toBeVisible();
});

test("conversations are kept, opened again and deleted", async ({ page }) => {
    await page.goto(`${url}/chat`);
    await ask(page, QUESTION);
    await expect(page.getByRole("button", { name: "Again" })).toBeVisible();
    await page.getByRole("button", { name: "New conversation" }).click();
    await ask(page, "Who keeps the harbour?");
    await expect(page.getByRole("button", { name: "Again" })).toBeVisible();
    // Another visit, not a reload: a new page of the same browser.
    const later = await page.context().newPage();
    await page.close();
    await later.goto(`${url}/chat`);
    const history = later.getByRole("complementary", { name: "Conversations" });
    await expect(history.getByRole("listitem")).toHaveCount(2);
    await history.getByRole("button", { name: new RegExp(`^${QUESTION.replace("?", "\\?")}`) }).click();
    await expect(said(later)).not.toBeEmpty();
    await history.getByRole("listitem").filter({ hasText: QUESTION }).getByRole("button", { name: "Delete this conversation" }).click();
    await expect(history.getByRole("listitem")).toHaveCount(1);
    await expect(later.getByText("Ask it something")).toBeVisible();
    await ask(later, "Who mends the nets?");
    await expect(later.getByRole("button", { name: "Again" })).toBeVisible();
});

async function grows(page: Page) {
    await expect(said(page)).not.toBeEmpty();
    const before = (await said(page).innerText()).length;
    await expect.poll(async () => (await said(page).innerText()).length).toBeGreaterThan(before);
    await expect(page.getByRole("button", { name: "Stop" })).toBeVisible();
}
