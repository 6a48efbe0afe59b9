import { useInfiniteQuery } from "@tanstack/react-query";
import { KeyRound } from "lucide-react";
import { grants } from "../../api/queries";
import { t } from "../../strings/en";
import { Button, ButtonLink } from "../../ui/Button";
import { EmptyState, LoadingBlock } from "../../ui/feedback";
import { Page, Section } from "../../ui/Page";
import { PagedView } from "../../ui/query";
import { openConnect } from "../../wallet/ConnectDialog";
import { useAddress } from "../../wallet/useWallet";
import { GrantList } from "./GrantList";

export function GrantsPage() {
    const address = useAddress();
    return (
        <Page title={t.grants.title} lead={t.grants.lead} width="narrow">
            {address ? (
                <>
                    <Mine address={address} />
                    <ToDecide address={address} />
                </>
            ) : (
                <EmptyState
                    icon={<KeyRound />}
                    title={t.transactions.needsAccount}
                    actions={
                        <Button kind="primary" onPress={openConnect}>
                            {t.wallet.connect}
                        </Button>
                    }
                />
            )}
        </Page>
    );
}

function Mine({ address }: { address: string }) {
    const query = useInfiniteQuery(grants({ account: address }));
    return (
        <Section title={t.grants.mine}>
            <PagedView
                query={query}
                loading={<LoadingBlock rows={1} height="4.5rem" />}
                empty={
                    <EmptyState title={t.grants.noneMine} actions={<ButtonLink to="/datanets">{t.home.doors.contribute.action}</ButtonLink>}>
                        {t.grants.noneMineText}
                    </EmptyState>
                }
            >
                {(items) => <GrantList grants={items} showsDatanet />}
            </PagedView>
        </Section>
    );
}

function ToDecide({ address }: { address: string }) {
    const query = useInfiniteQuery(grants({ owner: address, status: "requested" }));
    return (
        <Section title={t.grants.toDecide}>
            <PagedView query={query} isKept loading={<LoadingBlock rows={1} height="4.5rem" />} empty={<EmptyState title={t.grants.noneToDecide}>{t.grants.noneToDecideText}</EmptyState>}>
                {(items) => <GrantList grants={items} showsDatanet />}
            </PagedView>
        </Section>
    );
}
