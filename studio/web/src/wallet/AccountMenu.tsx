import { useNavigate } from "@tanstack/react-router";
import { ChevronDown, Copy, LogOut, Repeat, User } from "lucide-react";
import { Button as AriaButton, Menu, MenuItem, MenuTrigger, Popover, Separator } from "react-aria-components";
import { shortAccount } from "../lib/format";
import { t } from "../strings/en";
import { Button } from "../ui/Button";
import { Amount, Blot } from "../ui/data";
import { openConnect } from "./ConnectDialog";
import { useBalance, useWallet } from "./useWallet";
import { choose } from "./wallet";

export function AccountMenu() {
    const account = useWallet();
    const balance = useBalance();
    const navigate = useNavigate();
    if (!account) {
        return (
            <Button kind="primary" size="small" onPress={openConnect}>
                {t.wallet.connect}
            </Button>
        );
    }
    const actions: Record<string, () => void> = {
        page: () => void navigate({ to: "/accounts/$address", params: { address: account.address } }),
        copy: () => void navigator.clipboard.writeText(account.address),
        switch: openConnect,
        leave: () => choose(null),
    };
    return (
        <MenuTrigger>
            <AriaButton className="account-button">
                <Blot seed={account.address} size={26} />
                <span className="account-button-text">
                    <span className="visually-hidden">{t.wallet.account} </span>
                    <strong>{account.name}</strong>{" "}
                    <span className="muted">{balance.data ? <Amount value={balance.data.balance.free} digits={2} /> : "…"}</span>
                </span>
                <ChevronDown size={15} aria-hidden />
            </AriaButton>
            <Popover className="popover" placement="bottom end">
                <div className="menu-head">
                    <span className="mono">{shortAccount(account.address)}</span>
                    {balance.data && (
                        <dl className="menu-balance">
                            <div>
                                <dt>{t.wallet.free}</dt>
                                <dd>
                                    <Amount value={balance.data.balance.free} />
                                </dd>
                            </div>
                            <div>
                                <dt>{t.wallet.held}</dt>
                                <dd>
                                    <Amount value={balance.data.balance.reserved} />
                                </dd>
                            </div>
                        </dl>
                    )}
                </div>
                <Menu className="list-box" onAction={(key) => actions[String(key)]?.()} aria-label={t.wallet.menu(account.name)}>
                    <MenuItem id="page" className="list-item">
                        <User size={15} aria-hidden /> {t.wallet.myPage}
                    </MenuItem>
                    <MenuItem id="copy" className="list-item">
                        <Copy size={15} aria-hidden /> {t.wallet.copyAddress}
                    </MenuItem>
                    <MenuItem id="switch" className="list-item">
                        <Repeat size={15} aria-hidden /> {t.wallet.switch}
                    </MenuItem>
                    <Separator className="separator" />
                    <MenuItem id="leave" className="list-item">
                        <LogOut size={15} aria-hidden /> {t.wallet.disconnect}
                    </MenuItem>
                </Menu>
            </Popover>
        </MenuTrigger>
    );
}
