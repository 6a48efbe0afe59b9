import { useQuery } from "@tanstack/react-query";
import { account as accountQuery, config } from "../api/queries";
import { useStore } from "../lib/store";
import type { Node, Sender } from "../chain/transactions";
import { signerOf, wallet, type WalletAccount } from "./wallet";

export function useWallet(): WalletAccount | null {
    return useStore(wallet);
}

/** The chosen account's address; `null` without one. */
export const useAddress = (): string | null => useWallet()?.address ?? null;

export function useConfig() {
    return useQuery(config).data ?? null;
}

export function useBalance() {
    const address = useAddress();
    return useQuery({ ...accountQuery(address ?? ""), enabled: address !== null });
}

export const senderOf = (account: WalletAccount): Sender => ({ address: account.address, signer: () => signerOf(account) });

/** Where transactions go; `null` until the gateway has said. */
export function useNode(): Node | null {
    const chain = useConfig()?.chain;
    return chain ? { url: chain.node_url, genesis: chain.genesis } : null;
}
