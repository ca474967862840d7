// Installs the packed tarball into node_modules as npm would: extracted, not linked to its source.

import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const here = fileURLToPath(new URL(".", import.meta.url));
const root = join(here, "../..");

export const examples = join(root, "verifier-wasm/examples");
export const modules = join(here, "node_modules");
export const { vectors } = JSON.parse(readFileSync(join(root, "signature/vectors/signatures.json")));

/** A program that npm has installed for this platform, from a package of this scope. */
export function program(scope, path) {
  const packages = readdirSync(join(modules, scope)).sort();
  const found = packages.map((name) => join(modules, scope, name, path)).find((path) => existsSync(path));
  if (!found) throw new Error(`${scope} has no ${path} for this platform`);
  return found;
}

/** The tarball of the package. */
export function tarball() {
  const packed = join(root, "verifier-wasm/pkg");
  const [name, ...others] = existsSync(packed) ? readdirSync(packed).filter((name) => name.endsWith(".tgz")) : [];
  if (!name || others.length) throw new Error("one verifier-wasm/pkg/*.tgz is needed: `cargo xtask wasm` makes it");
  return join(packed, name);
}

/** Extracts the tarball as @postrider/verifier of these modules, if it is not there already. */
export function install(into = modules) {
  const packed = readFileSync(tarball());
  const digest = createHash("sha256").update(packed).digest("hex");
  const place = join(into, "@postrider/verifier");
  const stamp = join(place, ".tarball");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === digest) return place;
  rmSync(place, { recursive: true, force: true });
  mkdirSync(place, { recursive: true });
  execFileSync("tar", ["xzf", tarball(), "--strip-components=1", "-C", place]);
  writeFileSync(stamp, digest);
  return place;
}

/** A new directory, from where the installed modules are found; it is gone with this process. */
export function directory(name) {
  const place = join(here, "made", `${name}-${process.pid}`);
  mkdirSync(place, { recursive: true });
  process.once("exit", () => rmSync(place, { recursive: true, force: true }));
  return place;
}

/** Copies the examples to where their imports are found. */
export function copyExamples() {
  const place = directory("examples");
  cpSync(examples, place, { recursive: true });
  return place;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) install();
