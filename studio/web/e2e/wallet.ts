// A wallet extension for tests: speaks the injected interface, and signs with development keys in the test's own process.
import { sr25519CreateDerive } from "@polkadot-labs/hdkd";
import { DEV_MINI_SECRET, ss58Address } from "@polkadot-labs/hdkd-helpers";
import type { Page } from "@playwright/test";
import { concat, fromHex, toHex } from "../src/lib/bytes";

const derive = sr25519CreateDerive(DEV_MINI_SECRET);
const key = (name: string) => derive(`//${name}`);
export const addressOf = (name: string) => ss58Address(key(name).publicKey, 42);

export interface TestWallet {
    /** What it answers to the next request. */
    answer: "sign" | "reject";
    asked: number;
}

interface Payload {
    address: string;
    method: string;
    era: string;
    nonce: string;
    tip: string;
    mode?: number;
    specVersion: string;
    transactionVersion: string;
    genesisHash: string;
    blockHash: string;
    metadataHash?: string;
    withSignedTransaction?: boolean;
}

/** Little-endian, as many bytes as asked. */
function little(value: bigint, bytes: number): Uint8Array {
    return Uint8Array.from({ length: bytes }, (_, place) => Number((value >> BigInt(8 * place)) & 0xffn));
}

/** SCALE's compact form. */
function compact(value: bigint): Uint8Array {
    if (value < 1n << 6n) return little(value << 2n, 1);
    if (value < 1n << 14n) return little((value << 2n) | 1n, 2);
    if (value < 1n << 30n) return little((value << 2n) | 2n, 4);
    throw new RangeError("no test sends so much");
}

/** What is signed: the call, what travels with it, and what does not; in the order of the chain's transaction extensions. */
function signedBytes(payload: Payload): Uint8Array {
    const travels = concat(
        fromHex(payload.era),
        compact(BigInt(payload.nonce)),
        compact(BigInt(payload.tip)),
        Uint8Array.of(payload.mode ?? 0),
    );
    const implied = concat(
        little(BigInt(payload.specVersion), 4),
        little(BigInt(payload.transactionVersion), 4),
        fromHex(payload.genesisHash),
        fromHex(payload.blockHash),
        payload.metadataHash ? concat(Uint8Array.of(1), fromHex(payload.metadataHash)) : Uint8Array.of(0),
    );
    return concat(fromHex(payload.method), travels, implied);
}

/** Puts the extension into the page before its own scripts run, and chooses `name` as a person who connected before. */
export async function install(page: Page, name: string): Promise<TestWallet> {
    const wallet: TestWallet = { answer: "sign", asked: 0 };
    const pair = key(name);
    const address = addressOf(name);
    await page.exposeFunction("testWalletSign", async (kind: "payload" | "raw", request: Payload & { data: string }) => {
        wallet.asked += 1;
        if (wallet.answer === "reject") throw new Error("Cancelled");
        const { blake2b } = await import("@noble/hashes/blake2.js");
        if (kind === "raw") {
            const wrap = (text: string) => new TextEncoder().encode(text);
            const bytes = fromHex(request.data);
            const isWrapped = new TextDecoder().decode(bytes).startsWith("<Bytes>");
            return `0x${toHex(pair.sign(isWrapped ? bytes : concat(wrap("<Bytes>"), bytes, wrap("</Bytes>"))))}`;
        }
        const bytes = signedBytes(request);
        const message = bytes.length > 256 ? blake2b(bytes, { dkLen: 32 }) : bytes;
        // 1: sr25519.
        return `0x01${toHex(pair.sign(message))}`;
    });
    await page.addInitScript(
        ({ address, name }) => {
            const accounts = [{ address, name, type: "sr25519" }];
            let next = 0;
            const sign = (window as unknown as { testWalletSign: (kind: string, request: unknown) => Promise<string> }).testWalletSign;
            (window as unknown as { injectedWeb3: unknown }).injectedWeb3 = {
                "test-wallet": {
                    version: "1",
                    enable: () =>
                        Promise.resolve({
                            accounts: {
                                get: () => Promise.resolve(accounts),
                                subscribe: (listener: (all: unknown) => void) => {
                                    listener(accounts);
                                    return () => undefined;
                                },
                            },
                            signer: {
                                signPayload: async (payload: unknown) => ({ id: next++, signature: await sign("payload", payload) }),
                                signRaw: async (raw: unknown) => ({ id: next++, signature: await sign("raw", raw) }),
                            },
                        }),
                },
            };
            if (!localStorage.getItem("tributary.account")) {
                localStorage.setItem(
                    "tributary.account",
                    JSON.stringify({ address, name, source: { kind: "extension", extension: "test-wallet" } }),
                );
            }
        },
        { address, name },
    );
    return wallet;
}
