import { EyeOff, Globe } from "lucide-react";
import type { Contribution } from "../../api/client";
import { formatBytes, formatInteger } from "../../lib/format";
import { t } from "../../strings/en";
import { Fact, Facts, Hash } from "../../ui/data";
import { Section } from "../../ui/Page";

/** What the world will see of a contribution, and what it will not. */
export function Commitment({ commitment }: { commitment: Contribution["commitment"] }) {
    return (
        <div className="split even">
            <Section>
                <h3 className="row">
                    <Globe size={18} aria-hidden /> {t.contribute.onChain}
                </h3>
                <p className="small muted">{t.contribute.onChainLead}</p>
                <Facts>
                    <Fact name={t.contribute.count}>{formatInteger(commitment.samples)}</Fact>
                    <Fact name={t.contribute.size}>{formatBytes(commitment.bytes)}</Fact>
                    <Fact name={t.contribute.root}>
                        <Hash value={commitment.root} />
                    </Fact>
                    <Fact name={t.contribute.blob}>
                        <Hash value={commitment.blob} />
                    </Fact>
                </Facts>
            </Section>
            <Section>
                <h3 className="row">
                    <EyeOff size={18} aria-hidden /> {t.contribute.offChain}
                </h3>
                <p className="small muted">{t.contribute.offChainLead}</p>
            </Section>
        </div>
    );
}
