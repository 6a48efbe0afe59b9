import { useQuery } from "@tanstack/react-query";
import { KeyRound } from "lucide-react";
import { useState } from "react";
import type { Datanet, Purpose } from "../../api/client";
import { baseModels } from "../../api/queries";
import { live } from "../../api/live";
import { requestGrant } from "../../chain/calls";
import { t } from "../../strings/en";
import { TransactionDialog } from "../../transactions/TransactionDialog";
import { Button, type ButtonKind } from "../../ui/Button";
import { Amount, Fact, Facts } from "../../ui/data";
import { Notice } from "../../ui/feedback";
import { ChoiceCards, NumberField, Select } from "../../ui/fields";
import { useConfig } from "../../wallet/useWallet";

interface Props {
    datanet: Datanet;
    /** What the person has chosen elsewhere. */
    purpose?: Purpose;
    kind?: ButtonKind;
    /** Whether it can be asked for now; what is open stays open when it no longer can. */
    isOffered?: boolean;
}

const ANY = "any";

/** Asks a Datanet's owner for leave to train on it. */
export function RequestGrant({ datanet, purpose: wanted, kind = "secondary", isOffered = true }: Props) {
    const [isOpen, setOpen] = useState(false);
    if (datanet.status === "retired") return null;
    return (
        <>
            {isOffered && (
                <Button size="small" kind={kind} icon={<KeyRound size={15} />} onPress={() => setOpen(true)}>
                    {t.grants.request}
                </Button>
            )}
            {isOpen && <Request datanet={datanet} {...(wanted ? { wanted } : {})} onClose={() => setOpen(false)} />}
        </>
    );
}

/** Blocks that may pass between the wallet's window and the block. */
const SLACK_BLOCKS = 40;

function Request({ datanet, wanted, onClose }: { datanet: Datanet; wanted?: Purpose; onClose: () => void }) {
    const { terms } = datanet;
    const config = useConfig();
    const bases = useQuery(baseModels);
    const blockMs = config?.chain.block_ms ?? 3_000;
    const daysMax = (terms.grant_blocks_max * blockMs) / 86_400_000;
    const [purpose, setPurpose] = useState<Purpose>(
        [wanted, "commercial" as const].find((one) => one && terms.purposes.includes(one)) ?? terms.purposes[0] ?? "research",
    );
    const [base, setBase] = useState<string>(ANY);
    const [uses, setUses] = useState(Math.min(3, terms.grant_uses_max));
    const [days, setDays] = useState(Math.min(30, daysMax));
    const make = () => {
        const blocks = Math.min(Math.floor((days * 86_400_000) / blockMs), terms.grant_blocks_max - SLACK_BLOCKS);
        return Promise.resolve(
            requestGrant({
                datanet: datanet.id,
                purpose,
                base: base === ANY ? null : Number(base),
                uses,
                // Asked for when it is sent: the head moves while the form is open.
                expires_at: (live.get().head?.number ?? 0) + Math.max(blocks, 1),
            }),
        );
    };
    return (
        <TransactionDialog
            isOpen
            onClose={onClose}
            title={t.grants.requestTitle(datanet.name)}
            confirm={t.grants.send}
            make={make}
            feeKey={[datanet.id, purpose, base, uses]}
            spends={BigInt(config?.deposits.grant ?? "0")}
            done={<Notice tone="good">{terms.access === "open" ? t.grants.doneOpen : t.grants.doneWait}</Notice>}
            form={
                <>
                    <ChoiceCards
                        label={t.grants.purpose}
                        value={purpose}
                        onChange={setPurpose}
                        options={terms.purposes.map((value) => ({
                            value,
                            label: t.words.purposes[value],
                            detail: t.words.purposeHelp[value],
                        }))}
                    />
                    <Select
                        label={t.grants.base}
                        value={base}
                        onChange={setBase}
                        options={[
                            { value: ANY, label: t.grants.anyBase },
                            ...(bases.data?.items ?? []).map((one) => ({ value: String(one.id), label: one.name })),
                        ]}
                    />
                    <div className="form-grid">
                        <NumberField
                            label={t.grants.uses}
                            help={t.grants.usesMax(terms.grant_uses_max)}
                            value={uses}
                            onChange={setUses}
                            min={1}
                            max={terms.grant_uses_max}
                        />
                        <NumberField
                            label={t.grants.days}
                            help={t.grants.daysMax(daysMax >= 1 ? String(Math.floor(daysMax)) : daysMax.toFixed(2))}
                            value={days}
                            onChange={setDays}
                            min={Math.min(1, daysMax)}
                            max={daysMax}
                            format={{ maximumFractionDigits: 2 }}
                        />
                    </div>
                    <Notice>{terms.access === "open" ? t.grants.requestOpen : t.grants.requestWait}</Notice>
                </>
            }
        >
            <Facts>
                <Fact name={t.grants.deposit} help={t.grants.depositHelp}>
                    <Amount value={config?.deposits.grant ?? "0"} />
                </Fact>
            </Facts>
        </TransactionDialog>
    );
}
