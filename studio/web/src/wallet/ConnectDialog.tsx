import { useQuery } from "@tanstack/react-query";
import { ArrowLeft, Puzzle } from "lucide-react";
import { useState } from "react";
import { createStore, useStore } from "../lib/store";
import { shortAccount } from "../lib/format";
import { t } from "../strings/en";
import { Button } from "../ui/Button";
import { Blot } from "../ui/data";
import { Dialog } from "../ui/Dialog";
import { EmptyState, LoadingBlock, Notice } from "../ui/feedback";
import { choose, developmentAccounts, extensionAccounts, extensions, type WalletAccount } from "./wallet";
import { useConfig } from "./useWallet";

const isOpen = createStore(false);

/** Opens the choice of accounts, from wherever one is needed. */
export const openConnect = () => isOpen.set(true);

export function ConnectDialog() {
    const open = useStore(isOpen);
    const close = () => isOpen.set(false);
    return (
        <Dialog isOpen={open} onClose={close} title={t.wallet.connectTitle} size="small">
            {open && <Choice onDone={close} />}
        </Dialog>
    );
}

function Choice({ onDone }: { onDone: () => void }) {
    const [source, setSource] = useState<string | null>(null);
    const isDevelopment = useConfig()?.is_development ?? false;
    const found = extensions();
    const pick = (account: WalletAccount) => {
        choose(account);
        onDone();
    };
    if (source !== null) return <Accounts extension={source} onPick={pick} onBack={() => setSource(null)} />;
    return (
        <div className="stack">
            <p className="muted">{t.wallet.connectLead}</p>
            {found.length > 0 ? (
                <ul role="list" className="account-list">
                    {found.map((extension) => (
                        <li key={extension.id}>
                            <button type="button" onClick={() => setSource(extension.id)}>
                                <span className="source-icon" aria-hidden>
                                    <Puzzle size={18} />
                                </span>
                                <span>{extension.name}</span>
                            </button>
                        </li>
                    ))}
                </ul>
            ) : (
                <Notice>
                    {t.wallet.noExtension}{" "}
                    <a href="https://www.talisman.xyz/" rel="noreferrer" target="_blank">
                        Talisman
                    </a>
                    {", "}
                    <a href="https://www.subwallet.app/" rel="noreferrer" target="_blank">
                        SubWallet
                    </a>
                    {", "}
                    <a href="https://polkadot.js.org/extension/" rel="noreferrer" target="_blank">
                        polkadot.js
                    </a>
                </Notice>
            )}
            {isDevelopment && (
                <>
                    <h3>{t.wallet.developmentTitle}</h3>
                    <p className="muted small">{t.wallet.developmentLead}</p>
                    <DevelopmentAccounts onPick={pick} />
                </>
            )}
        </div>
    );
}

function DevelopmentAccounts({ onPick }: { onPick: (account: WalletAccount) => void }) {
    const accounts = useQuery({ queryKey: ["wallet", "development"], queryFn: developmentAccounts, staleTime: Infinity });
    if (!accounts.data) return <LoadingBlock rows={3} height="2.5rem" />;
    return <AccountList accounts={accounts.data} onPick={onPick} isCompact />;
}

function Accounts({ extension, onPick, onBack }: { extension: string; onPick: (account: WalletAccount) => void; onBack: () => void }) {
    const accounts = useQuery({
        queryKey: ["wallet", "extension", extension],
        queryFn: () => extensionAccounts(extension),
        retry: false,
        gcTime: 0,
    });
    return (
        <div className="stack">
            <div>
                <Button kind="quiet" size="small" icon={<ArrowLeft size={15} />} onPress={onBack}>
                    {t.ui.back}
                </Button>
            </div>
            {accounts.isError ? (
                <Notice tone="bad" title={t.wallet.refusedTitle}>
                    <p>{t.wallet.refusedText}</p>
                </Notice>
            ) : !accounts.data ? (
                <>
                    <p className="muted">{t.wallet.waiting}</p>
                    <LoadingBlock rows={2} height="3rem" />
                </>
            ) : accounts.data.length === 0 ? (
                <EmptyState title={t.wallet.noAccountsTitle}>{t.wallet.noAccountsText}</EmptyState>
            ) : (
                <AccountList accounts={accounts.data} onPick={onPick} />
            )}
        </div>
    );
}

function AccountList({ accounts, onPick, isCompact }: { accounts: WalletAccount[]; onPick: (account: WalletAccount) => void; isCompact?: boolean }) {
    return (
        <ul role="list" className={`account-list${isCompact ? " compact" : ""}`}>
            {accounts.map((account) => (
                <li key={account.address}>
                    <button type="button" onClick={() => onPick(account)}>
                        <Blot seed={account.address} size={isCompact ? 22 : 28} />
                        <span>
                            <strong>{account.name}</strong>
                            {isCompact && t.wallet.roles[account.name] ? (
                                <span className="muted account-role">{t.wallet.roles[account.name]}</span>
                            ) : (
                                <span className="mono muted">{shortAccount(account.address)}</span>
                            )}
                        </span>
                    </button>
                </li>
            ))}
        </ul>
    );
}
