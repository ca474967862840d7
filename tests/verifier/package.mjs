// The tarball as npm, TypeScript and a newcomer see it.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { directory, install, modules, tarball } from "./install.mjs";

const here = fileURLToPath(new URL(".", import.meta.url));
const installed = install();
const readme = join(here, "../../verifier-wasm/README.md");

/** Runs a program, whose words are the failure if it fails. */
function run(program, args, options = {}) {
  try {
    return execFileSync(program, args, { encoding: "utf8", stdio: "pipe", timeout: 60_000, ...options });
  } catch (error) {
    throw new Error(`${program} ${args.join(" ")}\n${error.stdout}${error.stderr}`);
  }
}

const module = (path, ...args) => run(process.execPath, [join(modules, path), ...args]);

test("the tarball holds the package and nothing that others depend on", () => {
  console.log(`${tarball().split(/[\\/]/).at(-1)}: ${statSync(tarball()).size} bytes`);
  const { dependencies, peerDependencies, optionalDependencies, scripts } = JSON.parse(readFileSync(join(installed, "package.json")));
  assert.deepEqual({ dependencies, peerDependencies, optionalDependencies }, { dependencies: undefined, peerDependencies: undefined, optionalDependencies: undefined });
  for (const script of ["preinstall", "install", "postinstall"]) assert.equal(scripts?.[script], undefined);
  const files = run("tar", ["tzf", tarball()]).trim().split("\n");
  assert.deepEqual(files.filter((file) => !/^package\/(dist\/.*\.(js|d\.ts|wasm)|dist\/(cjs|esm)\/package\.json|package\.json|README\.md|LICENSE-(MIT|APACHE))$/.test(file)), []);
});

test("publint has nothing to say", () => {
  assert.match(module("publint/src/cli.js", tarball(), "--strict"), /All good/);
});

test("the types are those of the modules, however they are imported", () => {
  // The .wasm files have no types. The profile leaves out TypeScript's resolution of before
  // `exports`, which finds no subpath of any package that has them.
  module("@arethetypeswrong/cli/dist/index.js", tarball(), "--profile", "node16", "--exclude-entrypoints", "core.wasm", "full.wasm");
});

describe("TypeScript compiles", () => {
  const place = directory("types");
  const compile = (from, name, options) => {
    cpSync(join(here, from), join(place, name));
    module("typescript/bin/tsc", join(place, name), "--ignoreConfig", "--noEmit", "--strict", "--target", "es2022", ...options);
  };
  writeFileSync(join(place, "package.json"), '{ "type": "module" }\n');
  const RESOLUTIONS = {
    "an ECMAScript module for Node": ["consumer.mts", "--module", "nodenext"],
    "a CommonJS module for Node": ["consumer.cts", "--module", "nodenext"],
    "a module for a bundler": ["consumer.ts", "--module", "esnext", "--moduleResolution", "bundler"],
  };
  const LIBRARIES = {
    "with the types of Node": ["--types", "node", "--lib", "es2023"],
    "without the types of Node": ["--types", "", "--lib", "es2023,dom"],
  };
  for (const [kind, [name, ...resolution]] of Object.entries(RESOLUTIONS)) {
    for (const [library, types] of Object.entries(LIBRARIES)) {
      test(`${kind}, ${library}`, () => compile("consumer.ts", name, [...resolution, ...types]));
    }
  }

  test("handlers within the types of their frameworks", () => {
    compile("frameworks.ts", "frameworks.mts", ["--module", "nodenext", "--types", "node", "--lib", "es2023,dom", "--skipLibCheck"]);
  });
});

const SNIPPET = `
import { webhook } from "@postrider/verifier";
import { sign } from "@postrider/verifier/testing";

const options = { scheme: "standard", secrets: ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"] };
const body = '{"type":"invoice.paid"}';
const { type } = webhook(options).verify(body, sign({ ...options, body }));
if (type !== "invoice.paid") throw new Error(type);
`;

/** What the README has a newcomer run: blocks of JavaScript that import this package alone. */
function snippets() {
  if (!existsSync(readme)) return [SNIPPET];
  const blocks = [...readFileSync(readme, "utf8").matchAll(/^```js\n(.*?)^```$/gms)].map(([, code]) => code);
  const alone = blocks.filter((code) => [...code.matchAll(/ from "([^"]+)"/g)].every(([, name]) => /^(@postrider\/verifier\b|node:)/.test(name)));
  return [SNIPPET, ...alone.filter((code) => code.includes('"@postrider/verifier'))];
}

/** The same in CommonJS. */
function required(code) {
  const body = code.replace(/^import (\{.*?\}) from ("[^"]+");$/gms, (_, names, from) => `const ${names.replaceAll(" as ", ": ")} = require(${from});`);
  return `(async () => {\n${body}\n})().catch((error) => { console.error(error); process.exit(1); });\n`;
}

test("an empty folder, one npm install, and the snippet runs", () => {
  const place = mkdtempSync(join(tmpdir(), "postrider-verifier-"));
  try {
    run("npm", ["install", "--prefix", place, "--offline", "--ignore-scripts", "--no-audit", "--no-fund", tarball()], { cwd: place });
    assert.deepEqual(Object.keys(JSON.parse(readFileSync(join(place, "package-lock.json"))).packages), ["", "node_modules/@postrider/verifier"]);
    for (const code of snippets()) {
      for (const [name, text] of [["snippet.mjs", code], ["snippet.cjs", required(code)]]) {
        writeFileSync(join(place, name), text);
        run(process.execPath, [name], { cwd: place });
      }
    }
  } finally {
    rmSync(place, { recursive: true, force: true });
  }
});
