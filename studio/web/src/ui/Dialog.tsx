import { X } from "lucide-react";
import type { ReactNode } from "react";
import { Dialog as AriaDialog, Heading, Modal, ModalOverlay } from "react-aria-components";
import { t } from "../strings/en";
import { IconButton } from "./Button";

interface DialogProps {
    isOpen: boolean;
    onClose: () => void;
    title: string;
    children: ReactNode;
    size?: "small" | "medium" | "large";
    /** Whether Escape and a click beside it close it. */
    canLeave?: boolean;
}

export function Dialog({ isOpen, onClose, title, children, size = "medium", canLeave = true }: DialogProps) {
    return (
        <ModalOverlay
            className="overlay"
            isOpen={isOpen}
            onOpenChange={(open) => !open && onClose()}
            isDismissable={canLeave}
            isKeyboardDismissDisabled={!canLeave}
        >
            <Modal className={`modal ${size}`}>
                <AriaDialog className="dialog">
                    <header>
                        <Heading slot="title">{title}</Heading>
                        <IconButton label={t.ui.close} icon={<X size={18} />} onPress={onClose} />
                    </header>
                    <div className="dialog-body">{children}</div>
                </AriaDialog>
            </Modal>
        </ModalOverlay>
    );
}

export const DialogActions = ({ children }: { children: ReactNode }) => <div className="dialog-actions">{children}</div>;
