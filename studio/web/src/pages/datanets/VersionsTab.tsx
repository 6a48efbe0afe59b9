import { useInfiniteQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { GitCommitVertical } from "lucide-react";
import type { Version } from "../../api/client";
import { datanetVersions } from "../../api/queries";
import { formatBytes, formatInteger } from "../../lib/format";
import { t } from "../../strings/en";
import { Account, Hash, When } from "../../ui/data";
import { EmptyState } from "../../ui/feedback";
import { Section } from "../../ui/Page";
import { PagedView } from "../../ui/query";
import { useDatanet } from "./useDatanet";
import "./versions.css";

/** Versions above each other, newest first, each with what it took in and what it left. */
export function VersionsTab() {
    const { datanet } = useDatanet();
    const query = useInfiniteQuery(datanetVersions(datanet.id));
    return (
        <Section title={t.datanets.lineage}>
            <PagedView
                query={query}
                empty={
                    <EmptyState icon={<GitCommitVertical />} title={t.datanets.noVersions}>
                        {t.datanets.noVersionsText}
                    </EmptyState>
                }
            >
                {(items) => (
                    <ol className="versions" role="list">
                        {items.map((version) => (
                            <VersionItem key={version.number} version={version} />
                        ))}
                    </ol>
                )}
            </PagedView>
        </Section>
    );
}

function VersionItem({ version }: { version: Version }) {
    return (
        <li>
            <div className="row spread">
                <h3>{t.datanets.version(version.number)}</h3>
                <span className="muted small">
                    <When at={version.published} block />
                </span>
            </div>
            <p className="small">
                {t.datanets.versionHolds(formatInteger(version.samples), formatBytes(version.bytes))} ·{" "}
                {t.datanets.inLatest(version.contributions.length)} · <Account address={version.publisher} />
            </p>
            <dl className="version-changes small">
                {version.added.length > 0 && <Changes name={t.datanets.added} ids={version.added} />}
                {version.removed.length > 0 && <Changes name={t.datanets.removed} ids={version.removed} />}
                {version.models.length > 0 && (
                    <div>
                        <dt>{t.datanets.modelsOn}</dt>
                        <dd className="row">
                            {version.models.map((id) => (
                                <Link key={id} to="/models/$id" params={{ id }}>
                                    {t.models.number(id)}
                                </Link>
                            ))}
                        </dd>
                    </div>
                )}
                <div>
                    <dt>{t.contributions.root}</dt>
                    <dd>
                        <Hash value={version.root} />
                    </dd>
                </div>
            </dl>
        </li>
    );
}

function Changes({ name, ids }: { name: string; ids: number[] }) {
    return (
        <div>
            <dt>{name}</dt>
            <dd className="row">
                {ids.map((id) => (
                    <Link key={id} to="/contributions/$id" params={{ id }} className="nowrap">
                        {t.contributions.title(id)}
                    </Link>
                ))}
            </dd>
        </div>
    );
}
