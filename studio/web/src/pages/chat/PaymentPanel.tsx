import { useQueries, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import type { Channel, ModelDetail } from "../../api/client";
import { operator as sellerHere } from "../../api/serving";
import { channels as channelsQuery, model as modelQuery } from "../../api/queries";
import { closeChannel, openChannel, topUpChannel, type MakeTransaction } from "../../chain/calls";
import { numberField, type ChainEvent } from "../../chain/transactions";
import { parseAmount, TRIB } from "../../lib/amount";
import type { ChannelKey } from "../../payment/keys";
import { t } from "../../strings/en";
import { TransactionDialog } from "../../transactions/TransactionDialog";
import { Button } from "../../ui/Button";
import { Account, Amount, Fact, Facts, When } from "../../ui/data";
import { Badge, EmptyState, LoadingBlock, Meter, Notice } from "../../ui/feedback";
import { AmountField, ChoiceCards, TextField } from "../../ui/fields";
import { openConnect } from "../../wallet/ConnectDialog";
import { useAddress, useConfig } from "../../wallet/useWallet";
import { setPayment, usePayment } from "./usePayment";

type Way = "none" | "key" | "channel";

/** How answers are paid: by an operator's API key, or from a channel that the person opens. */
export function PaymentPanel({ models, isRequired = false, onDone }: { models: number[]; isRequired?: boolean; onDone?: () => void }) {
    const { payment } = usePayment();
    const [way, setWay] = useState<Way>(isRequired && payment.kind === "none" ? "channel" : payment.kind);
    const [key, setKey] = useState(payment.kind === "key" ? payment.key : "");
    return (
        <div className="stack">
            <ChoiceCards
                label={t.chat.payWith}
                columns={1}
                value={way}
                onChange={(next) => {
                    setWay(next);
                    if (next === "none") setPayment({ kind: "none" });
                }}
                options={[
                    { value: "channel", label: t.chat.channel, detail: t.chat.channelText },
                    { value: "key", label: t.chat.apiKey, detail: t.chat.apiKeyText },
                    ...(isRequired ? [] : [{ value: "none" as const, label: t.chat.noPayment, detail: t.chat.noPaymentText }]),
                ]}
            />
            {way === "key" && (
                <form
                    className="stack"
                    onSubmit={(event) => {
                        event.preventDefault();
                        if (key.trim() === "") return;
                        setPayment({ kind: "key", key: key.trim() });
                        onDone?.();
                    }}
                >
                    <TextField label={t.chat.apiKey} help={t.chat.apiKeyHelp} placeholder="trib-sk-…" value={key} onChange={setKey} />
                    <div className="row">
                        <Button type="submit" kind="primary" isDisabled={key.trim() === ""}>
                            {payment.kind === "key" && payment.key === key.trim() ? t.chat.inUse : t.chat.use}
                        </Button>
                    </div>
                </form>
            )}
            {way === "channel" && <Channels models={models} {...(onDone ? { onDone } : {})} />}
        </div>
    );
}

/** Who may be the one that answers here, where the serving API does not say: whoever has deployed or offers the models. */
function operatorsOf(details: ModelDetail[]): string[] {
    const deployed = details.flatMap((detail) => detail.deployments.map((one) => one.operator));
    const offering = details.flatMap((detail) => detail.offers.filter((offer) => offer.holds).map((offer) => offer.operator));
    return [...new Set([...deployed, ...offering])];
}

function Channels({ models, onDone }: { models: number[]; onDone?: () => void }) {
    const address = useAddress();
    const config = useConfig();
    const details = useQueries({ queries: models.slice(0, 20).map((id) => modelQuery(id)) });
    const seller = useQuery({ queryKey: ["served", "operator"], queryFn: ({ signal }) => sellerHere(signal), staleTime: 60_000 });
    const query = useQuery({ ...channelsQuery(address ?? ""), enabled: address !== null });
    const [pending, setPending] = useState<Pending | null>(null);
    const [isOpened, setOpened] = useState(false);
    const [amount, setAmount] = useState("5");
    if (address === null) {
        return (
            <EmptyState
                title={t.transactions.needsAccount}
                actions={
                    <Button kind="primary" onPress={openConnect}>
                        {t.wallet.connect}
                    </Button>
                }
            />
        );
    }
    if (!query.data || !config || seller.isPending || details.some((one) => one.isPending)) return <LoadingBlock rows={2} />;
    const operators = seller.data ? [seller.data.account] : operatorsOf(details.flatMap((one) => one.data ?? []));
    const mine = query.data.items.filter((channel) => channel.app === address && operators.includes(channel.operator));
    const wanted = parseAmount(amount);
    const deposit = BigInt(config.deposits.channel);
    const operator = operators.find((one) => one !== address);
    const open = (payee: string) => {
        if (!wanted) return;
        // One key for one channel; made once, though the fee asks for the call too.
        let key: Promise<ChannelKey> | null = null;
        setPending({
            title: t.chat.openTitle,
            spends: wanted + deposit,
            prepays: wanted,
            onFinal: async (events) => {
                const channel = numberField(events, "Channels", "ChannelOpened", "channel");
                if (channel === null || key === null) return;
                // It was opened to be used.
                const purse = { channel, operator: payee, genesis: config.chain.genesis, funded: wanted, key: await key };
                setPayment({ kind: "channel", limit: LIMIT, purse });
                setOpened(true);
            },
            make: async () => {
                const { makeKey } = await import("../../payment/keys");
                key ??= makeKey();
                return openChannel(payee, (await key).publicKey, wanted);
            },
        });
    };
    return (
        <div className="stack">
            {mine.map((channel) => (
                <ChannelItem
                    key={channel.id}
                    channel={channel}
                    {...(onDone ? { onUsed: onDone } : {})}
                    onTopUp={() =>
                        wanted &&
                        setPending({
                            title: t.chat.topUpTitle(channel.id),
                            spends: wanted,
                            make: () => Promise.resolve(topUpChannel(channel.id, wanted)),
                        })
                    }
                    onClose={() =>
                        setPending({
                            title: t.chat.closeTitle(channel.id),
                            spends: 0n,
                            make: () => Promise.resolve(closeChannel(channel.id)),
                        })
                    }
                />
            ))}
            {operator === undefined ? (
                <Notice tone="warn">{t.chat.noOperator}</Notice>
            ) : (
                <>
                    <AmountField label={mine.length > 0 ? t.chat.topUpAmount : t.chat.openAmount} help={t.chat.openHelp} value={amount} onChange={setAmount} />
                    {mine.length === 0 && (
                        <>
                            <Facts>
                                <Fact name={t.chat.operator}>
                                    <Account address={operator} />
                                </Fact>
                                <Fact name={t.contribute.deposit} help={t.chat.channelDeposit}>
                                    <Amount value={deposit} />
                                </Fact>
                            </Facts>
                            <Notice>{t.chat.keyExplained}</Notice>
                            <div className="row">
                                <Button kind="primary" isDisabled={!wanted} onPress={() => open(operator)}>
                                    {t.chat.openChannel}
                                </Button>
                            </div>
                        </>
                    )}
                    {mine.length > 0 && (
                        <div className="row">
                            <Button size="small" isDisabled={!wanted} onPress={() => open(operator)}>
                                {t.chat.openAnother}
                            </Button>
                        </div>
                    )}
                </>
            )}
            <TransactionDialog
                isOpen={pending !== null}
                onClose={() => {
                    setPending(null);
                    if (isOpened) onDone?.();
                }}
                title={pending?.title ?? ""}
                make={pending?.make ?? null}
                feeKey={pending?.title}
                spends={pending?.spends ?? 0n}
                onFinal={(events) => void pending?.onFinal?.(events)}
                {...(isOpened ? { next: t.chat.startAsking } : {})}
            >
                {pending?.prepays !== undefined && (
                    <Facts>
                        <Fact name={t.chat.prepaid}>
                            <Amount value={pending.prepays} />
                        </Fact>
                        <Fact name={t.contribute.deposit} help={t.chat.channelDeposit}>
                            <Amount value={deposit} />
                        </Fact>
                    </Facts>
                )}
            </TransactionDialog>
        </div>
    );
}

interface Pending {
    title: string;
    spends: bigint;
    make: () => Promise<MakeTransaction>;
    /** What a new channel holds at first. */
    prepays?: bigint;
    onFinal?: (events: ChainEvent[]) => Promise<void>;
}

const LIMIT = TRIB;

function ChannelItem({ channel, onUsed, onTopUp, onClose }: { channel: Channel; onUsed?: () => void; onTopUp: () => void; onClose: () => void }) {
    const genesis = useConfig()?.chain.genesis ?? "";
    const { payment } = usePayment();
    const [isForeign, setForeign] = useState(false);
    const isUsed = payment.kind === "channel" && payment.purse.channel === channel.id;
    const use = async () => {
        const { loadKey } = await import("../../payment/keys");
        const key = await loadKey(channel.key);
        setForeign(key === null);
        if (!key) return;
        setPayment({
            kind: "channel",
            limit: LIMIT,
            purse: { channel: channel.id, operator: channel.operator, genesis, funded: BigInt(channel.funded), key },
        });
        onUsed?.();
    };
    return (
        <div className="channel-item">
            <div className="row spread">
                <strong>{t.chat.payChannel(channel.id)}</strong>
                {channel.state === "closing" ? (
                    <Badge tone="warn">{t.chat.closing}</Badge>
                ) : isUsed ? (
                    <Badge tone="good">{t.chat.inUse}</Badge>
                ) : null}
            </div>
            <Meter value={Number(BigInt(channel.left) / 1_000_000n)} max={Number(BigInt(channel.funded) / 1_000_000n)} label={t.chat.left} />
            <p className="small muted">
                <Amount value={channel.left} /> {t.chat.leftOf} <Amount value={channel.funded} />
                {channel.until && (
                    <>
                        {" · "}
                        <When at={channel.until} />
                    </>
                )}
            </p>
            {isForeign && <Notice tone="warn">{t.chat.foreignKey}</Notice>}
            {channel.state === "open" && (
                <div className="row">
                    <Button size="small" kind="primary" onPress={() => void use()} isDisabled={isUsed}>
                        {t.chat.use}
                    </Button>
                    <Button size="small" onPress={onTopUp}>
                        {t.chat.topUpButton}
                    </Button>
                    <Button size="small" onPress={onClose}>
                        {t.chat.closeButton}
                    </Button>
                </div>
            )}
        </div>
    );
}
