// Asking: sends a conversation to each chosen model at once, pays where it must, and writes down what comes.
import { chat, ServingError, type Credentials, type Message, type ServedModel } from "../../api/serving";
import { formatAmount } from "../../lib/amount";
import { promise, PurseError, quoteOf, show, type Purse } from "../../payment/purse";
import { t } from "../../strings/en";
import { edit, editReply, type Conversation, type Reply, type Turn } from "./conversations";

/** How answers are paid for. */
export type Payment =
    | { kind: "none" }
    | { kind: "key"; key: string }
    | { kind: "channel"; purse: Purse; limit: bigint };

// A page that is left has its requests broken off by the browser, before it hears that it is left for good.
const LEAVING_MS = 3_000;
let leftAt = Number.NEGATIVE_INFINITY;
if (typeof window !== "undefined") window.addEventListener("beforeunload", () => (leftAt = Date.now()));
const isLeaving = () => Date.now() - leftAt < LEAVING_MS;

const running = new Map<string, AbortController>();
const runKey = (conversation: string, turn: string, place: number) => `${conversation}.${turn}.${place}`;

/**
 * What a model sees: its own answers, not those of the model beside it. One without a chat template takes a single question
 * and refuses everything else.
 */
export function messagesFor(conversation: Conversation, turn: Turn, place: number, isSingle: boolean): Message[] {
    if (isSingle) return [{ role: "user", content: turn.question }];
    const messages: Message[] = [];
    if (conversation.system.trim()) messages.push({ role: "system", content: conversation.system.trim() });
    for (const one of conversation.turns) {
        messages.push({ role: "user", content: one.question });
        if (one.id === turn.id) break;
        const reply = one.replies[place];
        if (reply?.text) messages.push({ role: "assistant", content: reply.text });
    }
    return messages;
}

const blank = (model: string): Reply => ({
    model,
    text: "",
    state: "streaming",
    problem: null,
    tokens: null,
    sale: null,
    finish: null,
});

export function askAll(conversation: Conversation, question: string, served: ServedModel[], payment: Payment): void {
    const turn: Turn = { id: crypto.randomUUID(), question, replies: conversation.models.map(blank) };
    const next: Conversation = {
        ...conversation,
        title: conversation.title || question.slice(0, 80),
        updated: Date.now(),
        turns: [...conversation.turns, turn],
    };
    edit(conversation.id, () => next);
    turn.replies.forEach((_, place) => void answer(next, turn, place, served, payment));
}

export function retry(conversation: Conversation, turn: Turn, place: number, served: ServedModel[], payment: Payment): void {
    const model = turn.replies[place]?.model;
    if (model === undefined) return;
    editReply(conversation.id, turn.id, place, () => blank(model));
    void answer(conversation, turn, place, served, payment);
}

export function stop(conversation: string, turn: Turn): void {
    turn.replies.forEach((_, place) => running.get(runKey(conversation, turn.id, place))?.abort());
}

async function answer(conversation: Conversation, turn: Turn, place: number, served: ServedModel[], payment: Payment): Promise<void> {
    const reply = turn.replies[place];
    if (!reply) return;
    const controller = new AbortController();
    const key = runKey(conversation.id, turn.id, place);
    running.set(key, controller);
    const change = (make: (reply: Reply) => Reply) => editReply(conversation.id, turn.id, place, make);
    const asked = served.find((one) => one.id === reply.model);
    const model = asked?.model ?? null;
    const send = () =>
        chat({
            model: reply.model,
            messages: messagesFor(conversation, turn, place, asked?.template === "plain"),
            sampling: conversation.sampling,
            credentials: credentials(payment, model),
            signal: controller.signal,
            onText: (text) => change((now) => ({ ...now, text: now.text + text })),
        });
    try {
        let result;
        try {
            result = await send();
        } catch (error) {
            // The operator says what the next voucher must promise. It is asked once more, with that.
            const quote = error instanceof ServingError && error.status === 402 ? quoteOf(error.body) : null;
            if (!quote || payment.kind !== "channel" || model === null) throw error;
            promise(payment.purse, model, quote, payment.limit);
            result = await send();
        }
        const { usage, sale, finish } = result;
        change((now) => ({
            ...now,
            state: "done",
            finish,
            sale,
            tokens: usage ? { prompt: usage.prompt_tokens, completion: usage.completion_tokens } : null,
        }));
    } catch (error) {
        if (controller.signal.aborted || isLeaving()) change((now) => ({ ...now, state: "stopped" }));
        else change((now) => ({ ...now, state: "failed", problem: explain(error) }));
    } finally {
        running.delete(key);
    }
}

export function credentials(payment: Payment, model: number | null): Credentials {
    if (payment.kind === "key") return { authorization: `Bearer ${payment.key}` };
    // The base model is nobody's: no voucher pays for it.
    if (payment.kind === "channel" && model !== null) return { "x-tributary-voucher": show(payment.purse, model) };
    return {};
}

function explain(error: unknown): string {
    if (error instanceof PurseError) {
        const { refusal } = error;
        switch (refusal.kind) {
            case "over_limit":
                return t.chat.overLimit(formatAmount(refusal.needed, 6));
            case "top_up":
                return t.chat.topUp(formatAmount(refusal.needed, 6));
            case "takes_back":
                return t.chat.takesBack;
        }
    }
    if (error instanceof ServingError) {
        const known = error.code === null ? undefined : t.chat.refusals[error.code];
        return known ?? error.message;
    }
    // What `fetch` says when a stream breaks off.
    if (error instanceof TypeError) return t.chat.connectionLost;
    return error instanceof Error ? error.message : String(error);
}
