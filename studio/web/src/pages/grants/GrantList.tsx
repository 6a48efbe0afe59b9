import { Link } from "@tanstack/react-router";
import { useState } from "react";
import type { Grant } from "../../api/client";
import { denyGrant, issueGrant, renounceGrant, revokeGrant, type MakeTransaction } from "../../chain/calls";
import { byteLength } from "../../lib/format";
import { t } from "../../strings/en";
import { TransactionDialog } from "../../transactions/TransactionDialog";
import { Button, ButtonLink } from "../../ui/Button";
import { Account, When } from "../../ui/data";
import { Badge, Notice, type BadgeTone } from "../../ui/feedback";
import { TextField } from "../../ui/fields";
import { useAddress } from "../../wallet/useWallet";
import "./grants.css";

const TONES: Record<Grant["status"], BadgeTone> = {
    requested: "warn",
    active: "good",
    denied: "bad",
    revoked: "bad",
    renounced: "plain",
};

type Decision = "issue" | "deny" | "revoke" | "renounce";

export function GrantList({ grants, showsDatanet = false }: { grants: Grant[]; showsDatanet?: boolean }) {
    const [decision, setDecision] = useState<{ grant: Grant; kind: Decision } | null>(null);
    return (
        <>
            <ul role="list" className="grant-list">
                {grants.map((grant) => (
                    <GrantItem
                        key={grant.id}
                        grant={grant}
                        showsDatanet={showsDatanet}
                        onDecide={(kind) => setDecision({ grant, kind })}
                    />
                ))}
            </ul>
            {decision && <DecisionDialog {...decision} onClose={() => setDecision(null)} />}
        </>
    );
}

interface ItemProps {
    grant: Grant;
    showsDatanet: boolean;
    onDecide: (kind: Decision) => void;
}

function GrantItem({ grant, showsDatanet, onDecide }: ItemProps) {
    const address = useAddress();
    const { terms } = grant;
    const isOwner = address === grant.owner;
    const isGrantee = address === grant.grantee;
    const isSpent = grant.status === "active" && !grant.is_usable;
    const scope = {
        all: t.grants.versionsAll,
        up_to: t.grants.versionsUpTo(terms.versions.number ?? 0),
        only: t.grants.versionsOnly(terms.versions.number ?? 0),
    }[terms.versions.kind];
    return (
        <li>
            <div className="grant-main">
                <div className="row">
                    <Badge tone={isSpent ? "plain" : TONES[grant.status]} dot>
                        {isSpent ? (grant.used >= terms.uses ? t.grants.usedUp : t.grants.expired) : t.words.grant[grant.status]}
                    </Badge>
                    {showsDatanet && (
                        <Link to="/datanets/$id" params={{ id: grant.datanet }} className="strong">
                            {grant.datanet_name}
                        </Link>
                    )}
                    {!isGrantee && <Account address={grant.grantee} />}
                </div>
                <p className="small muted">
                    {[
                        t.words.purposes[terms.purpose],
                        scope,
                        terms.base_models.kind === "any" ? t.grants.anyBase : t.grants.onlyBase(terms.base_models.base ?? 0),
                        t.grants.used(grant.used, terms.uses),
                    ].join(" · ")}
                    {" · "}
                    {t.grants.until} <When at={terms.expires} />
                </p>
                {grant.reason && <p className="reason small">“{grant.reason}”</p>}
            </div>
            <div className="row">
                {isOwner && grant.status === "requested" && (
                    <>
                        <Button size="small" kind="primary" onPress={() => onDecide("issue")}>
                            {t.grants.issue}
                        </Button>
                        <Button size="small" onPress={() => onDecide("deny")}>
                            {t.grants.deny}
                        </Button>
                    </>
                )}
                {isOwner && grant.status === "active" && grant.is_usable && (
                    <Button size="small" kind="danger" onPress={() => onDecide("revoke")}>
                        {t.grants.revoke}
                    </Button>
                )}
                {isGrantee && grant.status === "active" && grant.is_usable && (
                    <ButtonLink size="small" kind="primary" to="/build" search={{ datanet: grant.datanet }}>
                        {t.grants.build}
                    </ButtonLink>
                )}
                {isGrantee && (grant.status === "requested" || grant.status === "active") && (
                    <Button size="small" onPress={() => onDecide("renounce")}>
                        {t.grants.renounce}
                    </Button>
                )}
            </div>
        </li>
    );
}

function DecisionDialog({ grant, kind, onClose }: { grant: Grant; kind: Decision; onClose: () => void }) {
    const [reason, setReason] = useState("");
    const needsReason = kind === "deny" || kind === "revoke";
    const text = reason.trim();
    const make: Record<Decision, MakeTransaction> = {
        issue: issueGrant(grant.id),
        deny: denyGrant(grant.id, text),
        revoke: revokeGrant(grant.id, text),
        renounce: renounceGrant(grant.id),
    };
    const isReady = !needsReason || (text !== "" && byteLength(text) <= 512);
    const titles = {
        issue: t.grants.issueTitle(grant.id),
        deny: t.grants.denyTitle(grant.id),
        revoke: t.grants.revokeTitle(grant.id),
        renounce: t.grants.renounceTitle(grant.id),
    };
    const texts = { issue: t.grants.issueText, deny: null, revoke: t.grants.revokeText, renounce: t.grants.renounceText };
    return (
        <TransactionDialog
            isOpen
            onClose={onClose}
            title={titles[kind]}
            make={isReady ? () => Promise.resolve(make[kind]) : null}
            feeKey={[grant.id, kind, text.length]}
            tone={kind === "revoke" || kind === "deny" ? "danger" : "primary"}
            confirm={{ issue: t.grants.issue, deny: t.grants.deny, revoke: t.grants.revoke, renounce: t.grants.renounce }[kind]}
            form={
                needsReason && (
                    <TextField
                        label={t.grants.reason}
                        placeholder={t.grants.reasonPlaceholder}
                        rows={3}
                        bytesMax={512}
                        value={reason}
                        onChange={setReason}
                        autoFocus
                    />
                )
            }
        >
            {texts[kind] && (kind === "revoke" ? <Notice tone="warn">{texts[kind]}</Notice> : <p>{texts[kind]}</p>)}
        </TransactionDialog>
    );
}
