// Fails the build when what the first page loads grows beyond its budget.
import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";

const LIMIT_KB = 350;
const dist = new URL("../dist/", import.meta.url);
const manifest = JSON.parse(readFileSync(new URL(".vite/manifest.json", dist), "utf8"));

const files = new Set();
const visit = (key) => {
    const chunk = manifest[key];
    if (!chunk || files.has(chunk.file)) return;
    files.add(chunk.file);
    for (const css of chunk.css ?? []) files.add(css);
    for (const next of chunk.imports ?? []) visit(next);
};
visit("index.html");
visit("src/pages/home/HomePage.tsx");
// The one font that the first page draws its text with.
for (const chunk of Object.values(manifest)) if (/hanken-grotesk-latin-wght-normal/.test(chunk.file)) files.add(chunk.file);

let total = 0;
for (const file of files) {
    const bytes = readFileSync(new URL(file, dist));
    total += file.endsWith(".woff2") ? bytes.length : gzipSync(bytes, { level: 9 }).length;
}
const kb = total / 1000;
console.log(`first page: ${kb.toFixed(1)} kB compressed in ${files.size} files, of at most ${LIMIT_KB} kB`);
if (kb > LIMIT_KB) process.exit(1);
