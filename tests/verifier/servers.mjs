// Starts each of the examples as a process of its own.

import { execFileSync, spawn } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join, relative } from "node:path";
import { createInterface } from "node:readline";
import { copyExamples, install, modules, program } from "./install.mjs";

const workerd = program("@cloudflare", "bin/workerd");
const next = join(modules, "next/dist/bin/next");
const TELL_NOBODY = { NEXT_TELEMETRY_DISABLED: "1" };

let place;
const example = (name) => join((place ??= copyExamples()), name);

/** Runs a program, and gives its address as soon as `told` finds one in a line. */
async function run(program, args, { told, env, ...options }) {
  const child = spawn(program, args, { ...options, env: { ...process.env, ...env } });
  const said = [];
  child.stderr.on("data", (text) => said.push(String(text)));
  const ended = new Promise((done) => child.once("exit", done));
  const stop = async () => {
    child.kill();
    await ended;
  };
  const lines = createInterface({ input: child.stdio[3] ?? child.stdout });
  const address = (async () => {
    for await (const line of lines) {
      said.push(`${line}\n`);
      const address = told(line);
      if (address) return address;
    }
  })();
  const late = new Promise((done) => setTimeout(done, 40_000).unref());
  const url = await Promise.race([address, ended, late]);
  if (typeof url === "string") {
    child.stdout.resume();
    return { url, stop, said: () => said.join("") };
  }
  await stop();
  throw new Error(`${program} ${args.join(" ")} does not start:\n${said.join("")}`);
}

const listening = (line) => /^listening on (http:\S+)$/.exec(line)?.[1];

/** One of the examples that are a file for Node. */
export const startFile = (name) => (env) =>
  run(process.execPath, [example(name)], { told: listening, env: { PORT: "0", ...env } });

export function startWorker(env) {
  const cwd = example("worker");
  install(join(cwd, "node_modules"));
  return serveConfig(cwd, env);
}

/** Serves what workerd's `config.capnp` in this directory says. */
function serveConfig(cwd, env) {
  const args = ["serve", "config.capnp", "--socket-addr=http=127.0.0.1:0", "--control-fd=3"];
  const told = (line) => `http://127.0.0.1:${JSON.parse(line).port}`;
  return run(workerd, args, { told, env, cwd, stdio: ["ignore", "pipe", "pipe", "pipe"] });
}

/** Serves `worker.mjs` in this directory, whose imports are here and in the package. */
export function serveWorker(cwd, installed, flags = []) {
  const module = (name, kind, path) => `(name = "${name}", ${kind} = embed "${relative(cwd, path)}")`;
  const dist = join(installed, "dist");
  const list = [
    ...["worker.mjs", "vectors.mjs", "data.mjs"].map((name) => module(name, "esModule", join(cwd, name))),
    module("@postrider/verifier", "esModule", join(dist, "esm/workerd.js")),
    module("@postrider/verifier/full", "esModule", join(dist, "esm/full-workerd.js")),
    // `./shared.js` of both.
    module("@postrider/shared.js", "esModule", join(dist, "esm/shared.js")),
    module("@postrider/verifier/shared.js", "esModule", join(dist, "esm/shared.js")),
    // `../core.wasm` of the one and `../full.wasm` of the other.
    module("core.wasm", "wasm", join(dist, "core.wasm")),
    module("@postrider/full.wasm", "wasm", join(dist, "full.wasm")),
  ];
  writeFileSync(
    join(cwd, "config.capnp"),
    `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = .worker)],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "main")],
);
const worker :Workerd.Worker = (compatibilityDate = "2025-09-01", compatibilityFlags = ${JSON.stringify(flags)}, modules = [${list.join(", ")}]);
`,
  );
  return serveConfig(cwd, {});
}

export async function startNext(env) {
  const cwd = example("next");
  // The same route where Next has no Node.
  const route = readFileSync(join(cwd, "app/webhooks/route.js"), "utf8");
  mkdirSync(join(cwd, "app/edge"));
  writeFileSync(join(cwd, "app/edge/route.js"), `${route}\nexport const runtime = "edge";\n`);
  const built = { cwd, env: { ...process.env, ...TELL_NOBODY }, encoding: "utf8", stdio: "pipe" };
  execFileSync(process.execPath, [next, "build"], built);
  const port = String(await freePort());
  const told = (line) => /Ready/.test(line) && `http://127.0.0.1:${port}`;
  const args = [next, "start", "-H", "127.0.0.1", "-p", port];
  return run(process.execPath, args, { told, cwd, env: { ...TELL_NOBODY, ...env } });
}

async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((done) => server.once("listening", done));
  const { port } = server.address();
  await new Promise((done) => server.close(done));
  return port;
}
