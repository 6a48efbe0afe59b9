import { useQuery } from "@tanstack/react-query";
import { useState, type ReactNode } from "react";
import type { MakeTransaction } from "../chain/calls";
import { dismiss, estimateFee, submit, TransactionError, type ChainEvent, type SentTransaction } from "../chain/transactions";
import { t } from "../strings/en";
import { Button } from "../ui/Button";
import { Account, Amount, Fact, Facts } from "../ui/data";
import { Dialog, DialogActions } from "../ui/Dialog";
import { Notice } from "../ui/feedback";
import { openConnect } from "../wallet/ConnectDialog";
import { senderOf, useBalance, useNode, useWallet } from "../wallet/useWallet";
import { PhaseSteps } from "./PhaseSteps";

interface Props {
    isOpen: boolean;
    onClose: () => void;
    /** What the person is about to do, as the transaction is called afterwards too. */
    title: string;
    /** What changes, and what it costs. */
    children?: ReactNode;
    /** The form's own fields, shown until it is sent. */
    form?: ReactNode;
    /** `null` while the form is not complete. */
    make: (() => Promise<MakeTransaction>) | null;
    /** Told apart from `make`, so that the fee is asked for again when what is sent changes. */
    feeKey?: unknown;
    /** Leaves the sender's free balance: payments, escrow, deposits. */
    spends?: bigint;
    confirm?: string;
    tone?: "primary" | "danger";
    onFinal?: (events: ChainEvent[]) => void;
    /** What to say at the end. */
    done?: ReactNode;
    /** What closing it at the end leads to, where it leads somewhere. */
    next?: string;
}

/** Shows a transaction before it is signed, and then where it is until it is final. */
export function TransactionDialog(props: Props) {
    const [sent, setSent] = useState<SentTransaction | null>(null);
    const close = () => {
        // A transaction under way goes on, and is shown in the tray.
        if (sent && (sent.phase === "final" || sent.phase === "failed")) dismiss(sent.id);
        setSent(null);
        props.onClose();
    };
    return (
        <Dialog isOpen={props.isOpen} onClose={close} title={props.title} canLeave={sent?.phase !== "signing"}>
            {props.isOpen && <Body {...props} sent={sent} setSent={setSent} close={close} />}
        </Dialog>
    );
}

interface BodyProps extends Props {
    sent: SentTransaction | null;
    setSent: (sent: SentTransaction | null) => void;
    close: () => void;
}

function Body({ title, children, form, make, feeKey, spends, confirm, tone, onFinal, done, next, sent, setSent, close }: BodyProps) {
    const account = useWallet();
    const balance = useBalance();
    const node = useNode();
    const fee = useQuery({
        queryKey: ["fee", title, feeKey, account?.address],
        queryFn: async () => {
            if (!make || !account || !node) throw new Error("nothing to ask for");
            return estimateFee(await make(), account.address, node);
        },
        enabled: make !== null && account !== null && node !== null && sent === null,
        retry: false,
        staleTime: 60_000,
    });

    if (!account) {
        return (
            <>
                <Notice>{t.transactions.needsAccount}</Notice>
                <DialogActions>
                    <Button onPress={close}>{t.ui.cancel}</Button>
                    <Button kind="primary" onPress={openConnect}>
                        {t.wallet.connect}
                    </Button>
                </DialogActions>
            </>
        );
    }

    const send = () => {
        if (!make || !node) return;
        void submit(title, make(), senderOf(account), node, setSent)
            .then((events) => onFinal?.(events))
            .catch((error: unknown) => {
                // What went wrong is in the transaction's record, which is shown.
                if (!(error instanceof TransactionError)) throw error;
            });
    };

    if (sent && sent.phase !== "failed") {
        return (
            <div className="stack">
                <PhaseSteps sent={sent} account={account.name} />
                {sent.phase === "final" && done}
                <DialogActions>
                    {sent.phase === "final" ? (
                        <>
                            <Button kind={next ? "secondary" : "primary"} onPress={close}>
                                {t.ui.done}
                            </Button>
                            {next && (
                                <Button kind="primary" onPress={close}>
                                    {next}
                                </Button>
                            )}
                        </>
                    ) : (
                        <Button onPress={close} isDisabled={sent.phase === "signing" || sent.phase === "preparing"}>
                            {t.transactions.continueInBackground}
                        </Button>
                    )}
                </DialogActions>
            </div>
        );
    }

    const total = (spends ?? 0n) + (fee.data ?? 0n);
    const free = balance.data ? BigInt(balance.data.balance.free) : null;
    const short = free !== null && total > free;
    return (
        <div className="stack">
            {sent?.failure && (
                <Notice tone="bad" title={sent.failure.title}>
                    <p>{sent.failure.text}</p>
                    {sent.failure.code && <p className="small muted mono">{sent.failure.code}</p>}
                </Notice>
            )}
            {form}
            {children}
            <Facts>
                <Fact name={t.transactions.signAs}>
                    <Account address={account.address} name={account.name} link={false} />
                </Fact>
                <Fact name={t.transactions.fee}>
                    {fee.data !== undefined ? (
                        <Amount value={fee.data} />
                    ) : fee.isError ? (
                        <span className="muted">{t.transactions.feeUnknown}</span>
                    ) : (
                        <span className="muted">{make ? "…" : "–"}</span>
                    )}
                </Fact>
            </Facts>
            {short && (
                <Notice tone="warn" title={t.transactions.tooLittle}>
                    <p>
                        {t.transactions.youHave} <Amount value={free} />.
                    </p>
                </Notice>
            )}
            <DialogActions>
                <Button onPress={close}>{t.ui.cancel}</Button>
                <Button kind={tone ?? "primary"} onPress={send} isDisabled={make === null || node === null || short}>
                    {sent?.failure ? t.transactions.tryAgain : (confirm ?? t.transactions.signAndSend)}
                </Button>
            </DialogActions>
        </div>
    );
}
