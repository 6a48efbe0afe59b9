// Asking models: one's own for nothing, side by side with its base; and an operator's for pay.
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, test, type Page } from "@playwright/test";
import { freePort, needs, ownGateway, Program, SlowLine } from "./programs";
import { signAndClose } from "./steps";
import { install } from "./wallet";

const QUESTION = "Of which colour is the lighthouse of Saltmere?";

async function ask(page: Page, question: string) {
    await page.getByLabel("Your question").fill(question);
    await page.getByLabel("Your question").press("Enter");
}

const answers = (page: Page, model: string | RegExp = /.*/) => page.getByRole("article", { name: model });
const said = (page: Page, model?: string | RegExp) => answers(page, model).last().locator(".reply-text");

test.describe("a server of one's own", () => {
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
});

test.describe("an operator's, for pay", () => {
    test.describe.configure({ mode: "serial" });

    /** What stands under an answer that was sold. */
    async function attributed(page: Page): Promise<void> {
        const answer = answers(page).last();
        await expect(answer.getByText("Learned from")).toBeVisible();
        await expect(answer.getByRole("link", { name: "Contribution 1" })).toBeVisible();
        await answer.getByRole("button", { name: /^Receipt \d+$/ }).click();
        const receipt = page.getByRole("dialog");
        await expect(receipt.getByText("Signed by the operator.")).toBeVisible();
        await expect(receipt.getByRole("row")).toHaveCount(4);
        const command = await receipt.getByLabel("Check it yourself").innerText();
        if (process.env["TRIBUTARY"] !== undefined) {
            const [, ...words] = command.trim().split(/\s+/);
            const { stdout } = await promisify(execFile)(process.env["TRIBUTARY"], words);
            for (const fact of ["form", "signature", "model", "shares", "price"]) expect(stdout).toMatch(new RegExp(`^holds +${fact} `, "m"));
        }
        await receipt.getByRole("button", { name: "Close" }).click();
    }

    test("who pays nothing is told how, and an API key pays", async ({ page }) => {
        const key = needs("STUDIO_KEY");
        await install(page, "Buyer");
        await page.goto("/models/0");
        await page.getByRole("link", { name: "Chat with it" }).click();
        await ask(page, QUESTION);
        await expect(page.getByText("This operator answers those who pay. Choose a channel or a key.")).toBeVisible();
        await answers(page).getByRole("button", { name: "Choose how to pay" }).click();
        const dialog = page.getByRole("dialog");
        await dialog.getByText("An API key", { exact: true }).click();
        const field = dialog.getByRole("textbox", { name: "An API key" });
        const use = dialog.getByRole("button", { name: "Use it" });
        await field.fill("trib-sk-nobodys");
        await use.click();
        await dialog.getByRole("button", { name: "Close" }).click();
        await page.getByRole("button", { name: "Again" }).click();
        await expect(page.getByText("The key is not one of this operator's, or was revoked.")).toBeVisible();
        await answers(page).getByRole("button", { name: "Choose how to pay" }).click();
        await field.fill(key);
        await use.click();
        await expect(dialog.getByRole("button", { name: "In use" })).toBeVisible();
        await dialog.getByRole("button", { name: "Close" }).click();
        await page.getByRole("button", { name: "Again" }).click();
        await expect(said(page)).not.toBeEmpty();
        await attributed(page);
        // A secret is nowhere in the browser's storage.
        const stored = await page.evaluate(() => JSON.stringify({ ...localStorage, ...sessionStorage }));
        expect(stored).not.toContain(key);
    });

    test("a channel opened in the browser pays each answer by a voucher, over a reload, until it is closed", async ({ page }) => {
        await install(page, "Buyer");
        await page.goto("/chat?model=0");
        const dialog = page.getByRole("dialog");
        const pay = () => page.getByRole("button", { name: /^(Choose how to pay|Channel \d+)$/ }).first();
        await pay().click();
        await dialog.getByText("A payment channel", { exact: true }).click();
        await dialog.getByRole("button", { name: "Open a channel" }).click();
        const opening = page.getByRole("dialog", { name: "Open a payment channel" });
        await opening.getByRole("button", { name: "Sign and send" }).click();
        await expect(opening.getByText("Final: it cannot be undone")).toBeVisible();
        await opening.getByRole("button", { name: "Done" }).click();
        await dialog.getByRole("button", { name: "Use it" }).click();
        await expect(dialog.getByText("In use")).toBeVisible();
        await dialog.getByRole("button", { name: "Close", exact: true }).first().click();
        await expect(pay()).toHaveText(/^Channel \d+$/);
        await ask(page, QUESTION);
        await expect(said(page)).not.toBeEmpty();
        await attributed(page);
        await ask(page, "Who keeps the harbour?");
        await expect(answers(page)).toHaveCount(2);
        await attributed(page);

        await page.reload();
        await expect(answers(page)).toHaveCount(2);
        await pay().click();
        await dialog.getByText("A payment channel", { exact: true }).click();
        await dialog.getByRole("button", { name: "Use it" }).click();
        await dialog.getByRole("button", { name: "Close", exact: true }).first().click();
        await ask(page, "What do the fishers mend?");
        await expect(answers(page)).toHaveCount(3);
        await attributed(page);

        await pay().click();
        await dialog.getByRole("button", { name: "Close", exact: true }).last().click();
        await signAndClose(page.getByRole("dialog", { name: /^Close channel/ }).page());
        await expect(page.getByText("Closing", { exact: true })).toBeVisible();
    });
});
