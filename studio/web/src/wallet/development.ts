// Keys that everybody knows. Offered where the gateway says that the chain is for development, and nowhere else.
import { sr25519CreateDerive } from "@polkadot-labs/hdkd";
import { DEV_MINI_SECRET, ss58Address } from "@polkadot-labs/hdkd-helpers";
import type { PolkadotSigner } from "polkadot-api";
import { getPolkadotSigner } from "polkadot-api/signer";

export interface DevelopmentKey {
    address: string;
    signer: PolkadotSigner;
}

const derive = sr25519CreateDerive(DEV_MINI_SECRET);

export function developmentKey(path: string): DevelopmentKey {
    const pair = derive(path);
    return {
        address: ss58Address(pair.publicKey, 42),
        signer: getPolkadotSigner(pair.publicKey, "Sr25519", pair.sign),
    };
}
