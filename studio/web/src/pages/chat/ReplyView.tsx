import { RotateCcw } from "lucide-react";
import { lazy, Suspense } from "react";
import type { ServedModel } from "../../api/serving";
import { formatInteger } from "../../lib/format";
import { t } from "../../strings/en";
import { Button } from "../../ui/Button";
import { Amount, CopyButton } from "../../ui/data";
import { Notice } from "../../ui/feedback";
import { Attribution } from "./Attribution";
import type { Reply } from "./conversations";

const Markdown = lazy(() => import("../../ui/Markdown"));

interface Props {
    reply: Reply;
    served: ServedModel | null;
    showsModel: boolean;
    onRetry: () => void;
    onPay: () => void;
}

export function ReplyView({ reply, served, showsModel, onRetry, onPay }: Props) {
    const isWaiting = reply.state === "streaming" && reply.text === "";
    const needsPay = reply.state === "failed" && (reply.problem === t.chat.refusals["missing_credentials"] || reply.problem === t.chat.refusals["invalid_api_key"]);
    return (
        <article className="reply" aria-busy={reply.state === "streaming"} aria-label={t.chat.answerOf(reply.model)}>
            {showsModel && (
                <header className="small muted">
                    {served?.adapter === null ? t.chat.baseName(reply.model) : reply.model}
                </header>
            )}
            {isWaiting ? (
                <span className="typing" role="status" aria-label={t.chat.thinking}>
                    <i />
                    <i />
                    <i />
                </span>
            ) : (
                <div className="reply-text">
                    <Suspense fallback={<p>{reply.text}</p>}>
                        <Markdown text={reply.text} />
                    </Suspense>
                </div>
            )}
            {reply.state === "failed" && (
                <Notice tone="bad" title={t.chat.failed}>
                    <p>{reply.problem}</p>
                    {needsPay && (
                        <p>
                            <button type="button" className="link-button" onClick={onPay}>
                                {t.chat.choosePayment}
                            </button>
                        </p>
                    )}
                </Notice>
            )}
            {reply.state !== "streaming" && (
                <footer className="reply-foot">
                    {reply.text !== "" && <CopyButton text={reply.text} label={t.chat.copy} />}
                    <Button size="small" kind="quiet" icon={<RotateCcw size={14} />} onPress={onRetry}>
                        {t.chat.retry}
                    </Button>
                    {reply.state === "stopped" && <span className="small muted">{t.chat.stopped}</span>}
                    {reply.finish === "length" && <span className="small muted">{t.chat.cut}</span>}
                    {reply.tokens && (
                        <span className="small muted">{t.chat.tokens(formatInteger(reply.tokens.prompt), formatInteger(reply.tokens.completion))}</span>
                    )}
                    {reply.sale?.price && (
                        <span className="small muted">
                            <Amount value={reply.sale.price} digits={6} />
                        </span>
                    )}
                </footer>
            )}
            {reply.state === "done" && served?.model != null && <Attribution model={served.model} sale={reply.sale} />}
        </article>
    );
}
