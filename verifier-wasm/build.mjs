// Makes dist/ of js/ and of the two WebAssembly modules that `cargo xtask wasm` has put there.
import { build } from "esbuild";
import { execFileSync } from "node:child_process";
import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

process.chdir(fileURLToPath(new URL(".", import.meta.url)));
for (const format of ["esm", "cjs"]) rmSync(`dist/${format}`, { recursive: true, force: true });

const ADAPTERS = ["express", "fastify", "hono", "next", "node", "sequences"];
const CORE = readFileSync("dist/core.wasm").toString("base64");

const bundle = (parts, format, more = {}) =>
  build({
    entryPoints: parts.map((part) => `js/${part}.ts`),
    outdir: `dist/${format}`,
    format,
    bundle: true,
    minify: true,
    target: "es2022",
    external: ["*.wasm", "node:*"],
    logLevel: "warning",
    ...more,
  });

const source = (name) => fileURLToPath(new URL(`js/${name}.ts`, import.meta.url));

/** Takes another file for what is imported by such a name. */
const instead = (filter, found) => ({
  name: "instead",
  setup: ({ onResolve }) => onResolve({ filter }, () => found),
});

// In one file, as it starts faster so.
await bundle(["index"], "esm", { define: { CORE_BASE64: JSON.stringify(CORE) } });
await bundle(["shared", "workerd", "full", "full-workerd", "full-web", ...ADAPTERS], "esm", {
  plugins: [instead(/\/shared\.js$/, { path: "./shared.js", external: true })],
});
await bundle(["index", "full", ...ADAPTERS], "cjs", {
  plugins: [
    instead(/\/inline\.js$/, { path: source("beside") }),
    instead(/\/place\.js$/, { path: source("place-cjs") }),
  ],
});
for (const [format, type] of [["esm", "module"], ["cjs", "commonjs"]]) {
  writeFileSync(`dist/${format}/package.json`, JSON.stringify({ type }) + "\n");
}

// The edge asks for its modules by another name.
for (const [from, to] of [["workerd", "edge"], ["full-workerd", "full-edge"]]) {
  const code = readFileSync(`dist/esm/${from}.js`, "utf8");
  writeFileSync(`dist/esm/${to}.js`, code.replace('.wasm"', '.wasm?module"'));
}

const tsc = fileURLToPath(new URL("node_modules/typescript/bin/tsc", import.meta.url));
execFileSync(process.execPath, [tsc, "--outDir", "dist/esm"], { stdio: "inherit" });
// The other declarations mention these two, of which nothing else is known outside.
const OPAQUE = "export interface Module {}\nexport interface Writer {}\n";
const INTERNAL =
  /^(workerd|full-workerd|full-web|full-api|inline|beside|read-full|delegate|shared|place|place-cjs)\.d\.ts$/;
writeFileSync("dist/esm/module.d.ts", OPAQUE);
const full = readFileSync("dist/esm/full.d.ts", "utf8");
writeFileSync("dist/esm/full.d.ts", full.replace("./shared.js", "./full-exports.js"));
for (const file of readdirSync("dist/esm")) {
  if (INTERNAL.test(file)) rmSync(`dist/esm/${file}`);
  else if (file.endsWith(".d.ts")) cpSync(`dist/esm/${file}`, `dist/cjs/${file}`);
}
