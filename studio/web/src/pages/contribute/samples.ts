// Reading a contribution's samples: the gateway hands them to who shows by a signature that they may read them.
import { useQuery } from "@tanstack/react-query";
import { FROM_PAGE, gateway, read, type Samples } from "../../api/client";
import { createStore, useStore } from "../../lib/store";
import { useConfig, useWallet } from "../../wallet/useWallet";
import { signText } from "../../wallet/wallet";

interface Proof {
    account: string;
    contribution: number;
    signed_at: number;
    signature: string;
}

// Signatures stay in memory: they end with the page.
const proofs = createStore<Proof[]>([]);
const VALID_MS = 9 * 60_000;
export const SAMPLES_PAGE = 20;

export function useSamples(contribution: number, offset: number, onlySuspects: boolean) {
    const account = useWallet();
    const genesis = useConfig()?.chain.genesis ?? null;
    const proof = useStore(proofs).find((one) => one.contribution === contribution && one.account === account?.address) ?? null;
    const query = useQuery({
        queryKey: ["samples", contribution, offset, onlySuspects, proof?.signed_at],
        queryFn: ({ signal }): Promise<Samples> => {
            if (!proof) throw new Error("not signed");
            return read(
                gateway.POST("/api/contributions/{id}/samples", {
                    signal,
                    params: { path: { id: contribution }, header: FROM_PAGE },
                    body: {
                        account: proof.account,
                        signed_at: proof.signed_at,
                        signature: proof.signature,
                        offset,
                        limit: SAMPLES_PAGE,
                        only_suspects: onlySuspects,
                    },
                }),
            );
        },
        enabled: proof !== null,
        staleTime: Number.POSITIVE_INFINITY,
        retry: false,
    });
    const unlock = async () => {
        if (!account || genesis === null) return;
        const signedAt = Date.now();
        const message = `tributary studio: read contribution ${contribution} of ${genesis} at ${signedAt}`;
        const { toHex } = await import("../../lib/bytes");
        const signature = `0x${toHex(await signText(account, message))}`;
        proofs.set((all) => [
            ...all.filter((one) => one.signed_at > signedAt - VALID_MS && one.contribution !== contribution),
            { account: account.address, contribution, signed_at: signedAt, signature },
        ]);
    };
    return { isUnlocked: proof !== null, query, unlock };
}
