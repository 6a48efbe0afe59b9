import { Link } from "@tanstack/react-router";
import type { Contribution } from "../../api/client";
import { formatBytes, formatInteger } from "../../lib/format";
import { t } from "../../strings/en";
import { Account, Amount, When } from "../../ui/data";
import { Badge, type BadgeTone } from "../../ui/feedback";

const TONES: Record<Contribution["status"], BadgeTone> = {
    pending: "warn",
    accepted: "good",
    rejected: "bad",
    withdrawn: "plain",
};

export const ContributionBadge = ({ status }: { status: Contribution["status"] }) => (
    <Badge tone={TONES[status]} dot>
        {t.words.contribution[status]}
    </Badge>
);

export function ContributionTable({ contributions, showsDatanet = false }: { contributions: Contribution[]; showsDatanet?: boolean }) {
    return (
        <div className="table-wrap">
            <table>
                <thead>
                    <tr>
                        <th>{t.contributions.contribution}</th>
                        <th>{t.contributions.status}</th>
                        <th>{showsDatanet ? t.contributions.datanet : t.contributions.contributor}</th>
                        <th className="number">{t.contributions.samples}</th>
                        <th className="number">{t.contributions.claimed}</th>
                        <th>{t.contributions.submitted}</th>
                    </tr>
                </thead>
                <tbody>
                    {contributions.map((one) => (
                        <tr key={one.id}>
                            <td>
                                <Link to="/contributions/$id" params={{ id: one.id }} className="strong nowrap">
                                    {t.contributions.title(one.id)}
                                </Link>
                            </td>
                            <td>
                                <ContributionBadge status={one.status} />
                                {one.reason && <div className="small muted reason">{one.reason}</div>}
                            </td>
                            <td>
                                {showsDatanet ? (
                                    <Link to="/datanets/$id" params={{ id: one.datanet }}>
                                        {one.datanet_name}
                                    </Link>
                                ) : (
                                    <Account address={one.contributor} />
                                )}
                            </td>
                            <td className="number">
                                {formatInteger(one.commitment.samples)}
                                <div className="small muted nowrap">{formatBytes(one.commitment.bytes)}</div>
                            </td>
                            <td className="number">
                                <Amount value={one.claimed} digits={2} />
                            </td>
                            <td className="nowrap">
                                <When at={one.submitted} />
                            </td>
                        </tr>
                    ))}
                </tbody>
            </table>
        </div>
    );
}
