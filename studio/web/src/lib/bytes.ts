export function toHex(bytes: Uint8Array): string {
    let text = "";
    for (const byte of bytes) text += byte.toString(16).padStart(2, "0");
    return text;
}

export function fromHex(text: string): Uint8Array {
    const digits = text.startsWith("0x") ? text.slice(2) : text;
    if (digits.length % 2 !== 0 || !/^[0-9a-f]*$/i.test(digits)) throw new Error("not hexadecimal");
    const bytes = new Uint8Array(digits.length / 2);
    for (let place = 0; place < bytes.length; place += 1) {
        bytes[place] = Number.parseInt(digits.slice(place * 2, place * 2 + 2), 16);
    }
    return bytes;
}

export function concat(...parts: Uint8Array[]): Uint8Array {
    const whole = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
    let offset = 0;
    for (const part of parts) {
        whole.set(part, offset);
        offset += part.length;
    }
    return whole;
}
