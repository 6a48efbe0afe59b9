import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { registerDatanet, type RegisterInput } from "../../chain/calls";
import { numberField } from "../../chain/transactions";
import { byteLength } from "../../lib/format";
import { t } from "../../strings/en";
import { TransactionDialog } from "../../transactions/TransactionDialog";
import { Button } from "../../ui/Button";
import { Amount, Fact, Facts } from "../../ui/data";
import { Notice } from "../../ui/feedback";
import { TextField } from "../../ui/fields";
import { Page, Section } from "../../ui/Page";
import { useConfig } from "../../wallet/useWallet";
import { NEW_TERMS, termsOf, TermsForm } from "./terms";

export function RegisterPage() {
    const navigate = useNavigate();
    const config = useConfig();
    const [name, setName] = useState("");
    const [domain, setDomain] = useState("");
    const [description, setDescription] = useState("");
    const [draft, setDraft] = useState(NEW_TERMS);
    const [wasTried, setTried] = useState(false);
    const [isOpen, setOpen] = useState(false);
    const [made, setMade] = useState<number | null>(null);

    const terms = termsOf(draft, config?.chain.block_ms ?? 3_000);
    const fits = byteLength(name) <= 64 && byteLength(domain) <= 64 && byteLength(description) <= 512;
    const input: RegisterInput | null =
        name.trim() && domain.trim() && fits && terms
            ? { name: name.trim(), domain: domain.trim(), description: description.trim(), terms }
            : null;
    const deposit = BigInt(config?.deposits.datanet ?? "0");
    return (
        <Page
            title={t.register.title}
            lead={t.register.lead}
            width="narrow"
            crumbs={[{ label: t.datanets.title, to: "/datanets" }]}
        >
            <form
                className="stack"
                onSubmit={(event) => {
                    event.preventDefault();
                    setTried(true);
                    if (input) setOpen(true);
                }}
            >
                <Section title={t.register.basics}>
                    <div className="form-grid">
                        <TextField
                            label={t.register.name}
                            placeholder={t.register.namePlaceholder}
                            bytesMax={64}
                            value={name}
                            onChange={setName}
                            problem={wasTried && !name.trim() ? t.register.required : null}
                        />
                        <TextField
                            label={t.register.domain}
                            placeholder={t.register.domainPlaceholder}
                            help={t.register.domainHelp}
                            bytesMax={64}
                            value={domain}
                            onChange={setDomain}
                            problem={wasTried && !domain.trim() ? t.register.domainRequired : null}
                        />
                    </div>
                    <TextField
                        label={t.register.description}
                        placeholder={t.register.descriptionPlaceholder}
                        rows={4}
                        bytesMax={512}
                        value={description}
                        onChange={setDescription}
                    />
                </Section>
                <Section title={t.register.terms} lead={t.register.termsLead}>
                    <TermsForm draft={draft} onChange={setDraft} />
                </Section>
                <div className="row">
                    <Button type="submit" kind="primary" size="large">
                        {t.register.submit}
                    </Button>
                </div>
            </form>
            <TransactionDialog
                isOpen={isOpen}
                onClose={() => {
                    setOpen(false);
                    if (made !== null) void navigate({ to: "/datanets/$id", params: { id: made } });
                }}
                title={t.register.dialog}
                make={input ? () => Promise.resolve(registerDatanet(input)) : null}
                feeKey={[name, domain, description, draft]}
                spends={deposit}
                onFinal={(events) => setMade(numberField(events, "Datanets", "DatanetRegistered", "datanet"))}
                done={<Notice tone="good">{t.register.done}</Notice>}
                next={t.register.open}
            >
                <Facts>
                    <Fact name={t.register.name}>{name}</Fact>
                    <Fact name={t.register.deposit} help={t.register.depositHelp}>
                        <Amount value={deposit} />
                    </Fact>
                </Facts>
            </TransactionDialog>
        </Page>
    );
}
