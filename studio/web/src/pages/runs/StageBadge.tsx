import type { Stage } from "../../api/client";
import { t } from "../../strings/en";
import { Badge, type BadgeTone } from "../../ui/feedback";

const TONES: Record<Stage, BadgeTone> = {
    open: "warn",
    leased: "info",
    reported: "brand",
    disputed: "bad",
    settled: "good",
    cancelled: "plain",
    expired: "plain",
};

export const StageBadge = ({ stage }: { stage: Stage }) => (
    <Badge tone={TONES[stage]} dot>
        {t.words.stageShort[stage]}
    </Badge>
);
