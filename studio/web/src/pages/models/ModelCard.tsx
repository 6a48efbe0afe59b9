import { Link } from "@tanstack/react-router";
import type { Model } from "../../api/client";
import { formatSignificant } from "../../lib/format";
import { t } from "../../strings/en";
import { Account, Amount, When } from "../../ui/data";
import { Badge } from "../../ui/feedback";
import { ModelStatusBadge } from "./ModelStatusBadge";

export function ModelCard({ model }: { model: Model }) {
    return (
        <article className="item-card">
            <div className="row">
                <Badge>{t.models.number(model.id)}</Badge>
                <ModelStatusBadge status={model.status} />
                {model.deployments > 0 && (
                    <Badge tone="info" dot>
                        {t.models.live}
                    </Badge>
                )}
                {model.is_affected && <Badge tone="bad">{t.models.affected}</Badge>}
            </div>
            <h3>
                <Link to="/models/$id" params={{ id: model.id }}>
                    {model.title}
                </Link>
            </h3>
            <p className="description">
                {t.models.lossFromTo(
                    formatSignificant(model.metrics.validation_loss_before, 3),
                    formatSignificant(model.metrics.validation_loss, 3),
                )}
            </p>
            <div className="item-meta">
                <Account address={model.owner} />
                <span>{t.words.purposes[model.purpose]}</span>
                <span>
                    <When at={model.created} />
                </span>
            </div>
            <hr />
            <div className="item-meta">
                {model.status === "published" ? (
                    <span>
                        <strong>
                            <Amount value={model.prices.output_per_1000} />
                        </strong>{" "}
                        {t.models.perThousand}
                    </span>
                ) : (
                    <span>{t.models.noPrice}</span>
                )}
                <span>
                    <Amount value={model.earned_by_contributors} digits={2} /> {t.models.toContributors}
                </span>
            </div>
        </article>
    );
}
