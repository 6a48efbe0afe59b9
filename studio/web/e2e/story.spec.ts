// The loop, as people walk it: contribute, review, publish, ask for access, build, watch, accept, offer. Each test goes on
// from what the chain has, and makes what it needs.
import { expect, test, type Page } from "@playwright/test";
import { file, register, samples, sign, signAndClose, slow, unique } from "./steps";
import { addressOf, install } from "./wallet";

const NAME = `Tide tables ${unique}`;
const FORBIDDEN = `Pilots' notes ${unique}`;
let datanet = 0;
let model = 0;

test.describe.configure({ mode: "serial" });

test("an owner registers a Datanet with open access", async ({ page }) => {
    await install(page, "Owner");
    await page.goto("/datanets/new");
    // What is missing is said before anything is signed.
    await page.getByRole("button", { name: "Register", exact: true }).click();
    await expect(page.getByText("Give it a name.")).toBeVisible();
    datanet = await register(page, NAME, { access: "Automatically" });
    await register(page, FORBIDDEN, { access: "Automatically", licence: "CC-BY-NC-4.0" });
});

test("a wrong file is refused with its lines, and nothing is kept", async ({ page }) => {
    await install(page, "Ada");
    await page.goto(`/datanets/${datanet}/contribute`);
    const input = page.locator('input[type="file"]');
    await input.setInputFiles(file("picture.png", "x"));
    await expect(page.getByText("This is no JSONL, CSV or Parquet file.")).toBeVisible();
    await input.setInputFiles(file("bad.jsonl", `${samples(NAME, 2)}{"prompt":"a"}\nnot json\n`));
    await expect(page.getByText("2 rows cannot be used")).toBeVisible();
    await expect(page.getByText(/^Line 3/)).toBeVisible();
    await expect(page.getByRole("button", { name: "Submit contribution" })).toHaveCount(0);
});

test("an upload that a reload cuts off is told, and nothing of it is kept", async ({ page }) => {
    await install(page, "Ada");
    await page.goto(`/datanets/${datanet}/contribute`);
    await page.locator('input[type="file"]').setInputFiles(file("long.jsonl", samples(NAME, 20_000)));
    await expect(page.getByText("What goes on chain")).toBeVisible();
    // Its 2 MB take a while on this line.
    await slow(page, { up: 200 });
    await page.getByRole("button", { name: "Submit contribution" }).click();
    await expect(page.getByText(/^Uploading: [1-9]/)).toBeVisible();
    await page.reload();
    await slow(page, null);
    await expect(page.getByText("The upload of long.jsonl was cut off when the page was left.")).toBeVisible();
    await expect(page.getByRole("button", { name: "Choose a file" })).toBeVisible();
    await page.locator('input[type="file"]').setInputFiles(file("tides.jsonl", samples(NAME, 3)));
    await expect(page.getByText("What goes on chain")).toBeVisible();
    await expect(page.getByText("The upload of long.jsonl")).toHaveCount(0);
});

test("a contribution survives a reload between upload and signature, and a rejected signature", async ({ page }) => {
    const wallet = await install(page, "Ada");
    await page.goto(`/datanets/${datanet}/contribute`);
    await page.locator('input[type="file"]').setInputFiles(file("tides.jsonl", samples(NAME, 40)));
    await expect(page.getByText("What goes on chain")).toBeVisible();
    await page.getByRole("button", { name: "Submit contribution" }).click();
    await expect(page.getByRole("dialog")).toBeVisible();
    await page.reload();
    await expect(page.getByText("Your file was uploaded before the page was reloaded.")).toBeVisible();
    await page.getByRole("button", { name: "Submit contribution" }).click();
    wallet.answer = "reject";
    await page.getByRole("dialog").getByRole("button", { name: "Sign and send" }).click();
    await expect(page.getByRole("dialog").getByText("You did not sign")).toBeVisible();
    wallet.answer = "sign";
    await sign(page, "Try again");
    await page.getByRole("button", { name: "Open the contribution" }).click();
    await expect(page.getByRole("heading", { level: 1, name: /Contribution \d+/ })).toBeVisible();
    await expect(page.getByText("Waiting for review").first()).toBeVisible();
});

test("the owner reads the samples, accepts, and publishes a version", async ({ page }) => {
    await install(page, "Owner");
    await page.goto(`/datanets/${datanet}/review`);
    await page.getByRole("button", { name: "Sign and read" }).first().click();
    await expect(page.getByText(`When is tide 0 of ${NAME}?`)).toBeVisible();
    await page.getByRole("button", { name: "Accept", exact: true }).click();
    await sign(page, "Accept");
    await page.getByRole("dialog").getByRole("button", { name: "Done" }).click();
    await expect(page.getByText("All reviewed")).toBeVisible();
    await page.goto(`/datanets/${datanet}`);
    await page.getByRole("button", { name: "Publish a version" }).click();
    await sign(page, "Sign and send");
    await page.getByRole("dialog").getByRole("button", { name: "Done" }).click();
    await expect(page.getByText("Version 1", { exact: true }).first()).toBeVisible();
});

