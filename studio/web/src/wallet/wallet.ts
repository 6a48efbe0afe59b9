// Who the person is: an account of a browser extension, or a development account where everybody's keys are known.
import type { PolkadotSigner } from "polkadot-api";
import { load, save } from "../lib/persist";
import { createStore } from "../lib/store";
import { t } from "../strings/en";
import { spaced } from "./spaced";

export interface WalletAccount {
    address: string;
    name: string;
    source: { kind: "extension"; extension: string } | { kind: "development"; path: string };
}

/** The chosen account. Only its address is kept in the browser: an extension is asked again when something is to be signed. */
export const wallet = createStore<WalletAccount | null>(load("local", "account", isAccount));

export function choose(account: WalletAccount | null): void {
    wallet.set(account);
    save("local", "account", account);
}

export interface ExtensionInfo {
    id: string;
    name: string;
}

const KNOWN: Record<string, string> = {
    "polkadot-js": "polkadot.js",
    "subwallet-js": "SubWallet",
    talisman: "Talisman",
    "fearless-wallet": "Fearless",
    "nova-wallet": "Nova",
};

/** Extensions that have shown themselves in this page. */
export function extensions(): ExtensionInfo[] {
    return Object.keys(window.injectedWeb3 ?? {}).map((id) => ({ id, name: KNOWN[id] ?? id }));
}

/** Asks an extension for its accounts: it may ask the person for leave first. */
export async function extensionAccounts(id: string): Promise<WalletAccount[]> {
    const [{ connectInjectedExtension }, { addressOf }] = await Promise.all([
        import("polkadot-api/pjs-signer"),
        import("./address"),
    ]);
    const extension = await connectInjectedExtension(id, "tributary");
    return extension.getAccounts().flatMap((account) => {
        const address = addressOf(account.address);
        return address === null
            ? []
            : [{ address, name: account.name ?? address, source: { kind: "extension", extension: id } as const }];
    });
}

/** Development accounts: those of the demonstration's story, who have something to do, and the six that every chain of this kind knows. */
export const DEVELOPMENT_PATHS = [
    "//Ada",
    "//Ben",
    "//Cem",
    "//Curator",
    "//Owner",
    "//Requester",
    "//Buyer",
    "//TrainerOne",
    "//TrainerTwo",
    "//BaseOwner",
    "//Alice",
    "//Bob",
    "//Charlie",
    "//Dave",
    "//Eve",
    "//Ferdie",
];

export async function developmentAccounts(): Promise<WalletAccount[]> {
    const { developmentKey } = await import("./development");
    return DEVELOPMENT_PATHS.map((path) => ({
        address: developmentKey(path).address,
        name: spaced(path.slice(2)),
        source: { kind: "development", path },
    }));
}

/** What signs transactions for an account. */
export async function signerOf(account: WalletAccount): Promise<PolkadotSigner> {
    if (account.source.kind === "development") {
        const { developmentKey } = await import("./development");
        return developmentKey(account.source.path).signer;
    }
    const [{ connectInjectedExtension }, { addressOf }] = await Promise.all([
        import("polkadot-api/pjs-signer"),
        import("./address"),
    ]);
    const extension = await connectInjectedExtension(account.source.extension, "tributary");
    const found = extension.getAccounts().find((one) => addressOf(one.address) === account.address);
    if (!found) throw new Error(t.wallet.accountGone(account.name));
    return found.polkadotSigner;
}

/** Signs a text that is no transaction. Extensions wrap it in `<Bytes>`, so that it can never be taken for one. */
export async function signText(account: WalletAccount, message: string): Promise<Uint8Array> {
    const signer = await signerOf(account);
    return signer.signBytes(new TextEncoder().encode(message));
}

function isAccount(value: unknown): value is WalletAccount {
    if (typeof value !== "object" || value === null) return false;
    const { address, name, source } = value as Record<string, unknown>;
    if (typeof address !== "string" || typeof name !== "string" || typeof source !== "object" || source === null) return false;
    const { kind, extension, path } = source as Record<string, unknown>;
    return (kind === "extension" && typeof extension === "string") || (kind === "development" && typeof path === "string");
}
