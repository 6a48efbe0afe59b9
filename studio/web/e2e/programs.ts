// What the tests know of the demonstration beside its address, and programs that they start themselves: a gateway that can
// be killed, a server of one's own. scripts/stories says where they are.
import { execFile, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { promisify } from "node:util";
import { test } from "@playwright/test";

const told = {
    /** An API key of the demonstration's operator. */
    STUDIO_KEY: process.env["STUDIO_KEY"],
    /** The program `tributary`. */
    TRIBUTARY: process.env["TRIBUTARY"],
    /** The demonstration's folder. */
    DEMO_FOLDER: process.env["DEMO_FOLDER"],
};

/** What was told; skips the test where it was not. */
export function needs(name: keyof typeof told): string {
    const value = told[name];
    test.skip(value === undefined, `skipped: ${name} is not set; scripts/stories sets it`);
    return value ?? "";
}

export async function freePort(): Promise<number> {
    const server = createServer();
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    server.close();
    await once(server, "close");
    return port;
}

/** A program of `tributary` that serves HTTP. */
export class Program {
    private child: ChildProcess | null = null;

    constructor(
        private readonly program: string,
        private readonly words: string[],
        /** An address that answers once it is up. */
        private readonly sign: string,
    ) {}

    async start(): Promise<void> {
        const environment = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("TRIBUTARY")));
        const child = spawn(this.program, this.words, { stdio: "ignore", env: environment });
        this.child = child;
        while (!(await fetch(this.sign).then(({ ok }) => ok, () => false))) {
            if (child.exitCode !== null) throw new Error(`tributary ${this.words.join(" ")} ended with status ${child.exitCode}`);
            await new Promise((resolve) => setTimeout(resolve, 100));
        }
    }

    /** As a power cut does it. */
    async kill(): Promise<void> {
        const { child } = this;
        this.child = null;
        if (!child || child.exitCode !== null) return;
        const ended = once(child, "exit");
        child.kill("SIGKILL");
        await ended;
    }
}

/** A line to a server that hands on each event of a stream only after a pause, as a slow server would send it. */
export class SlowLine {
    private readonly line = createHttpServer((request, response) => void this.pass(request, response));
    /** Milliseconds before each event. */
    pause = 0;

    constructor(private readonly server: string) {}

    async start(): Promise<string> {
        this.line.listen(0, "127.0.0.1");
        await once(this.line, "listening");
        return `http://127.0.0.1:${(this.line.address() as AddressInfo).port}`;
    }

    end(): void {
        this.line.close();
        this.line.closeAllConnections();
    }

    private async pass(request: IncomingMessage, response: ServerResponse): Promise<void> {
        const gone = new AbortController();
        response.on("close", () => gone.abort());
        try {
            const body = request.method === "POST" ? await new Response(Readable.toWeb(request) as ReadableStream).text() : null;
            const headers = Object.fromEntries(
                ["content-type", "authorization", "x-tributary-voucher"].flatMap((name) => {
                    const value = request.headers[name];
                    return typeof value === "string" ? [[name, value]] : [];
                }),
            );
            const answer = await fetch(`${this.server}${request.url}`, { method: request.method ?? "GET", headers, body, signal: gone.signal });
            response.writeHead(answer.status, { "content-type": answer.headers.get("content-type") ?? "application/json" });
            const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader();
            let rest = "";
            for (let piece = await reader?.read(); piece && !piece.done; piece = await reader?.read()) {
                const events = (rest + piece.value).split("\n\n");
                rest = events.pop() ?? "";
                for (const event of events) {
                    await new Promise((resolve) => setTimeout(resolve, this.pause));
                    response.write(`${event}\n\n`);
                }
            }
            response.end(rest);
        } catch (error) {
            // Who went away gets nothing more; anything else is this line's own fault, and is to be seen.
            if (!gone.signal.aborted) throw error;
        }
    }
}

/** Pays a model's stream some TRIB, as a buyer without a browser does; resolves when that is in a block. */
export async function sell(program: string, demo: string, buyer: string, model: number, amount: number): Promise<void> {
    const config = (await (await fetch(`${demo}/api/config`)).json()) as { chain: { node_url: string } };
    const words = ["reward", "fund", String(model), String(amount), "--dev-account", buyer, "--node", config.chain.node_url];
    await promisify(execFile)(program, words);
}

/** A folder that is removed at the end of the test. */
export async function temporaryFolder(): Promise<{ path: string; remove: () => Promise<void> }> {
    const path = await mkdtemp(join(tmpdir(), "tributary-stories-"));
    return { path, remove: () => rm(path, { recursive: true, force: true }) };
}

/** A gateway of one's own for the demonstration's chain, with the same pages. */
export async function ownGateway(program: string, demo: string, more: string[] = []): Promise<{ url: string; gateway: Program; end: () => Promise<void> }> {
    const config = (await (await fetch(`${demo}/api/config`)).json()) as { chain: { node_url: string } };
    const [port, data] = [await freePort(), await temporaryFolder()];
    const url = `http://127.0.0.1:${port}`;
    const pages = new URL("../dist", import.meta.url).pathname;
    const gateway = new Program(
        program,
        ["studio", `--node=${config.chain.node_url}`, `--data=${data.path}`, `--web=${pages}`, `--listen=127.0.0.1:${port}`, ...more],
        `${url}/api/config`,
    );
    await gateway.start();
    const end = async () => {
        await gateway.kill();
        await data.remove();
    };
    return { url, gateway, end };
}
