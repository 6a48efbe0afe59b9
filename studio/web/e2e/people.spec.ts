// Two people at once, each with a browser of their own: what one does, the other sees without asking.
import { expect, test } from "@playwright/test";
import { file, person, register, samples, sign, signAndClose, unique } from "./steps";

const NAME = `Harbour logs ${unique}`;
let datanet = 0;

test.describe.configure({ mode: "serial" });

test("one contributes while the other reviews, and each sees the other's part", async ({ browser }) => {
    const [{ page: owner }, { page: contributor }] = await Promise.all([person(browser, "Bob"), person(browser, "Charlie")]);
    datanet = await register(owner, NAME, { access: "You decide" });
    await owner.goto(`/datanets/${datanet}/review`);
    await expect(owner.getByText("All reviewed")).toBeVisible();

    await contributor.goto(`/datanets/${datanet}/contribute`);
    await contributor.locator('input[type="file"]').setInputFiles(file("logs.jsonl", samples(`Bob ${unique}`, 12)));
    await contributor.getByRole("button", { name: "Submit contribution" }).click();
    await sign(contributor);
    await contributor.getByRole("button", { name: "Open the contribution" }).click();
    await expect(contributor.getByText("Waiting for review").first()).toBeVisible();
    const title = await contributor.getByRole("heading", { level: 1, name: /Contribution \d+/ }).innerText();

    // The reviewer's page was open all the time.
    await expect(owner.getByRole("button", { name: title })).toBeVisible();
    await owner.getByRole("button", { name: "Sign and read" }).first().click();
    await expect(owner.getByText(`When is tide 0 of Bob ${unique}?`)).toBeVisible();
    await owner.getByRole("button", { name: "Reject", exact: true }).click();
    const reject = owner.getByRole("dialog").getByRole("button", { name: "Reject", exact: true });
    await expect(reject).toBeDisabled();
    await owner.getByRole("dialog").getByLabel("Reason").fill("The tides of the east quay are missing.");
    await signAndClose(owner, "Reject");
    await expect(owner.getByText("All reviewed")).toBeVisible();

    // So was the contributor's.
    await expect(contributor.getByText("Rejected").first()).toBeVisible();
    await expect(contributor.getByText("The tides of the east quay are missing.").first()).toBeVisible();
});

test("a request is denied, another granted and revoked, and the requester is told each time", async ({ browser }) => {
    const [{ page: owner }, { page: requester }] = await Promise.all([person(browser, "Bob"), person(browser, "Charlie")]);
    await owner.goto("/");
    const request = async () => {
        await requester.goto(`/datanets/${datanet}/grants`);
        await requester.getByRole("button", { name: "Request access" }).first().click();
        await expect(requester.getByText("The owner decides.")).toBeVisible();
        await sign(requester, "Send request");
        await expect(requester.getByText("Your request is with the owner.")).toBeVisible();
        await requester.getByRole("dialog").getByRole("button", { name: "Done" }).click();
        // By the menu, as a person goes there.
        await requester.getByRole("link", { name: "Grants" }).first().click();
    };
    const mine = (status: string) => requester.getByRole("listitem").filter({ hasText: NAME }).filter({ hasText: status });

    await request();
    await expect(mine("Requested")).toHaveCount(1);
    await owner.getByRole("link", { name: /^Grants 1 waiting for your decision/ }).click();
    const waiting = owner.getByRole("listitem").filter({ hasText: NAME });
    await waiting.getByRole("button", { name: "Deny" }).click();
    await expect(owner.getByRole("dialog").getByRole("button", { name: "Deny" })).toBeDisabled();
    await owner.getByRole("dialog").getByLabel("Reason").fill("Say first what the model is for.");
    await signAndClose(owner, "Deny");
    await expect(owner.getByText("Nobody is waiting")).toBeVisible();
    await expect(mine("Denied")).toContainText("Say first what the model is for.");

    await request();
    await waiting.getByRole("button", { name: "Grant access" }).click();
    await signAndClose(owner, "Grant access");
    await expect(mine("Active")).toHaveCount(1);
    await expect(mine("Active").getByRole("link", { name: "Build with it" })).toBeVisible();

    await owner.goto(`/datanets/${datanet}/grants`);
    await owner.getByRole("button", { name: "Revoke" }).click();
    await expect(owner.getByRole("dialog").getByText("What was disclosed cannot be taken back.")).toBeVisible();
    await owner.getByRole("dialog").getByLabel("Reason").fill("The harbour master wants it back.");
    await signAndClose(owner, "Revoke");
    await expect(mine("Revoked")).toContainText("The harbour master wants it back.");
    await expect(mine("Active")).toHaveCount(0);
});
