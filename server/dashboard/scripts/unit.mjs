// Runs src/**/*.test.ts: bundled for Node first, which reads no TypeScript in all versions that are used.
import { spawnSync } from "node:child_process";
import { readdirSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "vite";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const MADE = join(ROOT, "test/made");

function tests(directory) {
  return readdirSync(directory, { withFileTypes: true }).flatMap((entry) => {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) return tests(path);
    return entry.name.endsWith(".test.ts") ? [path] : [];
  });
}

rmSync(MADE, { recursive: true, force: true });
const input = Object.fromEntries(tests(join(ROOT, "src")).map((path) => [basename(path, ".ts"), path]));
await build({ root: ROOT, configFile: false, logLevel: "warn", build: { ssr: true, outDir: MADE, emptyOutDir: true, copyPublicDir: false, rolldownOptions: { input, output: { entryFileNames: "[name].mjs" } } } });
const files = Object.keys(input).map((name) => join(MADE, `${name}.mjs`));
process.exit(spawnSync(process.execPath, ["--test", ...files], { stdio: "inherit" }).status ?? 1);
