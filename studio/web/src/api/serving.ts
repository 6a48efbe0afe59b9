// The OpenAI-compatible API behind the gateway's /v1: which models answer, and their answers as they come.
import { t } from "../strings/en";
import { UnreachableError } from "./client";

export interface ServedModel {
    id: string;
    /** On chain; `null` for the base, and for adapters from a folder. */
    model: number | null;
    adapter: string | null;
    contextTokens: number | null;
    /** `plain`: it was trained on single questions, and takes nothing else. `null`: its server does not say. */
    template: "plain" | "chat" | null;
    /** Whether its operator sells it. */
    isSold: boolean;
}

/** What an operator tells everybody. */
export interface Operator {
    account: string;
    models: ServedModel[];
}

export interface Receipt {
    operator: string;
    model: number;
    number: number;
    price: string;
    input_tokens: number;
    output_tokens: number;
    /** Units of 10^9 that go by the shares of training. */
    base: number;
    share_count: number;
    shares?: { index: number; units: number }[];
    leaf: string;
    signature: string;
    path: string;
    signed?: string;
}

/** What an operator says about the sale of an answer. */
export interface Sale {
    price: string | null;
    receipt: Receipt | null;
}

export interface Message {
    role: "system" | "user" | "assistant";
    content: string;
}

export interface Sampling {
    temperature: number;
    top_p: number;
    max_tokens: number;
    seed: number | null;
}

export interface Answer {
    finish: string | null;
    usage: { prompt_tokens: number; completion_tokens: number } | null;
    sale: Sale | null;
}

/** A refusal in OpenAI's shape. */
export class ServingError extends Error {
    override readonly name = "ServingError";
    constructor(
        readonly status: number,
        readonly code: string | null,
        message: string,
        readonly body: unknown,
    ) {
        super(message);
    }
}

export type Credentials = Record<string, string>;

/** What is served here. Who sells lists it for those who show how they pay, and tells everybody else by another page. */
export async function servedModels(signal?: AbortSignal, credentials: Credentials = {}): Promise<ServedModel[]> {
    let answer: Response;
    try {
        answer = await send("/v1/models", { headers: credentials, ...(signal ? { signal } : {}) });
    } catch (error) {
        if (!(error instanceof ServingError && error.status === 401)) throw error;
        const seller = await operator(signal);
        if (seller === null) throw error;
        return seller.models;
    }
    const body = (await answer.json()) as { data?: unknown[] };
    return (body.data ?? []).flatMap((value) => {
        const one = value as { id?: unknown; tributary?: { model?: unknown; adapter?: unknown; context_tokens?: unknown; template?: unknown } };
        if (typeof one.id !== "string") return [];
        const { model, adapter, context_tokens, template } = one.tributary ?? {};
        return [
            {
                id: one.id,
                model: typeof model === "number" ? model : null,
                adapter: typeof adapter === "string" ? adapter : null,
                contextTokens: typeof context_tokens === "number" ? context_tokens : null,
                template: template === "plain" || template === "chat" ? template : null,
                isSold: typeof model === "number",
            },
        ];
    });
}

/** Who sells answers here; `null` where nobody does. */
export async function operator(signal?: AbortSignal): Promise<Operator | null> {
    let answer: Response;
    try {
        answer = await send("/v1/operator", signal ? { signal } : {});
    } catch (error) {
        if (error instanceof ServingError && error.status < 500) return null;
        throw error;
    }
    const body = (await answer.json()) as { operator?: unknown; models?: unknown[] };
    if (typeof body.operator !== "string") return null;
    const models = (body.models ?? []).flatMap((value) => {
        const one = value as { id?: unknown; model?: unknown; adapter?: unknown; may_serve?: unknown };
        if (typeof one.id !== "string" || typeof one.model !== "number" || one.may_serve === false) return [];
        const adapter = typeof one.adapter === "string" ? one.adapter : null;
        return [{ id: one.id, model: one.model, adapter, contextTokens: null, template: null, isSold: true }];
    });
    return { account: body.operator, models };
}

export interface ChatOptions {
    model: string;
    messages: Message[];
    sampling: Sampling;
    credentials: Credentials;
    signal: AbortSignal;
    onText: (text: string) => void;
}

/** Streams an answer; resolves when it is complete. */
export async function chat({ model, messages, sampling, credentials, signal, onText }: ChatOptions): Promise<Answer> {
    const { seed, ...others } = sampling;
    const answer = await send("/v1/chat/completions", {
        method: "POST",
        signal,
        headers: { "content-type": "application/json", ...credentials },
        body: JSON.stringify({
            model,
            messages,
            ...others,
            ...(seed === null ? {} : { seed }),
            stream: true,
            stream_options: { include_usage: true },
        }),
    });
    const result: Answer = { finish: null, usage: null, sale: null };
    for await (const data of events(answer)) {
        if (data === "[DONE]") break;
        const chunk = JSON.parse(data) as Chunk;
        if (chunk.error) throw new ServingError(answer.status, chunk.error.code ?? null, chunk.error.message ?? "", chunk.error);
        const choice = chunk.choices?.[0];
        if (choice?.delta?.content) onText(choice.delta.content);
        if (choice?.finish_reason) result.finish = choice.finish_reason;
        if (chunk.usage) result.usage = chunk.usage;
        if (chunk.tributary) {
            result.sale = { price: chunk.tributary.price ?? null, receipt: chunk.tributary.receipt ?? null };
        }
    }
    return result;
}

interface Chunk {
    choices?: { delta?: { content?: string }; finish_reason?: string | null }[];
    usage?: Answer["usage"];
    tributary?: { price?: string; receipt?: Receipt | null };
    error?: { message?: string; code?: string | null };
}

async function send(path: string, init: RequestInit): Promise<Response> {
    let answer: Response;
    try {
        answer = await fetch(path, init);
    } catch (error) {
        if (error instanceof DOMException && error.name === "AbortError") throw error;
        throw new UnreachableError(t.errors.unreachable, { cause: error });
    }
    if (answer.ok) return answer;
    const body = (await answer.json().catch(() => null)) as { error?: { message?: string; code?: string | null } } | null;
    throw new ServingError(
        answer.status,
        body?.error?.code ?? null,
        body?.error?.message ?? t.errors.unexpected(answer.status),
        body?.error ?? null,
    );
}

/** The data of a stream's events. A piece may end anywhere, inside of a character too. */
export async function* events(answer: Response): AsyncGenerator<string> {
    if (!answer.body) return;
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    try {
        for (;;) {
            const { done, value } = await reader.read();
            if (done) break;
            rest += value;
            const parts = rest.split(/\r?\n\r?\n/);
            rest = parts.pop() ?? "";
            for (const part of parts) {
                const data = part
                    .split(/\r?\n/)
                    .filter((line) => line.startsWith("data:"))
                    .map((line) => line.slice(5).replace(/^ /, ""));
                if (data.length > 0) yield data.join("\n");
            }
        }
    } finally {
        await reader.cancel().catch(() => undefined);
    }
}
