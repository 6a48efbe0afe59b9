// Transactions from the click to finality. They live outside of pages: leaving a page stops none.
import { createStore } from "../lib/store";
import { t } from "../strings/en";
import type { MakeTransaction } from "./calls";
import type { Failure } from "./errors";

export type Phase = "preparing" | "signing" | "sent" | "included" | "final" | "failed";

/** An event of the chain: pallet, name, fields. */
export interface ChainEvent {
    pallet: string;
    name: string;
    fields: Record<string, unknown>;
}

export interface SentTransaction {
    id: number;
    title: string;
    phase: Phase;
    hash: string | null;
    block: number | null;
    failure: Failure | null;
    /** Whether the person has seen how it ended. */
    dismissed: boolean;
}

export const transactions = createStore<SentTransaction[]>([]);

/** Why a transaction did not come to a good end, in words for people. */
export class TransactionError extends Error {
    override readonly name = "TransactionError";
    constructor(readonly failure: Failure) {
        super(failure.title);
    }
}

export interface Sender {
    address: string;
    /** Asked for when needed: a wallet may show its own window. */
    signer: () => Promise<import("polkadot-api").PolkadotSigner>;
}

export interface Node {
    url: string;
    genesis: string;
}

let next = 1;

/** Signs, sends and follows a transaction; resolves with its events at finality, rejects with a {@link TransactionError}. */
export async function submit(
    title: string,
    make: MakeTransaction | Promise<MakeTransaction>,
    sender: Sender,
    node: Node,
    onPhase?: (sent: SentTransaction) => void,
): Promise<ChainEvent[]> {
    const id = next++;
    const update = (change: Partial<SentTransaction>) => {
        transactions.set((all) => all.map((one) => (one.id === id ? { ...one, ...change } : one)));
        const now = transactions.get().find((one) => one.id === id);
        if (now) onPhase?.(now);
    };
    transactions.set((all) => [
        ...all,
        { id, title, phase: "preparing", hash: null, block: null, failure: null, dismissed: false },
    ]);
    update({});
    try {
        const [{ connect, requireChain }, builder] = await Promise.all([import("./connection"), make]);
        const connection = connect(node.url);
        await requireChain(connection, node.genesis);
        const signer = await sender.signer();
        const transaction = builder(connection.api);
        update({ phase: "signing" });
        return await new Promise<ChainEvent[]>((resolve, reject) => {
            transaction.signSubmitAndWatch(signer).subscribe({
                next: (event) => {
                    if (event.type === "signed") update({ hash: event.txHash });
                    else if (event.type === "broadcasted") update({ phase: "sent" });
                    else if (event.type === "txBestBlocksState") {
                        update(event.found ? { phase: "included", block: event.block.number } : { phase: "sent", block: null });
                    } else if (event.ok) {
                        update({ phase: "final", block: event.block.number });
                        resolve(event.events.map(toEvent));
                    } else {
                        update({ block: event.block.number });
                        reject(new Refused(event.dispatchError));
                    }
                },
                error: reject,
            });
        });
    } catch (error) {
        const failure = await explain(error);
        update({ phase: "failed", failure });
        throw new TransactionError(failure);
    }
}

/** What a transaction costs its sender to send, in plancks. */
export async function estimateFee(make: MakeTransaction, address: string, node: Node): Promise<bigint> {
    const { connect, requireChain } = await import("./connection");
    const connection = connect(node.url);
    await requireChain(connection, node.genesis);
    return make(connection.api).getEstimatedFees(address);
}

export function dismiss(id: number): void {
    transactions.set((all) => all.map((one) => (one.id === id ? { ...one, dismissed: true } : one)));
}

/** The fields of the first event of this name. */
export function fieldsOf(events: ChainEvent[], pallet: string, name: string): Record<string, unknown> | null {
    return events.find((event) => event.pallet === pallet && event.name === name)?.fields ?? null;
}

/** The number in an event's field, whatever its width on chain; `null` if there is none. */
export function numberField(events: ChainEvent[], pallet: string, name: string, field: string): number | null {
    const value = fieldsOf(events, pallet, name)?.[field];
    return typeof value === "number" || typeof value === "bigint" ? Number(value) : null;
}

class Refused extends Error {
    constructor(readonly dispatchError: { type: string; value?: unknown }) {
        super("refused");
    }
}

interface RawEvent {
    type: string;
    value: unknown;
}

function toEvent(event: RawEvent): ChainEvent {
    const inner = event.value as { type: string; value?: unknown };
    const fields = typeof inner.value === "object" && inner.value !== null ? (inner.value as Record<string, unknown>) : {};
    return { pallet: event.type, name: inner.type, fields };
}

async function explain(error: unknown): Promise<Failure> {
    const modules = Promise.all([import("./errors"), import("polkadot-api"), import("./connection")]);
    const loaded = await modules.catch(() => null);
    // The code that signs and explains comes from the gateway when it is first needed.
    if (loaded === null) return { code: null, title: t.errors.unreachableTitle, text: t.transactions.gatewayUnreachableText };
    const [{ explainDispatchError, explainInvalid }, { InvalidTxError }, { NodeUnreachableError, WrongChainError }] = loaded;
    if (error instanceof Refused) return explainDispatchError(error.dispatchError);
    if (error instanceof InvalidTxError) {
        const known = explainInvalid(error.error);
        if (known) return known;
    }
    if (error instanceof NodeUnreachableError) {
        return { code: null, title: t.transactions.nodeUnreachable, text: t.transactions.nodeUnreachableText(error.message) };
    }
    if (error instanceof WrongChainError) {
        return { code: null, title: t.transactions.wrongChain, text: t.transactions.wrongChainText };
    }
    const message = error instanceof Error ? error.message : String(error);
    if (/cancel|reject|denied|declined/i.test(message)) {
        return { code: null, title: t.transactions.rejectedByWallet, text: t.transactions.rejectedByWalletText };
    }
    if (/stopped|destroyed|disconnect|websocket/i.test(message)) {
        return { code: null, title: t.transactions.connectionLost, text: t.transactions.connectionLostText };
    }
    return { code: null, title: t.transactions.failed, text: message };
}
