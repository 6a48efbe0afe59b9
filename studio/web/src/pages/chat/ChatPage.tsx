import { keepPreviousData, useQueries, useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { Columns2, History, MessageSquareText, Plus, Settings2, Trash2, X } from "lucide-react";
import { useEffect, useState } from "react";
import { templateOf } from "../../api/queries";
import { servedModels, ServingError, type ServedModel } from "../../api/serving";
import { load, save } from "../../lib/persist";
import { useStore } from "../../lib/store";
import { formatRelative } from "../../lib/format";
import { useNow } from "../../lib/useNow";
import { t } from "../../strings/en";
import { Button, ButtonLink, IconButton } from "../../ui/Button";
import { CodeBlock } from "../../ui/CodeBlock";
import { Dialog } from "../../ui/Dialog";
import { EmptyState, ErrorState, LoadingBlock } from "../../ui/feedback";
import { NumberField, Select, Slider, TextField } from "../../ui/fields";
import { Page, Section } from "../../ui/Page";
import { useConfig } from "../../wallet/useWallet";
import { ChatThread } from "./ChatThread";
import { conversations, edit, newConversation, put, remove, type Conversation } from "./conversations";
import { PaymentPanel } from "./PaymentPanel";
import { usePayment } from "./usePayment";
import "./chat.css";

export function ChatPage() {
    const config = useConfig();
    const isServed = config?.serving.is_configured ?? false;
    const { credentials } = usePayment();
    const served = useQuery({
        queryKey: ["served", credentials],
        queryFn: ({ signal }) => servedModels(signal, credentials),
        enabled: isServed,
        // Who changes how to pay stays where they are.
        placeholderData: keepPreviousData,
        retry: (failures, error) => !(error instanceof ServingError && error.status < 500) && failures < 2,
        staleTime: 15_000,
        // What is being typed to pay must not go away because somebody looked into another window for the key.
        refetchOnWindowFocus: ({ state }) => state.data !== undefined,
        refetchInterval: ({ state }) => (state.data === undefined ? false : 60_000),
    });
    if (config && !isServed) return <NotServed />;
    if (served.isError && !served.data) {
        const needsKey = served.error instanceof ServingError && served.error.status === 401;
        return (
            <Page title={t.chat.title} width={needsKey ? "narrow" : "normal"} lead={needsKey ? t.chat.lead : undefined}>
                {needsKey ? (
                    <Section title={t.chat.payTitle} lead={t.chat.needsPayment}>
                        <PaymentPanel models={[]} isRequired />
                    </Section>
                ) : (
                    <ErrorState error={served.error} onRetry={() => void served.refetch()} />
                )}
            </Page>
        );
    }
    if (!served.data) {
        return (
            <Page title={t.chat.title}>
                <LoadingBlock rows={4} />
            </Page>
        );
    }
    if (served.data.length === 0) return <NotServed />;
    return <Chat served={served.data} />;
}

/** Fills in from the chain's index how models are asked whose server does not say it. */
function useTemplates(served: ServedModel[]): ServedModel[] {
    const unknown = served.flatMap(({ model, template }) => (template === null && model !== null ? [model] : []));
    const found = useQueries({ queries: unknown.map((id) => templateOf(id)) });
    return served.map((one) => {
        const place = one.template === null && one.model !== null ? unknown.indexOf(one.model) : -1;
        return place < 0 ? one : { ...one, template: found[place]?.data ?? null };
    });
}

function NotServed() {
    return (
        <Page title={t.chat.title} width="narrow">
            <EmptyState icon={<MessageSquareText />} title={t.chat.notServed} actions={<ButtonLink to="/models">{t.nav.models}</ButtonLink>}>
                {t.chat.notServedText}
            </EmptyState>
            <Section title={t.chat.serveYourself}>
                <CodeBlock label={t.chat.serveYourself} code={t.chat.serveCommand} />
            </Section>
        </Page>
    );
}

/** The tuned model that is asked for, or else the first; the base comes beside it when it is wanted. */
function pick(served: ServedModel[], wanted: string | undefined): string {
    const byNumber = served.find((one) => wanted !== undefined && String(one.model) === wanted);
    const found = byNumber ?? served.find((one) => one.id === wanted) ?? served.find((one) => one.adapter !== null) ?? served[0];
    return found?.id ?? "";
}

/** Which conversation this tab shows, and for which model it was opened. */
interface Open {
    id: string;
    model: string | null;
}

const OPEN = "chat.open";
const isOpen = (value: unknown): value is Open => typeof value === "object" && value !== null && "id" in value && "model" in value;

/** The conversation that this tab showed before it was reloaded, if there is something in it. */
function openBefore(model: string | undefined): string | null {
    const kept = load("session", OPEN, isOpen);
    if (kept?.model !== (model ?? null)) return null;
    return conversations.get().find((one) => one.id === kept.id && one.turns.length > 0)?.id ?? null;
}

function Chat({ served: listed }: { served: ServedModel[] }) {
    const served = useTemplates(listed);
    const search = useSearch({ from: "/chat" });
    const navigate = useNavigate({ from: "/chat" });
    const all = useStore(conversations);
    const [fresh] = useState(() => newConversation([pick(served, search.model)]));
    const [current, setCurrent] = useState(() => openBefore(search.model) ?? fresh.id);
    const [isHistoryOpen, setHistoryOpen] = useState(false);
    const [isSettingsOpen, setSettingsOpen] = useState(false);
    const [isPayOpen, setPayOpen] = useState(false);
    const conversation = all.find((one) => one.id === current) ?? all.find((one) => one.id === fresh.id) ?? fresh;
    useEffect(() => {
        // The blank one is written down when it is shown: at the start, and after the one before it was deleted.
        if (!all.some((one) => one.id === conversation.id)) put(conversation);
        save("session", OPEN, { id: conversation.id, model: search.model ?? null } satisfies Open);
    }, [all, conversation, search.model]);
    const start = (models: string[]) => {
        const next = newConversation(models);
        put({ ...next, sampling: conversation.sampling, system: conversation.system });
        setCurrent(next.id);
    };
    const base = served.find((one) => one.adapter === null);
    const [main = "", beside] = conversation.models;
    const setModels = (models: string[]) => {
        if (conversation.turns.length > 0) start(models);
        else edit(conversation.id, (now) => ({ ...now, models }));
        void navigate({ search: {}, replace: true });
    };
    const missing = search.model !== undefined && /^\d+$/.test(search.model) && !served.some((one) => String(one.model) === search.model) ? search.model : null;
    const options = served.map((one) => ({
        value: one.id,
        label: one.adapter === null ? t.chat.baseName(one.id) : one.model === null ? one.id : t.chat.modelName(one.id, one.model),
    }));
    return (
        <div className="chat-layout">
            <h1 className="visually-hidden">{t.chat.title}</h1>
            <aside className="chat-history" data-open={isHistoryOpen} aria-label={t.chat.history}>
                <Button icon={<Plus size={16} />} onPress={() => start(conversation.models)}>
                    {t.chat.newChat}
                </Button>
                <HistoryList
                    all={all.filter((one) => one.turns.length > 0)}
                    current={conversation.id}
                    onChoose={(id) => {
                        setCurrent(id);
                        setHistoryOpen(false);
                    }}
                />
            </aside>
            <div className="chat-main">
                <div className="chat-bar">
                    <span className="chat-history-button">
                        <IconButton
                            label={t.chat.history}
                            icon={isHistoryOpen ? <X size={18} /> : <History size={18} />}
                            onPress={() => setHistoryOpen(!isHistoryOpen)}
                        />
                    </span>
                    <div className="chat-models">
                        <Select label={t.chat.model} hidesLabel value={main} onChange={(id) => setModels([id, ...(beside ? [beside] : [])])} options={options} />
                        {beside !== undefined && (
                            <Select label={t.chat.beside} hidesLabel value={beside} onChange={(id) => setModels([main, id])} options={options} />
                        )}
                    </div>
                    {served.length > 1 && (
                        <Button
                            size="small"
                            kind={beside === undefined ? "secondary" : "primary"}
                            icon={<Columns2 size={15} />}
                            onPress={() =>
                                setModels(
                                    beside === undefined
                                        ? [main, base && base.id !== main ? base.id : (served.find((one) => one.id !== main)?.id ?? main)]
                                        : [main],
                                )
                            }
                        >
                            {t.chat.compare}
                        </Button>
                    )}
                    <IconButton label={t.chat.settings} icon={<Settings2 size={18} />} onPress={() => setSettingsOpen(true)} />
                    <PayBadge isSold={served.some((one) => one.isSold)} onOpen={() => setPayOpen(true)} />
                </div>
                {missing !== null && (
                    <p className="chat-missing small">
                        {t.chat.missing(missing)}{" "}
                        <Link to="/models/$id" params={{ id: Number(missing) }}>
                            {t.chat.howToServe}
                        </Link>
                    </p>
                )}
                <ChatThread conversation={conversation} served={served} onPay={() => setPayOpen(true)} />
            </div>
            <Dialog isOpen={isSettingsOpen} onClose={() => setSettingsOpen(false)} title={t.chat.settings}>
                <SettingsForm conversation={conversation} />
            </Dialog>
            <Dialog isOpen={isPayOpen} onClose={() => setPayOpen(false)} title={t.chat.payTitle}>
                <PaymentPanel
                    models={served.flatMap((one) => (one.model === null ? [] : [one.model]))}
                    isRequired={served.some((one) => one.isSold)}
                    onDone={() => setPayOpen(false)}
                />
            </Dialog>
        </div>
    );
}

function PayBadge({ isSold, onOpen }: { isSold: boolean; onOpen: () => void }) {
    const { payment } = usePayment();
    return (
        <Button size="small" kind="quiet" onPress={onOpen}>
            {payment.kind === "none" ? (isSold ? t.chat.choosePayment : t.chat.payNone) : payment.kind === "key" ? t.chat.payKey : t.chat.payChannel(payment.purse.channel)}
        </Button>
    );
}

function HistoryList({ all, current, onChoose }: { all: Conversation[]; current: string; onChoose: (id: string) => void }) {
    const now = useNow();
    if (all.length === 0) return <p className="small muted">{t.chat.noHistory}</p>;
    return (
        <ul role="list">
            {[...all]
                .sort((a, b) => b.updated - a.updated)
                .map((one) => (
                    <li key={one.id} data-current={one.id === current}>
                        <button type="button" onClick={() => onChoose(one.id)} aria-current={one.id === current}>
                            <span>{one.title}</span>
                            <small>{formatRelative(one.updated, Math.max(now, one.updated))}</small>
                        </button>
                        <IconButton label={t.chat.remove} icon={<Trash2 size={14} />} onPress={() => remove(one.id)} />
                    </li>
                ))}
        </ul>
    );
}

function SettingsForm({ conversation }: { conversation: Conversation }) {
    const { sampling } = conversation;
    const set = (change: Partial<Conversation["sampling"]>) =>
        edit(conversation.id, (now) => ({ ...now, sampling: { ...now.sampling, ...change } }));
    return (
        <div className="stack">
            <TextField
                label={t.chat.system}
                help={t.chat.systemHelp}
                rows={3}
                value={conversation.system}
                onChange={(system) => edit(conversation.id, (now) => ({ ...now, system }))}
            />
            <Slider
                label={t.chat.temperature}
                help={t.chat.temperatureHelp}
                value={sampling.temperature}
                onChange={(temperature) => set({ temperature })}
                min={0}
                max={2}
                step={0.05}
                format={(value) => value.toFixed(2)}
            />
            <Slider
                label={t.chat.topP}
                help={t.chat.topPHelp}
                value={sampling.top_p}
                onChange={(top_p) => set({ top_p })}
                min={0.05}
                max={1}
                step={0.05}
                format={(value) => value.toFixed(2)}
            />
            <NumberField
                label={t.chat.maxTokens}
                help={t.chat.maxTokensHelp}
                value={sampling.max_tokens}
                onChange={(max_tokens) => set({ max_tokens })}
                min={1}
                max={8_192}
            />
        </div>
    );
}
