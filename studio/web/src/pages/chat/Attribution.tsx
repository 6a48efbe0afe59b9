import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { ReceiptText } from "lucide-react";
import { useState } from "react";
import type { Contributor } from "../../api/client";
import { model as modelQuery } from "../../api/queries";
import type { Receipt, Sale } from "../../api/serving";
import { partOf } from "../../lib/amount";
import { formatInteger, formatPercent } from "../../lib/format";
import { t } from "../../strings/en";
import { Button } from "../../ui/Button";
import { Account, Amount, Fact, Facts, Hash } from "../../ui/data";
import { Dialog } from "../../ui/Dialog";
import { CodeBlock } from "../../ui/CodeBlock";
import { Notice, Skeleton } from "../../ui/feedback";
import { ShareBar, type Share } from "../../ui/ShareBar";
import { useConfig } from "../../wallet/useWallet";

const UNITS = 1_000_000_000;
const SHOWN = 6;

/** Each contribution's part of an answer: its own units, and its part of what goes by the shares of training. */
export function answerParts(receipt: Receipt | null, contributors: Contributor[]): { contributor: Contributor; part: number; own: number }[] {
    const own = new Map((receipt?.shares ?? []).map((share) => [share.index, share.units]));
    const base = receipt ? receipt.base / UNITS : 1;
    return contributors
        .map((contributor) => {
            const direct = (own.get(contributor.index) ?? 0) / UNITS;
            return { contributor, own: direct, part: direct + (base * contributor.units) / UNITS };
        })
        .filter((one) => one.part > 0)
        .sort((a, b) => b.part - a.part);
}

/** Who shaped an answer, and so is paid for it. */
export function Attribution({ model, sale }: { model: number; sale: Sale | null }) {
    const detail = useQuery(modelQuery(model));
    const [isOpen, setOpen] = useState(false);
    const contributors = detail.data?.contributors ?? null;
    if (detail.isPending) return <Skeleton height="1rem" width="60%" />;
    if (!contributors) return <p className="small muted">{t.chat.noShares}</p>;
    const receipt = sale?.receipt ?? null;
    const parts = answerParts(receipt, contributors);
    const shares = parts.slice(0, SHOWN).map(
        ({ contributor, part }): Share => ({
            key: contributor.index,
            part,
            text: t.contributions.title(contributor.contribution),
            label: (
                <span className="row">
                    <Link to="/contributions/$id" params={{ id: contributor.contribution }}>
                        {t.contributions.title(contributor.contribution)}
                    </Link>
                    <Account address={contributor.contributor} />
                </span>
            ),
        }),
    );
    const rest = parts.slice(SHOWN).reduce((total, one) => total + one.part, 0);
    if (rest > 0) shares.push({ key: "rest", part: rest, text: t.chat.others, label: t.chat.others, isRest: true });
    const price = sale?.price ? BigInt(sale.price) : null;
    return (
        <div className="attribution">
            <div className="row spread">
                <strong className="small">{receipt && receipt.base < UNITS ? t.chat.shapedBy : t.chat.learnedFrom}</strong>
                {receipt && (
                    <Button size="small" kind="quiet" icon={<ReceiptText size={14} />} onPress={() => setOpen(true)}>
                        {t.chat.receipt(formatInteger(receipt.number))}
                    </Button>
                )}
            </div>
            <ShareBar shares={shares} label={t.chat.shapedBy} />
            {!receipt && <p className="small muted">{t.chat.notSold}</p>}
            {receipt && (
                <Dialog isOpen={isOpen} onClose={() => setOpen(false)} title={t.chat.receipt(formatInteger(receipt.number))} size="large">
                    <ReceiptView receipt={receipt} price={price} parts={parts} contributorsPpm={detail.data?.model.split.contributors ?? 0} />
                </Dialog>
            )}
        </div>
    );
}

interface ReceiptProps {
    receipt: Receipt;
    price: bigint | null;
    parts: ReturnType<typeof answerParts>;
    contributorsPpm: number;
}

function ReceiptView({ receipt, price, parts, contributorsPpm }: ReceiptProps) {
    const paysByAnswer = receipt.base < UNITS;
    const node = useConfig()?.chain.node_url ?? "ws://127.0.0.1:9944";
    return (
        <div className="stack">
            <Notice>{t.chat.receiptLead}</Notice>
            <Facts columns={2}>
                <Fact name={t.chat.operator}>
                    <Account address={receipt.operator} />
                </Fact>
                <Fact name={t.chat.price}>{price === null ? "–" : <Amount value={price} digits={12} />}</Fact>
                <Fact name={t.chat.requestTokens}>{formatInteger(receipt.input_tokens)}</Fact>
                <Fact name={t.chat.answerTokens}>{formatInteger(receipt.output_tokens)}</Fact>
                <Fact name={t.chat.leaf}>
                    <Hash value={receipt.leaf} />
                </Fact>
                <Fact name={t.chat.signature}>
                    <Hash value={receipt.signature} />
                </Fact>
            </Facts>
            <div className="table-wrap">
                <table>
                    <thead>
                        <tr>
                            <th>{t.contributions.contribution}</th>
                            <th>{t.contributions.contributor}</th>
                            {paysByAnswer && <th className="number">{t.chat.ofThisAnswer}</th>}
                            <th className="number">{t.contributions.share}</th>
                        </tr>
                    </thead>
                    <tbody>
                        {parts.map(({ contributor, part, own }) => (
                            <tr key={contributor.index}>
                                <td>{t.contributions.title(contributor.contribution)}</td>
                                <td>
                                    <Account address={contributor.contributor} />
                                </td>
                                {paysByAnswer && <td className="number">{formatPercent(own, 2)}</td>}
                                <td className="number">{formatPercent(part, 2)}</td>
                            </tr>
                        ))}
                    </tbody>
                </table>
            </div>
            <p className="small muted">{paysByAnswer ? t.chat.baseUnits(formatPercent(receipt.base / UNITS, 1)) : t.chat.baseOnly}</p>
            {price !== null && contributorsPpm > 0 && (
                <p className="small muted">
                    {t.chat.contributorsPart} <Amount value={partOf(price, contributorsPpm)} digits={12} />
                </p>
            )}
            {receipt.signed && <h3>{t.chat.verify}</h3>}
            {receipt.signed && <CodeBlock label={t.chat.verify} code={t.chat.verifyCommand(node, receipt.signed)} wraps />}
        </div>
    );
}
