// Sending files. `fetch` does not say how far it is, so this is the older interface, which does.
import { t } from "../strings/en";
import { FROM_PAGE, toApiError, UnreachableError } from "./client";

export interface SendOptions {
    query: Record<string, string | number | undefined>;
    signal: AbortSignal;
    /** Part of the file that has been sent, 0 to 1. */
    onProgress: (part: number) => void;
}

/** Posts a file as the body; resolves with the answer's JSON. */
export function sendFile<T>(path: string, file: File, { query, signal, onProgress }: SendOptions): Promise<T> {
    const address = new URL(path, window.location.origin);
    for (const [name, value] of Object.entries(query)) {
        if (value !== undefined) address.searchParams.set(name, String(value));
    }
    return new Promise<T>((resolve, reject) => {
        const request = new XMLHttpRequest();
        request.open("POST", address);
        request.setRequestHeader("content-type", "application/octet-stream");
        for (const [name, value] of Object.entries(FROM_PAGE)) request.setRequestHeader(name, value);
        request.responseType = "json";
        request.upload.onprogress = (event) => event.lengthComputable && onProgress(event.loaded / event.total);
        request.onload = () => {
            if (request.status >= 200 && request.status < 300) resolve(request.response as T);
            else reject(toApiError(request.status, request.response));
        };
        request.onerror = () => reject(new UnreachableError(t.errors.unreachable));
        request.onabort = () => reject(new DOMException("aborted", "AbortError"));
        signal.addEventListener("abort", () => request.abort(), { once: true });
        request.send(file);
    });
}
