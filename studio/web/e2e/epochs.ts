// An operator's epoch, accepted without the day that its challenge window takes: the development chain's root sets the
// window's end to now, and says that half of the model's revenue goes by answers where the demonstration did not measure it.
// The operator's own server does the rest: it posts the epoch, and resolves it.
import { createRequire } from "node:module";
import { sr25519CreateDerive } from "@polkadot-labs/hdkd";
import { DEV_MINI_SECRET } from "@polkadot-labs/hdkd-helpers";
import { tributary } from "@polkadot-api/descriptors";
import { createClient, Enum, getTypedCodecs, type Transaction } from "polkadot-api";
import { getPolkadotSigner } from "polkadot-api/signer";
import { getWsProvider } from "polkadot-api/ws";

const TRIB = 10n ** 12n;
/** A quarter of it, the part of the contributors' half that goes by answers, is more than the 1,000 TRIB at which a server posts an epoch without waiting a day. */
const FUNDS = 8_000n * TRIB;
/** For the payment, the bond and fees. */
const MONEY = 20_000n * TRIB;

const alice = sr25519CreateDerive(DEV_MINI_SECRET)("//Alice");
const root = getPolkadotSigner(alice.publicKey, "Sr25519", alice.sign);

/** What `look` finds, as soon as it does. */
async function found<T>(look: () => Promise<T | undefined>): Promise<T> {
    for (;;) {
        const seen = await look();
        if (seen !== undefined) return seen;
        await new Promise((resolve) => setTimeout(resolve, 500));
    }
}

const bytes = (digits: string) => Uint8Array.from(Buffer.from(digits.replace(/^0x/, ""), "hex"));

/** Node has one of its own from version 22 on. */
const socket = (globalThis.WebSocket as typeof WebSocket | undefined) ?? (createRequire(import.meta.url)("ws") as typeof WebSocket);

/** Pays for the operator's answers with a model, and resolves once an epoch that divides it is accepted. */
export async function acceptEpoch(demo: string, model: number): Promise<{ operator: string; epoch: number }> {
    const [config, { deployments }] = (await Promise.all(
        ["/api/config", `/api/models/${model}`].map(async (path) => (await fetch(`${demo}${path}`)).json()),
    )) as [{ chain: { node_url: string } }, { deployments: { operator: string }[] }];
    const operator = deployments[0]?.operator;
    if (operator === undefined) throw new Error(`nobody deploys model ${model}`);
    const client = createClient(getWsProvider(config.chain.node_url, { websocketClass: socket }));
    try {
        const { tx, query } = client.getTypedApi(tributary);
        const ledger = () => query.Attribution.Ledgers.getValue(BigInt(model), operator);
        const asRoot = async (...calls: Transaction[]) => {
            const all = tx.Utility.batch_all({ calls: calls.map(({ decodedCall }) => decodedCall as never) });
            const done = await tx.Sudo.sudo({ call: all.decodedCall }).signAndSubmit(root);
            if (!done.ok) throw new Error(JSON.stringify(done.dispatchError));
        };
        const { Streams, Ledgers } = query.Attribution;
        const codecs = (await getTypedCodecs(tributary)).query.Attribution;
        const stream = await Streams.getValue(BigInt(model));
        if (!stream) throw new Error(`model ${model} has no stream`);
        if (stream.contributions.attributed === 0) {
            const halved = { ...stream, contributions: { ...stream.contributions, attributed: 500_000 } };
            const key = await Streams.getKey(BigInt(model));
            await asRoot(tx.System.set_storage({ items: [[bytes(key), codecs.Streams.value.enc(halved)]] }));
        }
        const before = (await ledger())?.accepted?.epoch ?? 0;
        const fund = tx.Attribution.fund_answers({ model: BigInt(model), amount: FUNDS });
        await asRoot(
            tx.Balances.force_set_balance({ who: Enum("Id", operator), new_free: MONEY }),
            tx.Utility.dispatch_as({ as_origin: Enum("system", Enum("Signed", operator)), call: fund.decodedCall }),
        );
        const waiting = await found(async () => {
            const now = await ledger();
            return now?.pending && { ...now, pending: { ...now.pending, until: await query.System.Number.getValue() } };
        });
        const key = await Ledgers.getKey(BigInt(model), operator);
        await asRoot(tx.System.set_storage({ items: [[bytes(key), codecs.Ledgers.value.enc(waiting)]] }));
        const epoch = await found(async () => {
            const accepted = (await ledger())?.accepted?.epoch ?? 0;
            return accepted > before ? accepted : undefined;
        });
        return { operator, epoch };
    } finally {
        client.destroy();
    }
}
