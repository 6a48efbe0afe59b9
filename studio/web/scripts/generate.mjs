// Makes what is derived from the project's own descriptions: the gateway's types from its OpenAPI document, and the
// pallets' errors with their documentation from the pinned metadata.
import { decAnyMetadata, unifyMetadata } from "@polkadot-api/substrate-bindings";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import openapi, { astToString } from "openapi-typescript";

const root = new URL("../", import.meta.url);
const generated = new URL("src/generated/", root);
mkdirSync(generated, { recursive: true });

const description = JSON.parse(readFileSync(new URL("../openapi.json", root), "utf8"));
writeFileSync(new URL("api.d.ts", generated), astToString(await openapi(description)));

const metadata = unifyMetadata(decAnyMetadata(readFileSync(new URL("../../client/metadata.scale", root))));
const errors = {};
for (const pallet of metadata.pallets) {
    if (!pallet.errors) continue;
    const type = metadata.lookup[pallet.errors.type ?? pallet.errors];
    for (const variant of type.def.value) {
        const text = variant.docs.map((line) => line.trim()).join(" ").trim();
        if (text) errors[`${pallet.name}.${variant.name}`] = text;
    }
}
writeFileSync(new URL("chain-errors.json", generated), `${JSON.stringify(errors, null, 1)}\n`);
console.log(`generated the gateway's types and ${Object.keys(errors).length} chain errors`);
