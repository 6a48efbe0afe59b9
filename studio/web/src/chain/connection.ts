// The node, reached when something is to be signed: reading goes through the gateway's index. This module and all that it
// imports is loaded then, and not before.
import { tributary } from "#descriptors";
import { createClient, type PolkadotClient, type TypedApi } from "polkadot-api";
import { getWsProvider } from "polkadot-api/ws";

export type ChainApi = TypedApi<typeof tributary>;

interface Connection {
    url: string;
    client: PolkadotClient;
    api: ChainApi;
}

let connection: Connection | null = null;

/** The node at `url`; one connection is kept. Checks nothing: {@link requireChain} does. */
export function connect(url: string): Connection {
    if (connection?.url === url) return connection;
    connection?.client.destroy();
    const client = createClient(getWsProvider(url));
    connection = { url, client, api: client.getTypedApi(tributary) };
    return connection;
}

export class WrongChainError extends Error {
    override readonly name = "WrongChainError";
}

export class NodeUnreachableError extends Error {
    override readonly name = "NodeUnreachableError";
}

const PATIENCE_MS = 15_000;

/** Throws unless the node answers and is on the chain that the gateway reads. */
export async function requireChain({ client, url }: Connection, genesis: string): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const patience = new Promise<never>((_, reject) => {
        timer = setTimeout(() => reject(new NodeUnreachableError(url)), PATIENCE_MS);
    });
    try {
        const spec = await Promise.race([client.getChainSpecData(), patience]);
        if (spec.genesisHash.toLowerCase() !== genesis.toLowerCase()) throw new WrongChainError(url);
    } catch (error) {
        if (error instanceof NodeUnreachableError) disconnect();
        throw error;
    } finally {
        clearTimeout(timer);
    }
}

export function disconnect(): void {
    connection?.client.destroy();
    connection = null;
}
