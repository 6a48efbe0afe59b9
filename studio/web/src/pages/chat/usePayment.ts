// How this person pays for answers, for as long as the page lives. An API key is a secret: it is never written down.
import { createStore, useStore } from "../../lib/store";
import type { Credentials } from "../../api/serving";
import type { Payment } from "./ask";

const payment = createStore<Payment>({ kind: "none" });

export const setPayment = (next: Payment) => payment.set(next);

export function usePayment(): { payment: Payment; credentials: Credentials } {
    const now = useStore(payment);
    return { payment: now, credentials: now.kind === "key" ? { authorization: `Bearer ${now.key}` } : {} };
}
