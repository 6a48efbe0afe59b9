// SS58 addresses. Loaded when a wallet is asked or an address typed.
import { ss58Address, ss58Decode } from "@polkadot-labs/hdkd-helpers";

/** The same account with the chain's own prefix: wallets show theirs. `null` for what is no account of this kind. */
export function addressOf(any: string, prefix = 42): string | null {
    try {
        const [key] = ss58Decode(any.trim());
        return key.length === 32 ? ss58Address(key, prefix) : null;
    } catch {
        return null;
    }
}

/** The 32 bytes of an account. */
export function publicKeyOf(address: string): Uint8Array {
    const [key] = ss58Decode(address);
    if (key.length !== 32) throw new Error("not an account of 32 bytes");
    return key;
}
