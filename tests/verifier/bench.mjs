// What a verification costs, beside the peers: alternating batches in one process, medians.
import { execFileSync } from "node:child_process";
import { createHmac, createSecretKey, timingSafeEqual } from "node:crypto";
import { mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { Webhook } from "standardwebhooks";
import Stripe from "stripe";
import { directory, install, tarball } from "./install.mjs";

install();
const { webhook } = await import("@postrider/verifier");
const { sign } = await import("@postrider/verifier/testing");

const ROUNDS = 15;
const BATCH_BYTES = 2_000_000;
const SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const secrets = [SECRET];

/** What a careful person writes: the key prepared once, the time judged, every signature tried. */
const key = createSecretKey(Buffer.from(SECRET.slice(6), "base64"));
function byHand(body, headers) {
  const id = headers["webhook-id"];
  const timestamp = headers["webhook-timestamp"];
  const signatures = headers["webhook-signature"];
  if (!id || !timestamp || !signatures) throw new Error("a header is missing");
  if (!(Math.abs(Date.now() / 1000 - Number(timestamp)) <= 300)) throw new Error("too old");
  const hmac = createHmac("sha256", key).update(`${id}.${timestamp}.`).update(body).digest();
  for (const signature of signatures.split(" ")) {
    if (!signature.startsWith("v1,")) continue;
    const given = Buffer.from(signature.slice(3), "base64");
    if (given.length === hmac.length && timingSafeEqual(given, hmac)) return body;
  }
  throw new Error("no signature is right");
}

const raw = webhook({ scheme: "standard", secrets, parse: false });
const json = webhook({ scheme: "standard", secrets });
const ours = webhook({ scheme: "stripe", secrets });
const standard = new Webhook(SECRET);
const stripe = new Stripe("sk_test_of_nobody");

/** A request as Node hands it over. */
function request(scheme, bytes) {
  const data = "x".repeat(Math.max(0, bytes - 45));
  const body = Buffer.from(JSON.stringify({ id: "evt_1", type: "payment.succeeded", data }));
  const headers = {
    host: "shop.example",
    "user-agent": "sender/1.0",
    "content-type": "application/json",
    "content-length": String(body.length),
    accept: "*/*",
    connection: "keep-alive",
    ...sign({ scheme, secrets, body }),
  };
  return { body, headers };
}

function medians(candidates, bytes) {
  const times = candidates.map(() => []);
  const batch = Math.max(20, Math.floor(BATCH_BYTES / (bytes + 400)));
  for (let round = -2; round < ROUNDS; round++) {
    for (const [index, run] of candidates.entries()) {
      const start = process.hrtime.bigint();
      for (let i = 0; i < batch; i++) run();
      const each = Number(process.hrtime.bigint() - start) / batch / 1000;
      if (round >= 0) times[index].push(each);
    }
  }
  return times.map((of) => of.sort((a, b) => a - b)[ROUNDS >> 1]);
}

let missed = 0;
function line(what, text, holds, aim) {
  if (!holds) missed++;
  console.log(`${what.padEnd(34)} ${text.padEnd(44)} ${holds ? "holds" : "MISSED"} (${aim})`);
}

for (const bytes of [256, 1024, 4096, 65_536, 1_048_576]) {
  const { body, headers } = request("standard", bytes);
  const [us, hand] = medians([() => raw.verify(body, headers), () => byHand(body, headers)], bytes);
  line(
    `${bytes} B, createHmac by hand`,
    `${us.toFixed(2)} µs, by hand ${hand.toFixed(2)} µs: ${(us / hand).toFixed(2)}`,
    us / hand <= 1.05,
    "at most 1.05 times its time",
  );
}
for (const [bytes, aim] of [[256, 2], [1024, 1.4]]) {
  const { body, headers } = request("stripe", bytes);
  const theirs = headers["stripe-signature"];
  const [us, them] = medians(
    [
      () => ours.verify(body, headers),
      () => stripe.webhooks.constructEvent(body, theirs, SECRET),
    ],
    bytes,
  );
  line(
    `${bytes} B, stripe ${Stripe.PACKAGE_VERSION}`,
    `${us.toFixed(2)} µs, stripe ${them.toFixed(2)} µs: ${(them / us).toFixed(2)}`,
    them / us >= aim,
    `at least ${aim} times faster`,
  );
}
for (const bytes of [256, 1024]) {
  const { body, headers } = request("standard", bytes);
  const [us, them] = medians(
    [() => json.verify(body, headers), () => standard.verify(body, headers)],
    bytes,
  );
  line(
    `${bytes} B, standardwebhooks`,
    `${us.toFixed(2)} µs, standardwebhooks ${them.toFixed(2)} µs: ${(them / us).toFixed(2)}`,
    them / us >= 3,
    "at least 3 times faster",
  );
}

// From before the import to the first verified request, each in a process of its own; and what
// Node itself takes for the import of any package.
const place = directory("cold");
mkdirSync(join(place, "node_modules/empty"), { recursive: true });
writeFileSync(join(place, "node_modules/empty/package.json"), '{"exports":{".":"./index.js"}}');
writeFileSync(join(place, "node_modules/empty/index.js"), "");
const signed = JSON.stringify(sign({ scheme: "standard", secrets, body: "{}" }));
const verify = `webhook({ scheme: "standard", secrets: ["${SECRET}"] }).verify("{}", ${signed});`;
const COLD = {
  esm: (name, use) => `const start = performance.now(); const { webhook } = await import("${name}"); ${use}`,
  cjs: (name, use) => `const start = performance.now(); const { webhook } = require("${name}"); ${use}`,
};
function cold(format, name, use) {
  const file = join(place, `cold.${format[0]}js`.replace("ejs", "mjs"));
  writeFileSync(file, `${COLD[format](name, use)} console.log(performance.now() - start);`);
  const times = Array.from({ length: 21 }, () =>
    Number(execFileSync(process.execPath, [file], { encoding: "utf8" })),
  );
  return times.sort((a, b) => a - b)[10];
}
for (const format of ["esm", "cjs"]) {
  const [us, empty] = [cold(format, "@postrider/verifier", verify), cold(format, "empty", "")];
  const text = `${us.toFixed(1)} ms, an empty package ${empty.toFixed(1)} ms`;
  line(`cold start, ${format}`, text, us <= 6, "at most 6 ms");
}

const resolve = createRequire(import.meta.url).resolve;
const core = readFileSync(resolve("@postrider/verifier/core.wasm"));
const index = readFileSync(new URL("esm/index.js", `file://${resolve("@postrider/verifier/core.wasm")}`), "utf8");
const kilobytes = (data) => gzipSync(data, { level: 9 }).length / 1024;
const glue = index.replace(core.toString("base64"), "");
const size = kilobytes(core) + kilobytes(glue);
line(
  "size, gzip",
  `module ${kilobytes(core).toFixed(1)} + JavaScript ${kilobytes(glue).toFixed(1)} = ${size.toFixed(1)} KB`,
  size <= 12,
  "at most 12 KB",
);
console.log(`${"".padEnd(34)} with the module inlined as base64: ${kilobytes(index).toFixed(1)} KB`);
const packed = statSync(tarball()).size / 1024;
line("tarball", `${packed.toFixed(1)} KB`, packed < 80, "under 80 KB");
console.log(missed ? `${missed} figures are missed` : "all figures hold");
