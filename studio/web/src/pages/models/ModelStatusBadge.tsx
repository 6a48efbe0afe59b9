import type { Model } from "../../api/client";
import { t } from "../../strings/en";
import { Badge } from "../../ui/feedback";

export const ModelStatusBadge = ({ status }: { status: Model["status"] }) => (
    <Badge tone={status === "published" ? "good" : status === "withdrawn" ? "bad" : "plain"} dot>
        {t.words.model[status]}
    </Badge>
);