test("an address that is none is refused before anything is signed", async ({ page }) => {
    await install(page, "Owner");
    await page.goto(`/datanets/${datanet}/settings`);
    await page.getByRole("textbox", { name: "Curators" }).fill("not-an-address");
    await page.getByRole("button", { name: "Save curators" }).click();
    await expect(page.getByText("“not-an-address” is no address.")).toBeVisible();
});

test("a requester without a grant is told so, gets one, and posts a job", async ({ page }) => {
    await install(page, "Requester");
    await page.goto(`/build?datanet=${datanet}`);
    const item = page.getByRole("listitem").filter({ hasText: NAME });
    await expect(item.getByText("You have no grant.")).toBeVisible();
    await expect(page.getByRole("button", { name: "Continue" })).toBeDisabled();
    await item.getByRole("button", { name: "Request access" }).click();
    await sign(page, "Send request");
    await page.getByRole("dialog").getByRole("button", { name: "Done" }).click();
    await expect(item.getByText(/Grant \d+, 3 jobs left/)).toBeVisible();
    // A licence that forbids the use is named with whose it is, before anybody asks for a grant; another use lifts that.
    const forbidden = page.getByRole("listitem").filter({ hasText: FORBIDDEN });
    const conflict = `Commercial use is not allowed by the licence of ${FORBIDDEN} (CC-BY-NC-4.0).`;
    await expect(forbidden).toContainText(conflict);
    await page.getByText("Non-commercial research").click();
    await expect(forbidden).not.toContainText(conflict);
    await page.getByText("Any commercial use").click();
    await review(page, LONG);
    await post(page);
});

test("a job that no trainer takes waits in the queue, and its requester gets everything back", async ({ page }) => {
    await install(page, "Requester");
    await page.goto(`/build?datanet=${datanet}`);
    await review(page);
    // It puts more at risk than any trainer here has bonded.
    await page.getByLabel("Price for the trainer").fill("400");
    await post(page);
    await expect(page.getByText("In the queue")).toBeVisible();
    const escrow = page.locator("dl > div").filter({ has: page.getByText("In escrow", { exact: true }) });
    await expect(escrow).toContainText("410");
    await page.getByRole("button", { name: "Cancel the job", exact: true }).click();
    await expect(page.getByRole("dialog").getByText("The escrow returns to you.")).toBeVisible();
    await signAndClose(page, "Cancel the job");
    await expect(page.getByText("Cancelled", { exact: true }).first()).toBeVisible();
    await expect(escrow).not.toContainText("410");
    await expect(page.getByText("In the queue")).toHaveCount(0);
});

test("a run is watched to its end, over a reload, and accepted", async ({ page }) => {
    test.setTimeout(600_000);
    await install(page, "Requester");
    await page.goto("/jobs?mine=true");
    await page.getByRole("listitem").filter({ hasText: NAME }).filter({ hasNotText: "Cancelled" }).getByRole("link", { name: /Run \d+/ }).click();
    await expect(page.getByText(/Step \d+ of \d+/).first()).toBeVisible({ timeout: 240_000 });
    await page.reload();
    await expect(page.getByText(/Step \d+ of \d+/).first()).toBeVisible();
    // Its requester has the trainer wait; the state that it saved is where it goes on.
    await page.getByRole("button", { name: "Pause", exact: true }).click();
    await expect(page.getByText("The run is paused")).toBeVisible();
    const paused = page.getByText(/Paused at step \d+/);
    await expect(paused).toBeVisible();
    const step = Number(/\d+/.exec(await paused.innerText())?.[0]);
    await page.getByRole("button", { name: "Go on", exact: true }).click();
    await expect(page.getByText(`Resumed after step ${step}`)).toBeVisible();
    await expect(page.getByText("The run is under way")).toBeVisible();
    await expect(page.getByRole("button", { name: "Accept and pay" })).toBeVisible({ timeout: 300_000 });
    await page.getByRole("button", { name: "Accept and pay" }).click();
    await sign(page, "Accept and pay");
    await page.getByRole("dialog").getByRole("button", { name: "Done" }).click();
    await page.getByRole("link", { name: "Open the model" }).click();
    await expect(page.getByText("Who shaped it")).toBeVisible();
    model = Number(/\/models\/(\d+)/.exec(page.url())?.[1]);
});

