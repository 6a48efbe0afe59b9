// The loop, as people walk it: contribute, review, publish, ask for access, build, watch, claim. Each test goes on from
// what the chain has, and makes what it needs.
import { expect, test, type Page } from "@playwright/test";
import { addressOf, install } from "./wallet";

const unique = Date.now().toString(36);
const NAME = `Tide tables ${unique}`;
let datanet = 0;

/** Signs what the open dialog shows, and waits until it is final. */
async function sign(page: Page, button: string | RegExp) {
    const dialog = page.getByRole("dialog");
    await dialog.getByRole("button", { name: button, exact: typeof button === "string" }).click();
    await expect(dialog.getByText("Final: it cannot be undone")).toBeVisible();
    await expect(dialog.getByRole("button", { name: "Done" })).toBeVisible();
}

const samples = (count: number, from = 0) =>
    Array.from({ length: count }, (_, place) =>
        JSON.stringify({ prompt: `When is tide ${from + place} of ${unique}?`, completion: `At ${(from + place) % 24} o'clock, as the harbour master says.` }),
    ).join("\n") + "\n";

const file = (name: string, text: string) => ({ name, mimeType: "application/octet-stream", buffer: Buffer.from(text) });

test.describe.configure({ mode: "serial" });

test("an owner registers a Datanet with open access", async ({ page }) => {
    await install(page, "Owner");
    await page.goto("/datanets/new");
    // What is missing is said before anything is signed.
    await page.getByRole("button", { name: "Register", exact: true }).click();
    await expect(page.getByText("Give it a name.")).toBeVisible();
    await page.getByLabel("Name", { exact: true }).fill(NAME);
    await page.getByLabel("Field", { exact: true }).fill("seafaring");
    await page.getByLabel("What it holds").fill("Tides, as the harbour master knows them.");
    await page.getByText("Automatically", { exact: true }).click();
    await page.getByRole("button", { name: "Register", exact: true }).click();
    await sign(page, "Sign and send");
    await page.getByRole("button", { name: "Open it" }).click();
    await expect(page.getByRole("heading", { level: 1, name: NAME })).toBeVisible();
    datanet = Number(/\/datanets\/(\d+)/.exec(page.url())?.[1]);
    expect(datanet).toBeGreaterThan(0);
});

test("a wrong file is refused with its lines, and nothing is kept", async ({ page }) => {
    await install(page, "Ada");
    await page.goto(`/datanets/${datanet}/contribute`);
    const input = page.locator('input[type="file"]');
    await input.setInputFiles(file("picture.png", "x"));
    await expect(page.getByText("This is no JSONL, CSV or Parquet file.")).toBeVisible();
    await input.setInputFiles(file("bad.jsonl", `${samples(2)}{"prompt":"a"}\nnot json\n`));
    await expect(page.getByText("2 rows cannot be used")).toBeVisible();
    await expect(page.getByText(/^Line 3/)).toBeVisible();
    await expect(page.getByRole("button", { name: "Submit contribution" })).toHaveCount(0);
});

test("a contribution survives a reload between upload and signature, and a rejected signature", async ({ page }) => {
    const wallet = await install(page, "Ada");
    await page.goto(`/datanets/${datanet}/contribute`);
    await page.locator('input[type="file"]').setInputFiles(file("tides.jsonl", samples(40)));
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
    await expect(page.getByText(`When is tide 0 of ${unique}?`)).toBeVisible();
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
    await page.getByRole("button", { name: "Continue" }).click();
    await page.getByText("A quick taste", { exact: true }).click();
    await page.getByRole("button", { name: "Continue" }).click();
    await expect(page.getByText("Leaves your free balance now")).toBeVisible();
    await page.getByRole("button", { name: "Post the job" }).click();
    await sign(page, "Sign and send");
    await page.getByRole("button", { name: "Watch it" }).click();
    await expect(page.getByRole("heading", { level: 1, name: /Run \d+/ })).toBeVisible();
});

test("a run is watched to its end, over a reload, and accepted", async ({ page }) => {
    test.setTimeout(600_000);
    await install(page, "Requester");
    await page.goto("/jobs?mine=true");
    await page.getByRole("link", { name: /Run \d+/ }).first().click();
    await expect(page.getByText(/Step \d+ of \d+/).first()).toBeVisible({ timeout: 240_000 });
    await page.reload();
    await expect(page.getByText(/Step \d+ of \d+/).first()).toBeVisible();
    await expect(page.getByRole("button", { name: "Accept and pay" })).toBeVisible({ timeout: 300_000 });
    await page.getByRole("button", { name: "Accept and pay" }).click();
    await sign(page, "Accept and pay");
    await page.getByRole("dialog").getByRole("button", { name: "Done" }).click();
    await page.getByRole("link", { name: "Open the model" }).click();
    await expect(page.getByText("Who shaped it")).toBeVisible();
});

test("a contributor claims what a sale brought", async ({ page }) => {
    await install(page, "Ada");
    await page.goto("/earnings");
    const claim = page.getByRole("button", { name: "Claim all" });
    await expect(claim).toBeVisible();
    test.skip(await claim.isDisabled(), "nothing was sold since the last claim");
    await claim.click();
    await sign(page, "Claim all");
    await page.getByRole("dialog").getByRole("button", { name: "Done" }).click();
    await expect(page.getByText("Nothing waits at the moment.")).toBeVisible();
});

test("accounts have their pages", async ({ page }) => {
    await page.goto(`/accounts/${addressOf("Ada")}`);
    await expect(page.getByText("Contribution 0")).toBeVisible();
});
