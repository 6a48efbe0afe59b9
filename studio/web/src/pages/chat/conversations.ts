// Conversations, kept in this browser only.
import type { Sale, Sampling } from "../../api/serving";
import { load, save } from "../../lib/persist";
import { createStore } from "../../lib/store";

export interface Reply {
    /** The served model's name. */
    model: string;
    text: string;
    state: "streaming" | "done" | "stopped" | "failed";
    /** What went wrong, if it failed. */
    problem: string | null;
    tokens: { prompt: number; completion: number } | null;
    sale: Sale | null;
    finish: string | null;
}

export interface Turn {
    id: string;
    question: string;
    /** One for each model that was asked. */
    replies: Reply[];
}

export interface Conversation {
    id: string;
    title: string;
    updated: number;
    models: string[];
    system: string;
    sampling: Sampling;
    turns: Turn[];
}

export const DEFAULT_SAMPLING: Sampling = { temperature: 0.7, top_p: 1, max_tokens: 128, seed: null };
const KEPT_MAX = 40;

const isConversation = (value: unknown): value is Conversation =>
    typeof value === "object" && value !== null && "id" in value && "turns" in value && Array.isArray(value.turns);
const areConversations = (value: unknown): value is Conversation[] => Array.isArray(value) && value.every(isConversation);

/** Answers that were under way when the page was left are not under way any more. */
function interrupted(conversation: Conversation): Conversation {
    return {
        ...conversation,
        turns: conversation.turns.map((turn) => ({
            ...turn,
            replies: turn.replies.map((reply) => (reply.state === "streaming" ? { ...reply, state: "stopped" as const } : reply)),
        })),
    };
}

export const conversations = createStore<Conversation[]>((load("local", "chats", areConversations) ?? []).map(interrupted));

let timer: ReturnType<typeof setTimeout> | null = null;

/** Writes soon: text streams faster than it is worth writing. */
function keepSoon(): void {
    timer ??= setTimeout(() => {
        timer = null;
        keep();
    }, 400);
}

function keep(): void {
    const all = [...conversations.get()].filter((one) => one.turns.length > 0).sort((a, b) => b.updated - a.updated);
    let count = KEPT_MAX;
    // A full store takes fewer.
    while (count > 0 && !save("local", "chats", all.slice(0, count))) count = Math.floor(count / 2);
}

if (typeof window !== "undefined") window.addEventListener("pagehide", keep);

export function newConversation(models: string[]): Conversation {
    return {
        id: crypto.randomUUID(),
        title: "",
        updated: Date.now(),
        models,
        system: "",
        sampling: DEFAULT_SAMPLING,
        turns: [],
    };
}

export function put(conversation: Conversation): void {
    conversations.set((all) => [conversation, ...all.filter((one) => one.id !== conversation.id)]);
    keepSoon();
}

export function edit(id: string, change: (conversation: Conversation) => Conversation): void {
    conversations.set((all) => all.map((one) => (one.id === id ? change(one) : one)));
    keepSoon();
}

export function remove(id: string): void {
    conversations.set((all) => all.filter((one) => one.id !== id));
    keep();
}

export function editReply(id: string, turn: string, place: number, change: (reply: Reply) => Reply): void {
    edit(id, (conversation) => ({
        ...conversation,
        updated: Date.now(),
        turns: conversation.turns.map((one) =>
            one.id === turn ? { ...one, replies: one.replies.map((reply, at) => (at === place ? change(reply) : reply)) } : one,
        ),
    }));
}
