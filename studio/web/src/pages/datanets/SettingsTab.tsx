import { useState } from "react";
import { retireDatanet, setCurators, updateTerms, type MakeTransaction } from "../../chain/calls";
import { t } from "../../strings/en";
import { TransactionDialog } from "../../transactions/TransactionDialog";
import { Button } from "../../ui/Button";
import { EmptyState } from "../../ui/feedback";
import { TextField } from "../../ui/fields";
import { Section } from "../../ui/Page";
import { useConfig } from "../../wallet/useWallet";
import { draftOf, termsOf, TermsForm } from "./terms";
import { useDatanet } from "./useDatanet";

interface Pending {
    title: string;
    text?: string;
    make: () => Promise<MakeTransaction>;
    tone?: "danger";
}

export function SettingsTab() {
    const { datanet, isOwner } = useDatanet();
    const blockMs = useConfig()?.chain.block_ms ?? 3_000;
    const [curators, setCuratorsText] = useState(datanet.curators.join("\n"));
    const [draft, setDraft] = useState(() => draftOf(datanet.terms, blockMs));
    const [problem, setProblem] = useState<string | null>(null);
    const [pending, setPending] = useState<Pending | null>(null);
    const terms = termsOf(draft, blockMs);
    if (!isOwner) return <EmptyState title={t.settings.notOwner} />;

    const saveCurators = async () => {
        const { addressOf } = await import("../../wallet/address");
        const typed = curators.split(/[\s,]+/).filter(Boolean);
        const wrong = typed.find((address) => addressOf(address) === null);
        setProblem(wrong === undefined ? null : t.settings.badAddress(wrong));
        if (wrong !== undefined) return;
        const accounts = [...new Set(typed.map((address) => addressOf(address) ?? address))];
        setPending({ title: t.settings.curatorsTitle, make: () => Promise.resolve(setCurators(datanet.id, accounts)) });
    };
    return (
        <div className="stack">
            <Section title={t.settings.curators} lead={t.settings.curatorsLead}>
                <TextField
                    label={t.settings.curators}
                    rows={4}
                    value={curators}
                    onChange={setCuratorsText}
                    problem={problem}
                />
                <div className="row">
                    <Button onPress={() => void saveCurators()}>{t.settings.saveCurators}</Button>
                </div>
            </Section>
            <Section title={t.settings.terms} lead={t.settings.termsLead}>
                <TermsForm draft={draft} onChange={setDraft} />
                <div className="row">
                    <Button
                        isDisabled={terms === null}
                        onPress={() =>
                            terms &&
                            setPending({ title: t.settings.termsTitle, make: () => Promise.resolve(updateTerms(datanet.id, terms)) })
                        }
                    >
                        {t.settings.saveTerms}
                    </Button>
                </div>
            </Section>
            {datanet.status === "active" && (
                <Section title={t.settings.retire} lead={t.settings.retireLead}>
                    <div className="row">
                        <Button
                            kind="danger"
                            onPress={() =>
                                setPending({
                                    title: t.settings.retire,
                                    text: t.settings.retireLead,
                                    tone: "danger",
                                    make: () => Promise.resolve(retireDatanet(datanet.id)),
                                })
                            }
                        >
                            {t.settings.retireButton}
                        </Button>
                    </div>
                </Section>
            )}
            <TransactionDialog
                isOpen={pending !== null}
                onClose={() => setPending(null)}
                title={pending?.title ?? ""}
                make={pending?.make ?? null}
                feeKey={pending?.title}
                {...(pending?.tone ? { tone: pending.tone } : {})}
            >
                {pending?.text && <p>{pending.text}</p>}
            </TransactionDialog>
        </div>
    );
}
