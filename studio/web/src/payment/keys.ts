// The one key that the browser makes: it signs the vouchers of one channel. Wallets sign texts wrapped in <Bytes> only, so
// they cannot. Whoever had the key could spend no more than the channel holds, and only to the operator that the channel
// pays. Its seed lies sealed in IndexedDB, under a key that the browser does not hand out.
import { concat } from "../lib/bytes";

const DATABASE = "tributary";
const STORE = "channel-keys";
const IV_BYTES = 12;

interface Sealed {
    /** The public key, in hexadecimal digits. */
    id: string;
    sealed: Uint8Array<ArrayBuffer>;
}

export interface ChannelKey {
    /** In hexadecimal digits, with 0x. */
    publicKey: string;
    sign: (message: Uint8Array) => Uint8Array;
}

function open(): Promise<IDBDatabase> {
    return new Promise((resolve, reject) => {
        const request = indexedDB.open(DATABASE, 1);
        request.onupgradeneeded = () => {
            request.result.createObjectStore(STORE, { keyPath: "id" });
            request.result.createObjectStore("sealing");
        };
        request.onsuccess = () => resolve(request.result);
        request.onerror = () => reject(request.error ?? new Error("IndexedDB is closed to this page"));
    });
}

function ask<T>(request: IDBRequest<T>): Promise<T> {
    return new Promise((resolve, reject) => {
        request.onsuccess = () => resolve(request.result);
        request.onerror = () => reject(request.error ?? new Error("IndexedDB failed"));
    });
}

async function sealingKey(database: IDBDatabase): Promise<CryptoKey> {
    const kept = (await ask(database.transaction("sealing").objectStore("sealing").get("key"))) as CryptoKey | undefined;
    if (kept) return kept;
    const made = await crypto.subtle.generateKey({ name: "AES-GCM", length: 256 }, false, ["encrypt", "decrypt"]);
    await ask(database.transaction("sealing", "readwrite").objectStore("sealing").put(made, "key"));
    return made;
}

async function fromSeed(seed: Uint8Array): Promise<ChannelKey> {
    const [{ sr25519CreateDerive }, { toHex }] = await Promise.all([import("@polkadot-labs/hdkd"), import("../lib/bytes")]);
    const pair = sr25519CreateDerive(seed)("");
    return { publicKey: `0x${toHex(pair.publicKey)}`, sign: (message) => pair.sign(message) };
}

/** Makes a key and keeps it; resolves once it is on disk, so that no channel is opened with a key that can be lost. */
export async function makeKey(): Promise<ChannelKey> {
    const seed = crypto.getRandomValues(new Uint8Array(32));
    const key = await fromSeed(seed);
    const database = await open();
    const iv = crypto.getRandomValues(new Uint8Array(IV_BYTES));
    const sealed = await crypto.subtle.encrypt({ name: "AES-GCM", iv }, await sealingKey(database), seed);
    seed.fill(0);
    const record: Sealed = { id: key.publicKey, sealed: concat(iv, new Uint8Array(sealed)) as Uint8Array<ArrayBuffer> };
    await ask(database.transaction(STORE, "readwrite").objectStore(STORE).put(record));
    database.close();
    return key;
}

/** The key that this browser keeps for a channel; `null` if the channel was opened elsewhere. */
export async function loadKey(publicKey: string): Promise<ChannelKey | null> {
    const database = await open();
    try {
        const record = (await ask(database.transaction(STORE).objectStore(STORE).get(publicKey))) as Sealed | undefined;
        if (!record) return null;
        const { sealed } = record;
        const seed = await crypto.subtle.decrypt(
            { name: "AES-GCM", iv: sealed.slice(0, IV_BYTES) },
            await sealingKey(database),
            sealed.slice(IV_BYTES),
        );
        return await fromSeed(new Uint8Array(seed));
    } finally {
        database.close();
    }
}
