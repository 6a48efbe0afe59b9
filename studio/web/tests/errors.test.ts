import { expect, test } from "vitest";
import errors from "../src/generated/chain-errors.json";
import { explainDispatchError, explainInvalid, plain, sentence } from "../src/chain/errors";

const module = (pallet: string, name: string) => ({ type: "Module", value: { type: pallet, value: { type: name, value: undefined } } });

test("a pallet's fact is told in its documentation's words", () => {
    expect(explainDispatchError(module("Grants", "UsedUp"))).toEqual({
        code: "Grants.UsedUp",
        title: "Used up",
        text: "Every use of the grant is taken. Ask for another.",
    });
});

test("every error of the project's pallets has words, and none shows the source's marks", () => {
    const ours = Object.keys(errors).filter((code) => /^(Datanets|Grants|Models|Jobs|Attribution|Channels)\./.test(code));
    expect(ours.length).toBeGreaterThan(150);
    for (const code of ours) {
        const [pallet = "", name = ""] = code.split(".");
        const { text } = explainDispatchError(module(pallet, name));
        expect(text.length, code).toBeGreaterThan(10);
        expect(text, code).not.toMatch(/`|\[|Config::/);
    }
});

test("too little money, a wrong origin and an invalid transaction are told too", () => {
    expect(explainDispatchError({ type: "Token", value: { type: "FundsUnavailable" } }).title).toBe("Not enough free balance");
    expect(explainDispatchError({ type: "BadOrigin" }).text).toMatch(/may not/);
    expect(explainInvalid({ type: "Invalid", value: { type: "Payment" } })?.text).toMatch(/fee/);
    expect(explainInvalid(new Error("x"))).toBeNull();
});

test("names become sentences, and links text", () => {
    expect(sentence("NoSuchDatanet")).toBe("No such datanet");
    expect(plain("See [`Config::Max`](x) and `set_terms`.")).toBe("See Config::Max and set_terms.");
});
