import { sr25519CreateDerive } from "@polkadot-labs/hdkd";
import { DEV_MINI_SECRET, ss58Address } from "@polkadot-labs/hdkd-helpers";
import { expect, test } from "vitest";
import { DEVELOPMENT_NAMES } from "../src/wallet/names";
import { spaced } from "../src/wallet/spaced";

test("each development account has the name of the key that it is derived with", () => {
    const derive = sr25519CreateDerive(DEV_MINI_SECRET);
    for (const [address, name] of Object.entries(DEVELOPMENT_NAMES)) expect(ss58Address(derive(`//${name}`).publicKey, 42)).toBe(address);
    expect(spaced("TrainerOne")).toBe("Trainer One");
});
