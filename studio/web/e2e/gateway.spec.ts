// A gateway that dies, with people on its pages: a real one, of this test's own.
import { expect, test } from "@playwright/test";
import { needs, ownGateway } from "./programs";

test("a gateway that is killed is told, what was read stays, and its return mends everything", async ({ page, baseURL }) => {
    const { url, gateway, end } = await ownGateway(needs("TRIBUTARY"), baseURL ?? "");
    try {
        await page.goto(`${url}/datanets`);
        await expect(page.getByRole("article").first()).toBeVisible();
        const height = page.getByText(/^Block [\d,]+ final$/);
        await expect(height).toBeVisible();
        const before = Number((await height.innerText()).replaceAll(/\D/g, ""));

        await gateway.kill();
        await expect(page.getByText("The gateway cannot be reached.")).toBeVisible();
        await expect(page.getByText("Connection lost, retrying")).toBeVisible();
        await expect(page.getByRole("article").first()).toBeVisible();
        // A page whose code was never loaded: it waits, and is no error page of the browser's.
        await page.getByRole("link", { name: "Network", exact: true }).click();
        await expect(page).toHaveURL(`${url}/network`);
        await expect(page.getByText("The gateway cannot be reached.")).toBeVisible();

        await gateway.start();
        await expect(page.getByRole("heading", { level: 1, name: "Network" })).toBeVisible();
        await expect(page.getByText("Latest final blocks")).toBeVisible();
        await expect(page.getByText("The gateway cannot be reached.")).toHaveCount(0);
        await expect
            .poll(async () => Number((await height.innerText()).replaceAll(/\D/g, "")))
            .toBeGreaterThan(before);
    } finally {
        await end();
    }
});

test("a connection that fails is said where it is noticed, and tried again by hand", async ({ page }) => {
    await page.goto("/datanets");
    await expect(page.getByRole("article").first()).toBeVisible();
    await page.route("**/api/**", (route) => route.abort());
    await page.getByRole("link", { name: "Network", exact: true }).click();
    await expect(page.getByText("Cannot reach ModelFactory").first()).toBeVisible();
    await page.unroute("**/api/**");
    await page.getByRole("button", { name: "Try again" }).first().click();
    await expect(page.getByText("Latest final blocks")).toBeVisible();
});
