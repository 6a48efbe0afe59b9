// Asking an operator's model for pay: by an API key, by a channel of the browser's own; and what sales and paid answers bring
// to those whose data shaped the model.
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { expect, test, type Page } from "@playwright/test";
import { acceptEpoch } from "./epochs";
import { needs, sell } from "./programs";
import { answers, ask, person, said, signAndClose } from "./steps";
import { install } from "./wallet";

const QUESTION = "Of which colour is the lighthouse of Saltmere?";
/** In TRIB. */
const SALE = 10;

/** The amount that the page says can be claimed. */
async function claimable(page: Page): Promise<number> {
    const text = await page.getByRole("region", { name: "Ready to claim" }).locator(".claim-amount").innerText();
    return Number(text.replaceAll(",", "").replace(/[^\d.].*$/s, ""));
}

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
    await expect(dialog).toHaveCount(0);
    await page.getByRole("button", { name: "Again" }).click();
    await expect(page.getByText("The key is not one of this operator's, or was revoked.")).toBeVisible();
    await answers(page).getByRole("button", { name: "Choose how to pay" }).click();
    await field.fill(key);
    await use.click();
    await expect(dialog).toHaveCount(0);
    await page.getByRole("button", { name: "Again" }).click();
    await expect(said(page)).not.toBeEmpty();
    await attributed(page);
    // Who has a key may put the base beside it.
    await expect(page.getByRole("button", { name: "Side by side" })).toBeVisible();
    // A secret is nowhere in the browser's storage.
    const stored = await page.evaluate(() => JSON.stringify({ ...localStorage, ...sessionStorage }));
    expect(stored).not.toContain(key);
});

test("a channel opened in the browser pays each answer by a voucher, over a reload, until it is closed", async ({ page, browser }) => {
    const { page: contributor } = await person(browser, "Cem");
    await contributor.goto("/earnings");
    await install(page, "Buyer");
    await page.goto("/chat?model=0");
    const dialog = page.getByRole("dialog");
    const pay = () => page.getByRole("button", { name: /^(Choose how to pay|Channel \d+)$/ }).first();
    await pay().click();
    await dialog.getByText("A payment channel", { exact: true }).click();
    const open = dialog.getByRole("button", { name: /^Open (a|another) channel$/ });
    await expect(open).toBeVisible();
    await open.click();
    const opening = page.getByRole("dialog", { name: "Open a payment channel" });
    await opening.getByRole("button", { name: "Sign and send" }).click();
    await expect(opening.getByText("Final: it cannot be undone")).toBeVisible();
    await opening.getByRole("button", { name: "Start asking" }).click();
    // It was opened to be used.
    await expect(dialog).toHaveCount(0);
    await expect(pay()).toHaveText(/^Channel \d+$/);
    const title = await pay().innerText();
    const own = dialog.locator(".channel-item").filter({ has: page.getByText(title, { exact: true }) });
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
    await own.getByRole("button", { name: "Use it" }).click();
    await expect(dialog).toHaveCount(0);
    await ask(page, "What do the fishers mend?");
    await expect(answers(page)).toHaveCount(3);
    await attributed(page);

    // Closing it brings the operator what the vouchers promise, and the model's price of that its contributors.
    const waits = await claimable(contributor);
    await pay().click();
    await own.getByRole("button", { name: "Close", exact: true }).click();
    const closing = page.getByRole("dialog", { name: /^Close channel/ });
    await closing.getByRole("button", { name: "Sign and send" }).click();
    await expect(closing.getByText("Final: it cannot be undone")).toBeVisible();
    await closing.getByRole("button", { name: "Done" }).click();
    await expect(own.getByText("Closing", { exact: true })).toBeVisible();
    await expect(own.getByText(/^4\.9\d+ TRIB left of 5 TRIB/)).toBeVisible();
    await expect.poll(() => claimable(contributor)).toBeGreaterThan(waits);
});

