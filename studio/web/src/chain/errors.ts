// What went wrong with a transaction, in words for people. The pallets' own documentation says most of it.
import explanations from "../generated/chain-errors.json";
import { t } from "../strings/en";

export interface Failure {
    /** The fact as the chain names it, such as `Grants.NotGrantee`; `null` if the chain said nothing. */
    code: string | null;
    title: string;
    /** Why, and what to do about it. */
    text: string;
}

const documented = explanations as Record<string, string>;

interface DispatchError {
    type: string;
    value?: unknown;
}

/** A refusal by the runtime. */
export function explainDispatchError(error: DispatchError): Failure {
    if (error.type === "Module" && isTagged(error.value)) {
        const pallet = error.value.type;
        const name = isTagged(error.value.value) ? error.value.value.type : "";
        const code = `${pallet}.${name}`;
        return { code, title: sentence(name), text: t.chainErrors[code] ?? plain(documented[code] ?? "") };
    }
    if (error.type === "Token" && isTagged(error.value)) {
        const code = `Token.${error.value.type}`;
        return { code, title: t.transactions.tooLittle, text: t.tokenErrors[error.value.type] ?? sentence(error.value.type) };
    }
    if (error.type === "BadOrigin") return { code: "BadOrigin", title: t.transactions.refused, text: t.transactions.badOrigin };
    return { code: error.type, title: t.transactions.refused, text: sentence(error.type) };
}

/** A transaction that never got into a block. */
export function explainInvalid(error: unknown): Failure | null {
    // Shape of polkadot-api's InvalidTxError: { type: "Invalid" | "Unknown", value: { type } }.
    if (!isTagged(error) || !isTagged(error.value)) return null;
    const reason = error.value.type;
    return { code: `${error.type}.${reason}`, title: t.transactions.notTaken, text: t.invalidReasons[reason] ?? sentence(reason) };
}

/** `NoSuchDatanet` as a person would write it. */
export function sentence(name: string): string {
    const words = name.replace(/([a-z0-9])([A-Z])/g, "$1 $2").toLowerCase();
    return words.charAt(0).toUpperCase() + words.slice(1);
}

/** Documentation without the marks that only its readers in the source need. */
export function plain(docs: string): string {
    return docs
        .replace(/\[`([^`]+)`\](\([^)]*\))?/g, "$1")
        .replace(/`([^`]+)`/g, "$1")
        .replace(/\*\*?([^*]+)\*\*?/g, "$1")
        .replace(/\s+/g, " ")
        .trim();
}

function isTagged(value: unknown): value is { type: string; value?: unknown } {
    return typeof value === "object" && value !== null && "type" in value && typeof value.type === "string";
}
