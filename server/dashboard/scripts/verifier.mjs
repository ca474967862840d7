// Takes the files of the built npm package that the page needs. They are kept in the repository: the
// WebAssembly differs between toolchains, and the page has to come out the same wherever it is built.
//
//     node scripts/verifier.mjs            takes them
//     node scripts/verifier.mjs --check    says whether those that are kept are the ones that are built
import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const PACKAGE = fileURLToPath(new URL("../../../verifier-wasm/", import.meta.url));
const FROM = `${PACKAGE}dist/`;
const TO = fileURLToPath(new URL("../verifier/", import.meta.url));

const SCRIPTS = ["esm/full-web.js", "esm/shared.js"];
const WASM = "full.wasm";

/** Of which version of the package they are: that is in none of them. */
const ABOUT = "about.json";

/** What that file says. */
const about = () => `${JSON.stringify({ version: JSON.parse(readFileSync(`${PACKAGE}package.json`, "utf8")).version })}\n`;

/** The names that a module of WebAssembly exports, each with its kind. */
async function exported(path) {
  const module = await WebAssembly.compile(readFileSync(path));
  return WebAssembly.Module.exports(module).map(({ name, kind }) => `${kind} ${name}`).sort().join("\n");
}

/** What differs. Bytes of WebAssembly may: not what they export. */
async function differences() {
  const wanted = [...SCRIPTS, WASM, ABOUT];
  const missing = wanted.filter((name) => !existsSync(TO + name));
  if (missing.length > 0) return missing.map((name) => `${name} is not there`);
  const scripts = SCRIPTS.filter((name) => !readFileSync(FROM + name).equals(readFileSync(TO + name)));
  const found = scripts.map((name) => `${name} is another one`);
  if (readFileSync(TO + ABOUT, "utf8") !== about()) found.push(`the package is of another version than ${ABOUT} says`);
  if ((await exported(FROM + WASM)) !== (await exported(TO + WASM))) found.push(`${WASM} exports other names`);
  return found;
}

if (!existsSync(FROM + WASM)) {
  console.error("verifier-wasm/dist is not there: run `cargo xtask wasm` first");
  process.exit(1);
}
if (process.argv.includes("--check")) {
  const found = await differences();
  for (const line of found) console.error(`server/dashboard/verifier: ${line}`);
  if (found.length > 0) {
    console.error("to renew it: `cargo xtask wasm`, then `npm run verifier && npm run build` in server/dashboard; commit verifier/ and dist/");
    process.exit(1);
  }
} else {
  mkdirSync(`${TO}esm`, { recursive: true });
  for (const name of [...SCRIPTS, WASM]) cpSync(FROM + name, TO + name);
  writeFileSync(TO + ABOUT, about());
}