test("a sale reaches everybody's earnings while they look; a contributor claims it and exports it", async ({ browser, baseURL }) => {
    const program = needs("TRIBUTARY");
    const [{ page: contributor }, { page: owner }] = await Promise.all([person(browser, "Ben"), person(browser, "BaseOwner")]);
    await Promise.all([contributor.goto("/earnings"), owner.goto("/earnings")]);
    await expect(contributor.getByRole("region", { name: "Ready to claim" })).toBeVisible();
    await expect(contributor.locator(".claim-amount .skeleton")).toHaveCount(0);
    const before = await claimable(contributor);
    const payouts = owner.getByRole("row").filter({ hasText: "Sale" });
    await expect(payouts.first()).toBeVisible();
    const salesBefore = await payouts.count();

    await sell(program, baseURL ?? "", "Ferdie", 0, SALE);
    // Ben's contribution has 44% of the units, and contributors share half of each sale.
    await expect.poll(() => claimable(contributor)).toBeGreaterThan(before + SALE * 0.5 * 0.3);
    await expect(contributor.getByText(/from 1 contribution in 1 model/)).toBeVisible();
    await expect(payouts).toHaveCount(salesBefore + 1);
    // The base's owner gets 8% at once, without a claim.
    await expect(payouts.first()).toContainText("0.8");
    await expect(payouts.first()).toContainText("Base model owner");

    const claimed = await claimable(contributor);
    await contributor.getByRole("button", { name: "Claim all" }).click();
    await signAndClose(contributor, "Claim all");
    await expect(contributor.getByText("Nothing waits at the moment.")).toBeVisible();
    await expect(contributor.getByRole("button", { name: "Claim all" })).toBeDisabled();
    await expect(contributor.getByRole("row").filter({ hasText: "Claimed" }).filter({ hasText: "Model 0" }).first()).toBeVisible();

    const started = contributor.waitForEvent("download");
    await contributor.getByRole("link", { name: "Export CSV" }).click();
    const text = await readFile(await (await started).path(), "utf8");
    const [header = "", ...rows] = text.trim().split(/\r?\n/);
    const names = header.split(",");
    const amount = names.findIndex((name) => name.startsWith("amount"));
    expect(amount, header).toBeGreaterThanOrEqual(0);
    const amounts = rows.map((row) => Number(row.split(",")[amount]));
    expect(amounts.some((one) => Math.abs(one - claimed) < 1e-5), text).toBe(true);
});

test("what an operator's accepted epoch gives is claimed beside the shares, in one transaction", async ({ browser, baseURL }) => {
    // The server looks after its epochs once a minute: it posts this one, resolves it, and only then shows it.
    test.setTimeout(480_000);
    const { page: contributor } = await person(browser, "Ben");
    await contributor.goto("/earnings");
    const panel = contributor.getByRole("region", { name: "Ready to claim" });
    await expect(panel).toBeVisible();

    // The answers that were sold above are the epoch's receipts.
    const { epoch } = await acceptEpoch(baseURL ?? "", 0);
    // The page, which is open, asks again until the server knows what the chain accepted.
    await expect(panel.getByText(`model 0, epoch ${epoch}`)).toBeVisible({ timeout: 200_000 });
    await expect(panel.getByText("By your shares of models")).toBeVisible();
    await expect(contributor.getByText(/^of it [\d,.]+ TRIB for paid answers$/)).toBeVisible();

    await contributor.getByRole("button", { name: "Claim all" }).click();
    const dialog = contributor.getByRole("dialog");
    await expect(dialog.getByText(/^Contribution \d+ in model 0$/)).toBeVisible();
    await expect(dialog.getByText(new RegExp(`^Contribution \\d+ in model 0, paid answers up to epoch ${epoch}$`))).toBeVisible();
    await signAndClose(contributor, "Claim all");
    await expect(contributor.getByText("Nothing waits at the moment.")).toBeVisible();
    await expect(panel.getByText("For paid answers")).toHaveCount(0);
    await expect(contributor.getByRole("row").filter({ hasText: "Claimed for answers" }).filter({ hasText: "Model 0" }).first()).toBeVisible();
});