test("the owner sees which samples look wrong to the model", async ({ page }) => {
    await install(page, "Owner");
    // The gateway asks the trainer every few seconds.
    await expect(async () => {
        await page.goto(`/datanets/${datanet}/review`);
        await expect(page.getByRole("heading", { name: "Samples that look wrong" })).toBeVisible({ timeout: 3_000 });
    }).toPass({ timeout: 30_000 });
    await expect(page.getByText(/^\d+ of 40 samples$/)).toBeVisible();
    await page.getByRole("link", { name: /^Contribution \d+$/ }).last().click();
    await page.getByRole("button", { name: "Sign and read" }).click();
    await expect(page.getByText(`When is tide 0 of ${NAME}?`)).toBeVisible();
    await page.getByText(/^Only the \d+ that look wrong$/).click();
    const listed = page.getByRole("listitem").filter({ hasText: `of ${NAME}?` });
    const marked = listed.filter({ hasText: `Looks wrong to model ${model}` });
    await expect(async () => {
        const count = await listed.count();
        expect(count).toBeGreaterThan(0);
        expect(count).toBeLessThan(20);
        expect(await marked.count()).toBe(count);
    }).toPass({ timeout: 10_000 });
});

test("a run in work is stopped by its requester, who pays for what was done", async ({ page }) => {
    test.setTimeout(300_000);
    await install(page, "Requester");
    await page.goto(`/build?datanet=${datanet}`);
    await review(page, LONG);
    await post(page);
    await expect(page.getByText(/Step \d+ of \d+/).first()).toBeVisible({ timeout: 240_000 });
    await page.getByRole("button", { name: "Stop the run", exact: true }).click();
    await expect(page.getByRole("dialog").getByText("It costs now:")).toBeVisible();
    await signAndClose(page, "Stop the run");
    await expect(page.getByText("Stopped, and paid for what was done")).toBeVisible();
    await expect(page.getByText("Cancelled", { exact: true }).first()).toBeVisible();
    await expect(page.getByRole("button", { name: "Stop the run" })).toHaveCount(0);
});

test("its owner publishes a model with prices, changes them, and withdraws it", async ({ page }) => {
    await install(page, "Requester");
    await page.goto(`/models/${model}`);
    await expect(page.getByText("This model is yours, and private.")).toBeVisible();
    await page.getByRole("button", { name: "Publish", exact: true }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByLabel("Per 1,000 tokens of a question").fill("one");
    await expect(dialog.getByText("Type an amount such as 12.5")).toBeVisible();
    await expect(dialog.getByRole("button", { name: "Publish" })).toBeDisabled();
    await dialog.getByLabel("Per 1,000 tokens of a question").fill("0.25");
    await dialog.getByLabel("Per 1,000 tokens of an answer").fill("0.75");
    await signAndClose(page, "Publish");
    const prices = page.getByRole("region", { name: "Prices" }).or(page.locator("section").filter({ has: page.getByRole("heading", { name: "Prices", exact: true }) }));
    await expect(prices.first()).toContainText("0.25");
    await expect(prices.first()).toContainText("0.75");
    await page.getByRole("button", { name: "Change prices" }).click();
    await dialog.getByLabel("Per 1,000 tokens of an answer").fill("0.5");
    await signAndClose(page, "Change prices");
    await expect(prices.first()).toContainText("0.5");
    await page.goto("/models?status=published");
    const card = page.getByRole("article").filter({ hasText: NAME });
    await expect(card).toContainText("0.5 TRIB per 1,000 tokens");
    await card.getByRole("link").first().click();
    await page.getByRole("button", { name: "Withdraw" }).click();
    await expect(dialog.getByText("This cannot be undone.")).toBeVisible();
    await signAndClose(page, "Withdraw");
    await expect(page.getByText("Withdrawn", { exact: true }).first()).toBeVisible();
    await expect(page.getByText("Its owner has not offered it.")).toBeVisible();
    await page.goto("/models?status=published");
    await expect(page.getByRole("article").first()).toBeVisible();
    await expect(card).toHaveCount(0);
});

test("accounts have their pages", async ({ page }) => {
    await page.goto(`/accounts/${addressOf("Ada")}`);
    await expect(page.getByRole("heading", { level: 1 })).toHaveText("Ada");
    // Contributors come at the same time: which of them is the first is the chain's business.
    await expect(page.getByRole("link", { name: /^Contribution \d+$/ }).first()).toBeVisible();
});

/** From chosen data to the last step of the wizard. */
/** Passes of a run that is long enough to be paused, or stopped. */
const LONG = 300;

async function review(page: Page, epochs?: number) {
    await page.getByRole("button", { name: "Continue" }).click();
    await page.getByText("A quick taste", { exact: true }).click();
    if (epochs !== undefined) {
        await page.getByText("Advanced settings", { exact: true }).click();
        await page.getByRole("textbox", { name: "Epochs" }).fill(String(epochs));
        await page.keyboard.press("Tab");
    }
    await page.getByRole("button", { name: "Continue" }).click();
    await expect(page.getByText("Leaves your free balance now")).toBeVisible();
    // What a long run usually costs puts more at risk than a trainer here has bonded.
    if (epochs !== undefined) await page.getByLabel("Price for the trainer").fill("50");
}

async function post(page: Page) {
    await page.getByRole("button", { name: "Post the job" }).click();
    await sign(page);
    await page.getByRole("button", { name: "Watch it" }).click();
    await expect(page.getByRole("heading", { level: 1, name: /Run \d+/ })).toBeVisible();
}
