// What a sale and paid answers bring to those whose data shaped a model, and how they get it.
import { readFile } from "node:fs/promises";
import { expect, test, type Page } from "@playwright/test";
import { needs, sell } from "./programs";
import { person, signAndClose } from "./steps";

/** In TRIB. */
const SALE = 10;

/** The amount that the page says can be claimed. */
async function claimable(page: Page): Promise<number> {
    const text = await page.getByRole("region", { name: "Ready to claim" }).locator(".claim-amount").innerText();
    return Number(text.replaceAll(",", "").replace(/[^\d.].*$/s, ""));
}

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
