import { ArrowUp, Square } from "lucide-react";
import { useEffect, useLayoutEffect, useRef, useState } from "react";
import type { ServedModel } from "../../api/serving";
import { t } from "../../strings/en";
import { Button, IconButton } from "../../ui/Button";
import { askAll, retry, stop } from "./ask";
import type { Conversation } from "./conversations";
import { ReplyView } from "./ReplyView";
import { usePayment } from "./usePayment";

export function ChatThread({ conversation, served, onPay }: { conversation: Conversation; served: ServedModel[]; onPay: () => void }) {
    const { payment } = usePayment();
    const [text, setText] = useState("");
    const box = useRef<HTMLTextAreaElement>(null);
    const end = useRef<HTMLDivElement>(null);
    const scroller = useRef<HTMLDivElement>(null);
    const last = conversation.turns.at(-1);
    const forgets = conversation.turns.length > 0 && conversation.models.some((id) => served.find((one) => one.id === id)?.template === "plain");
    const isBusy = last?.replies.some((reply) => reply.state === "streaming") ?? false;
    const length = last?.replies.reduce((total, reply) => total + reply.text.length, 0) ?? 0;
    useLayoutEffect(() => {
        // Follows what is written, unless the reader has scrolled up.
        const frame = scroller.current;
        if (frame && frame.scrollHeight - frame.scrollTop - frame.clientHeight < 180) frame.scrollTop = frame.scrollHeight;
    }, [length]);
    useEffect(() => {
        end.current?.scrollIntoView({ block: "end" });
    }, [conversation.id, conversation.turns.length]);
    useEffect(() => {
        box.current?.focus({ preventScroll: true });
    }, [conversation.id]);
    const ask = () => {
        const question = text.trim();
        if (question === "" || isBusy) return;
        setText("");
        askAll(conversation, question, served, payment);
    };
    return (
        <>
            <div className="chat-scroll" ref={scroller}>
                {conversation.turns.length === 0 ? (
                    <div className="chat-welcome">
                        <h2>{t.chat.welcome}</h2>
                        <p className="muted">{served.length > 1 ? `${t.chat.welcomeText} ${t.chat.welcomeBeside}` : t.chat.welcomeText}</p>
                        {payment.kind === "none" && served.some((one) => one.isSold) && (
                            <Button kind="primary" onPress={onPay}>
                                {t.chat.choosePayment}
                            </Button>
                        )}
                    </div>
                ) : (
                    <ol className="chat-turns" role="list">
                        {conversation.turns.map((turn) => (
                            <li key={turn.id}>
                                <div className="question">
                                    <span className="visually-hidden">{t.chat.you}: </span>
                                    {turn.question}
                                </div>
                                <div className="replies" data-count={turn.replies.length}>
                                    {turn.replies.map((reply, place) => (
                                        <ReplyView
                                            key={place}
                                            reply={reply}
                                            served={served.find((one) => one.id === reply.model) ?? null}
                                            showsModel={turn.replies.length > 1}
                                            onRetry={() => retry(conversation, turn, place, served, payment)}
                                            onPay={onPay}
                                        />
                                    ))}
                                </div>
                            </li>
                        ))}
                    </ol>
                )}
                {forgets && <p className="small muted">{t.chat.forgets}</p>}
                <div ref={end} />
            </div>
            <form
                className="chat-input"
                onSubmit={(event) => {
                    event.preventDefault();
                    ask();
                }}
            >
                <label className="visually-hidden" htmlFor="question">
                    {t.chat.ask}
                </label>
                <textarea
                    id="question"
                    ref={box}
                    className="input"
                    rows={1}
                    placeholder={t.chat.placeholder}
                    value={text}
                    onChange={(event) => setText(event.target.value)}
                    onKeyDown={(event) => {
                        if (event.key === "Enter" && !event.shiftKey && !event.nativeEvent.isComposing) {
                            event.preventDefault();
                            ask();
                        }
                    }}
                />
                {isBusy && last ? (
                    <span className="send">
                        <IconButton label={t.chat.stop} icon={<Square size={16} fill="currentColor" />} onPress={() => stop(conversation.id, last)} />
                    </span>
                ) : (
                    <span className="send">
                        <IconButton label={t.chat.send} icon={<ArrowUp size={18} />} onPress={ask} isDisabled={text.trim() === ""} />
                    </span>
                )}
            </form>
        </>
    );
}
