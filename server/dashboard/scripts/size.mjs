// Holds the page to its budget, in bytes as gzip sends them. WebAssembly is counted apart.
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const FIRST_MAX = 115 * 1024;
const ALL_MAX = 175 * 1024;
const DIST = fileURLToPath(new URL("../dist/", import.meta.url));

const size = (path) => gzipSync(readFileSync(DIST + path), { level: 9 }).length;
const html = readFileSync(`${DIST}index.html`, "utf8");
const asked = [...html.matchAll(/(?:src|href)="\.\/([^"]+)"/g)].map(([, path]) => path);
const first = asked.reduce((sum, path) => sum + size(path), size("index.html"));
const files = readdirSync(`${DIST}assets`).filter((name) => /\.(js|css)$/.test(name));
const all = files.reduce((sum, name) => sum + size(`assets/${name}`), 0);
const kib = (bytes) => `${(bytes / 1024).toFixed(1)} KiB`;

console.log(`first load: ${kib(first)} of ${kib(FIRST_MAX)} (${asked.length + 1} files)`);
console.log(`JavaScript and CSS: ${kib(all)} of ${kib(ALL_MAX)} (${files.length} files)`);
for (const name of readdirSync(`${DIST}assets`).filter((name) => name.endsWith(".wasm"))) console.log(`WebAssembly: ${name} ${kib(size(`assets/${name}`))}`);
if (first > FIRST_MAX || all > ALL_MAX) {
  console.error("the page is over its budget");
  process.exit(1);
}
