// Takes the files of the built npm package that the page needs. They are kept in the repository: the
// WebAssembly differs between toolchains, and the page has to come out the same wherever it is built.
import { cpSync, existsSync, mkdirSync } from "node:fs";
import { fileURLToPath } from "node:url";

const FROM = fileURLToPath(new URL("../../../verifier-wasm/dist/", import.meta.url));
const TO = fileURLToPath(new URL("../verifier/", import.meta.url));

if (!existsSync(`${FROM}full.wasm`)) {
  console.error("verifier-wasm/dist is not there: run `cargo xtask wasm` first");
  process.exit(1);
}
mkdirSync(`${TO}esm`, { recursive: true });
for (const name of ["full.wasm", "esm/full-web.js", "esm/shared.js"]) cpSync(FROM + name, TO + name);
