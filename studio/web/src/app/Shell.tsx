import { Link, Outlet, useRouterState, type LinkProps } from "@tanstack/react-router";
import { Boxes, Coins, Database, FlaskConical, House, KeyRound, Menu as MenuIcon, MessageSquareText, Moon, Network, Sun, Waypoints, X } from "lucide-react";
import { useEffect, useRef, useState } from "react";
import { live } from "../api/live";
import { formatInteger } from "../lib/format";
import { useStore } from "../lib/store";
import { t } from "../strings/en";
import { TransactionTray } from "../transactions/TransactionTray";
import { IconButton } from "../ui/Button";
import { AccountMenu } from "../wallet/AccountMenu";
import { ConnectDialog } from "../wallet/ConnectDialog";
import { useConfig } from "../wallet/useWallet";
import { Logo } from "./Logo";
import { SearchBox } from "./SearchBox";
import { theme, toggleTheme } from "./theme";
import { Waiting, type WaitingPlace } from "./Waiting";

interface Place {
    to: NonNullable<LinkProps["to"]>;
    label: string;
    icon: typeof House;
    exact?: boolean;
    waiting?: WaitingPlace;
}

const PLACES: Place[] = [
    { to: "/", label: t.nav.home, icon: House, exact: true },
    { to: "/datanets", label: t.nav.datanets, icon: Database, waiting: "datanets" },
    { to: "/grants", label: t.nav.grants, icon: KeyRound, waiting: "grants" },
    { to: "/build", label: t.nav.build, icon: FlaskConical },
    { to: "/jobs", label: t.nav.runs, icon: Waypoints, waiting: "runs" },
    { to: "/models", label: t.nav.models, icon: Boxes },
    { to: "/chat", label: t.nav.chat, icon: MessageSquareText },
    { to: "/earnings", label: t.nav.earnings, icon: Coins },
    { to: "/network", label: t.nav.network, icon: Network },
];

export function Shell() {
    const [isMenuOpen, setMenuOpen] = useState(false);
    const path = useRouterState({ select: (state) => state.location.pathname });
    const main = useRef<HTMLElement>(null);
    const isFirst = useRef(true);
    useEffect(() => {
        // A new page begins at its heading for those who do not see it change.
        if (isFirst.current) isFirst.current = false;
        else main.current?.focus({ preventScroll: true });
    }, [path]);
    return (
        <div className="shell" data-menu={isMenuOpen ? "open" : "closed"}>
            <a href="#main" className="skip-link">
                {t.ui.skip}
            </a>
            <aside className="side" id="side">
                <Link to="/" className="wordmark" onClick={() => setMenuOpen(false)}>
                    <Logo size={28} />
                    <span>
                        {t.app.name} <small>{t.app.by}</small>
                    </span>
                </Link>
                <nav aria-label={t.nav.label}>
                    <ul role="list">
                        {PLACES.map(({ to, label, icon: Icon, waiting, ...place }: Place) => (
                            <li key={to}>
                                <Link
                                    to={to}
                                    activeOptions={{ exact: place.exact ?? false }}
                                    preload="intent"
                                    onClick={() => setMenuOpen(false)}
                                >
                                    <Icon size={18} aria-hidden />
                                    {label}
                                    {waiting && <Waiting at={waiting} />}
                                </Link>
                            </li>
                        ))}
                    </ul>
                </nav>
                <ChainStatus />
            </aside>
            <button type="button" className="side-veil" tabIndex={-1} aria-hidden onClick={() => setMenuOpen(false)} />
            <header className="top">
                <span className="menu-button">
                    <IconButton
                        label={isMenuOpen ? t.nav.closeMenu : t.nav.openMenu}
                        icon={isMenuOpen ? <X size={20} /> : <MenuIcon size={20} />}
                        onPress={() => setMenuOpen(!isMenuOpen)}
                        aria-expanded={isMenuOpen}
                        aria-controls="side"
                    />
                </span>
                <Link to="/" className="top-logo" aria-label={t.app.name}>
                    <Logo size={26} />
                </Link>
                <SearchBox />
                <div className="top-end">
                    <ThemeButton />
                    <AccountMenu />
                </div>
            </header>
            <Outage />
            <main id="main" ref={main} tabIndex={-1}>
                <Outlet />
            </main>
            <TransactionTray />
            <ConnectDialog />
        </div>
    );
}

function ThemeButton() {
    const now = useStore(theme);
    return (
        <IconButton
            label={now === "dark" ? t.ui.toLight : t.ui.toDark}
            icon={now === "dark" ? <Sun size={18} /> : <Moon size={18} />}
            onPress={toggleTheme}
        />
    );
}

/** The chain's heartbeat, at the foot of every page's menu. */
function ChainStatus() {
    const { state, head } = useStore(live);
    const chain = useConfig()?.chain;
    return (
        <div className="chain-status" data-state={state}>
            <span className="pulse" aria-hidden key={head?.number} />
            <div>
                <strong>{chain?.name ?? t.ui.loading}</strong>
                <span>
                    {state === "lost" ? t.live.lost : head ? t.live.finalised(formatInteger(head.number)) : t.live.connecting}
                </span>
            </div>
        </div>
    );
}

/** Says that what is shown may be old, and that it will not stay so. */
function Outage() {
    const { state } = useStore(live);
    if (state !== "lost") return null;
    return (
        <div className="outage" role="status">
            {t.live.outage}
        </div>
    );
}
