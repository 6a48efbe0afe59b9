import { createLink, type LinkComponent } from "@tanstack/react-router";
import { forwardRef, type AnchorHTMLAttributes, type ReactNode } from "react";
import { Button as AriaButton, type ButtonProps as AriaButtonProps } from "react-aria-components";

export type ButtonKind = "primary" | "secondary" | "quiet" | "danger";

interface Look {
    kind?: ButtonKind;
    size?: "small" | "medium" | "large";
    icon?: ReactNode;
}

const className = ({ kind = "secondary", size = "medium" }: Look) => `button ${kind} ${size}`;

export interface ButtonProps extends Omit<AriaButtonProps, "children" | "className">, Look {
    children?: ReactNode;
}

export function Button({ kind, size, icon, children, ...rest }: ButtonProps) {
    return (
        <AriaButton {...rest} className={className({ kind, size })}>
            {icon}
            {children !== undefined && <span>{children}</span>}
        </AriaButton>
    );
}

/** A button with an icon alone; its name is for screen readers and the pointer's tooltip. */
export function IconButton({ label, icon, ...rest }: Omit<ButtonProps, "children" | "kind"> & { label: string; icon: ReactNode }) {
    return (
        <AriaButton {...rest} aria-label={label} className="icon-button">
            <span aria-hidden="true" title={label}>
                {icon}
            </span>
        </AriaButton>
    );
}

interface AnchorProps extends AnchorHTMLAttributes<HTMLAnchorElement>, Look {}

const Anchor = forwardRef<HTMLAnchorElement, AnchorProps>(function Anchor({ kind, size, icon, children, ...rest }, ref) {
    return (
        <a {...rest} ref={ref} className={className({ kind, size })}>
            {icon}
            <span>{children}</span>
        </a>
    );
});

const Created = createLink(Anchor);

/** A link of this app that looks like a button. */
export const ButtonLink: LinkComponent<typeof Anchor> = (props) => <Created preload="intent" {...props} />;

/** A link out of this app, or to a file, that looks like a button. */
export const ButtonAnchor = Anchor;
