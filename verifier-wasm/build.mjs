// Makes dist/ of js/ and of the two WebAssembly modules that `cargo xtask wasm` has put there.
import { build } from "esbuild";
import { execFileSync } from "node:child_process";
import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";

process.chdir(import.meta.dirname ?? new URL(".", import.meta.url).pathname);
for (const format of ["esm", "cjs"]) rmSync(`dist/${format}`, { recursive: true, force: true });

const ADAPTERS = ["express", "fastify", "hono", "next", "node"];
const PARTS = {
  esm: ["index", "workerd", "full", "full-workerd", "full-web", ...ADAPTERS],
  cjs: ["index", "full", ...ADAPTERS],
};

for (const [format, parts] of Object.entries(PARTS)) {
  await build({
    entryPoints: parts.map((part) => `js/${part}.ts`),
    outdir: `dist/${format}`,
    format,
    bundle: true,
    minify: true,
    keepNames: false,
    target: "es2022",
    external: ["*.wasm", "node:fs"],
    logLevel: "warning",
    define: {
      CORE_BASE64: JSON.stringify(readFileSync("dist/core.wasm").toString("base64")),
      ...(format === "cjs" && { "import.meta.url": "here" }),
    },
    ...(format === "cjs" && {
      banner: { js: 'const here=require("node:url").pathToFileURL(__filename).href;' },
    }),
  });
  const type = format === "esm" ? "module" : "commonjs";
  writeFileSync(`dist/${format}/package.json`, JSON.stringify({ type }) + "\n");
}

// The edge asks for its modules by another name.
for (const [from, to] of [["workerd", "edge"], ["full-workerd", "full-edge"]]) {
  const code = readFileSync(`dist/esm/${from}.js`, "utf8");
  writeFileSync(`dist/esm/${to}.js`, code.replace('.wasm"', '.wasm?module"'));
}

const tsc = new URL("node_modules/typescript/bin/tsc", import.meta.url).pathname;
execFileSync(process.execPath, [tsc, "--outDir", "dist/esm"], { stdio: "inherit" });
// The other declarations mention these two, of which nothing else is known outside.
const OPAQUE = "export interface Module {}\nexport interface Writer {}\n";
const INTERNAL = /^(workerd|full-workerd|full-web|full-api|inline|read-full|delegate)\.d\.ts$/;
writeFileSync("dist/esm/module.d.ts", OPAQUE);
for (const file of readdirSync("dist/esm")) {
  if (INTERNAL.test(file)) rmSync(`dist/esm/${file}`);
  else if (file.endsWith(".d.ts")) cpSync(`dist/esm/${file}`, `dist/cjs/${file}`);
}
