// The packed package in every runtime and from every bundler: all vectors, with the same checks.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { cpSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { build as vite } from "vite";
import webpack from "webpack";
import { inBrowser } from "./browser.mjs";
import { directory, install, program, vectors } from "./install.mjs";
import { serveWorker } from "./servers.mjs";

const installed = install();
const deno = program("@deno", "deno");
const bun = program("@oven", "bin/bun");

const CHECK = `
import * as core from "@postrider/verifier";
import * as full from "@postrider/verifier/full";
import { check } from "./vectors.mjs";
import vectors from "./data.mjs";
`;
const REQUIRED = `
const core = require("@postrider/verifier");
const full = require("@postrider/verifier/full");
Promise.all([import("./vectors.mjs"), import("./data.mjs")]).then(([{ check }, { default: vectors }]) => {
  console.log(JSON.stringify(check(vectors, core, full)));
});
`;
const REPORT = "const report = check(vectors, core, full);\n";
const SAID = "console.log(JSON.stringify(report));\n";
const SHOWN = "globalThis.report = report;\n";
const WORKER = "export default { fetch: () => Response.json(check(vectors, core, full)) };\n";

const place = directory("runtimes");
const put = (path, text) => writeFileSync(join(place, path), text);
const shared = fileURLToPath(new URL("vectors.mjs", import.meta.url));
cpSync(shared, join(place, "vectors.mjs"));
put("data.mjs", `export default ${JSON.stringify(vectors)};\n`);
put("check.mjs", CHECK + REPORT + SAID);
put("page.mjs", CHECK + REPORT + SHOWN + SAID);
put("worker.mjs", CHECK + WORKER);
put("check.cjs", REQUIRED);

/** What a program prints, which must be a report. */
async function printed(program, args, cwd = place) {
  const { stdout } = await promisify(execFile)(program, args, { cwd, timeout: 30_000 });
  return JSON.parse(stdout);
}

function isRight({ checked, failures }) {
  assert.deepEqual(failures, []);
  assert.ok(checked > 8 * vectors.length - 8, `${checked} checks`);
}

/** Builds with webpack. */
async function bundle(options) {
  const compiler = webpack({ context: place, mode: "production", devtool: false, ...options });
  const stats = await promisify(compiler.run.bind(compiler))();
  await promisify(compiler.close.bind(compiler))();
  assert.deepEqual(stats.toJson({ all: false, errors: true, warnings: true }), { errors: [], warnings: [] });
}

function page(directory, script) {
  writeFileSync(join(directory, "index.html"), `<!doctype html><title>Vectors</title><script type="module" src="${script}"></script>`);
}

async function isRightInBrowser(directory) {
  const { report, trouble, fetched } = await inBrowser(directory);
  assert.deepEqual(trouble, []);
  isRight(report);
  const files = fetched.filter((path) => path.endsWith(".wasm"));
  assert.equal(files.length, 1, `the full module is the one file that is fetched: ${fetched}`);
}

test("Node, as an ECMAScript module", async () => {
  isRight(await printed(process.execPath, ["check.mjs"]));
});

test("Node, as a CommonJS module", async () => {
  isRight(await printed(process.execPath, ["check.cjs"]));
});

test("Node 18, which lacks what later ones have", async () => {
  const lacks = ["--import", "data:text/javascript,delete process.getBuiltinModule; delete globalThis.crypto"];
  isRight(await printed(process.execPath, [...lacks, "check.mjs"]));
  isRight(await printed(process.execPath, [...lacks, "check.cjs"]));
});

test("Deno, which may read the full module and nothing else", async () => {
  const permissions = [`--allow-read=${join(installed, "dist/full.wasm")}`, "--no-prompt"];
  isRight(await printed(deno, ["run", "--no-remote", "--node-modules-dir=manual", ...permissions, "check.mjs"]));
});

test("Deno, which may read nothing, asks nobody for it when a request is refused", async () => {
  put("refuse.mjs", `
import { webhook } from "@postrider/verifier";
const asked = [];
Deno.permissions.querySync = (what) => (asked.push(what), { state: "prompt" });
const { code } = webhook({ scheme: "github", secrets: ["a"] }).safeVerify("{}", {});
console.log(JSON.stringify({ code, asked: asked.length }));
`);
  const told = await printed(deno, ["run", "--no-remote", "--node-modules-dir=manual", "--no-prompt", "refuse.mjs"]);
  assert.deepEqual(told, { code: "MISSING_HEADER", asked: 1 });
});

test("Bun", async () => {
  isRight(await printed(bun, ["check.mjs"]));
});

for (const flags of [[], ["nodejs_compat"]]) {
  test(`workerd, ${flags.length ? "with" : "without"} the modules of Node`, async () => {
    const { url, stop } = await serveWorker(place, installed, flags);
    try {
      isRight(await (await fetch(url)).json());
    } finally {
      await stop();
    }
  });
}

test("Vite, in Chromium", async () => {
  page(place, "./page.mjs");
  await vite({ root: place, logLevel: "warn", build: { outDir: "vite", target: "es2022" } });
  await isRightInBrowser(join(place, "vite"));
});

test("webpack, in Chromium", async () => {
  const path = join(place, "webpack");
  await bundle({ entry: "./page.mjs", output: { path, filename: "page.js" } });
  page(path, "./page.js");
  await isRightInBrowser(path);
});

test("webpack, in Node", async () => {
  const path = join(place, "webpack-node");
  await bundle({ entry: "./check.mjs", target: "node20", output: { path, filename: "check.cjs" } });
  isRight(await printed(process.execPath, ["check.cjs"], path));
});

test("a bundle without /full takes along neither of the files", async () => {
  put("core.mjs", 'import { webhook } from "@postrider/verifier";\nglobalThis.webhook = webhook;\n');
  const path = join(place, "webpack-core");
  await bundle({ entry: "./core.mjs", output: { path, filename: "core.js" } });
  assert.deepEqual(readdirSync(path), ["core.js"]);
});
