import { t } from "../strings/en";
import { CopyButton } from "./data";

export function CodeBlock({ code, label, wraps = false }: { code: string; label: string; wraps?: boolean }) {
    return (
        <div className="code-block" data-wraps={wraps}>
            {/* A region that scrolls must be reachable by keyboard. */}
            {/* eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex */}
            <pre tabIndex={0} aria-label={label}>
                <code>{code}</code>
            </pre>
            <CopyButton text={code} label={t.ui.copy} />
        </div>
    );
}
