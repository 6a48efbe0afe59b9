// What a model's page offers to programs: code that runs as shown, and the adapter's files.
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test, type Page } from "@playwright/test";
import { needs, temporaryFolder } from "./programs";

const run = promisify(execFile);

async function snippet(page: Page, language: string): Promise<string> {
    await page.goto("/models/0");
    await page.getByRole("tab", { name: language }).click();
    return page.getByRole("tabpanel").getByLabel(language, { exact: true }).innerText();
}

test.describe("the code of a model's page runs as shown", () => {
    test("curl", async ({ page }) => {
        const environment = { ...process.env, TRIBUTARY_API_KEY: needs("STUDIO_KEY") };
        const code = await snippet(page, "curl");
        const { stdout } = await run("bash", ["-c", `${code} --silent --show-error --fail`], { env: environment });
        const answer = JSON.parse(stdout) as { choices: { message: { content: string } }[] };
        expect(answer.choices[0]?.message.content).toMatch(/\w/);
        // Without a key it is refused, and says why.
        const { stdout: refusal } = await run("bash", ["-c", `${code} --silent`], { env: { ...process.env, TRIBUTARY_API_KEY: "" } });
        expect(JSON.parse(refusal)).toHaveProperty("error.code");
    });

    test("Python", async ({ page }) => {
        const environment = { ...process.env, TRIBUTARY_API_KEY: needs("STUDIO_KEY") };
        const python = process.env["OPENAI_PYTHON"] ?? join(homedir(), ".cache/tributary/clients/openai-python/bin/python");
        test.skip(!existsSync(python), `skipped: ${python} is not there; OPENAI_PYTHON names a Python that has the package openai`);
        const { stdout } = await run(python, ["-c", await snippet(page, "Python")], { env: environment });
        expect(stdout).toMatch(/\w/);
    });

    test("Node", async ({ page }) => {
        const environment = { ...process.env, TRIBUTARY_API_KEY: needs("STUDIO_KEY") };
        const folder = process.env["OPENAI_NODE"] ?? new URL("../../../tests/clients/openai-node", import.meta.url).pathname;
        test.skip(!existsSync(join(folder, "node_modules/openai")), `skipped: ${folder} has no package openai; OPENAI_NODE names a folder that has`);
        const code = await snippet(page, "Node");
        const { stdout } = await run("node", ["--input-type=module", "-e", code], { env: environment, cwd: folder });
        expect(stdout).toMatch(/\w/);
    });
});

test("the adapter is downloaded as PEFT's files", async ({ page }) => {
    await page.goto("/models/0");
    const started = page.waitForEvent("download");
    await page.getByRole("link", { name: "Download adapter" }).click();
    const download = await started;
    expect(download.suggestedFilename()).toBe("model-0-adapter.tar");
    const folder = await temporaryFolder();
    try {
        const archive = join(folder.path, "adapter.tar");
        await writeFile(archive, await readFile(await download.path()));
        await run("tar", ["-xf", archive, "-C", folder.path]);
        const config = JSON.parse(await readFile(join(folder.path, "adapter_config.json"), "utf8")) as Record<string, unknown>;
        expect(config).toMatchObject({ peft_type: "LORA", task_type: "CAUSAL_LM" });
        const weights = await readFile(join(folder.path, "adapter_model.safetensors"));
        const header = JSON.parse(weights.subarray(8, 8 + Number(weights.readBigUInt64LE(0))).toString()) as Record<string, { shape?: number[] }>;
        const tensors = Object.entries(header).filter(([name]) => name !== "__metadata__");
        expect(tensors.length).toBeGreaterThan(0);
        for (const [name, { shape }] of tensors) {
            expect(name).toMatch(/^base_model\.model\..+\.lora_[AB]\.weight$/);
            // The rank is the short side that A and B share.
            expect(shape?.[name.includes(".lora_A.") ? 0 : 1]).toBe(config["r"]);
        }
    } finally {
        await folder.remove();
    }
});
