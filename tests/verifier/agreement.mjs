// node agreement.mjs CASES.json wasm|host: judges the cases and compares the verdicts with Rust's.
import { readFileSync } from "node:fs";
import { install } from "./install.mjs";

install();
const [file, mode] = process.argv.slice(2);

// Where the host has no HMACs to offer, the WebAssembly makes all of them.
let made = 0;
if (mode === "wasm") {
  process.getBuiltinModule = undefined;
} else {
  const crypto = process.getBuiltinModule("node:crypto");
  const { createHmac } = crypto;
  crypto.createHmac = (...args) => (made++, createHmac(...args));
}

const core = await import("@postrider/verifier");
const full = mode === "host" ? await import("@postrider/verifier/full") : undefined;

/** The ways in which a body and headers may be handed over: all must do. */
const BODIES = [
  (bytes) => bytes,
  (bytes) => new Uint8Array(bytes),
  (bytes) => new Uint8Array(bytes).buffer,
  (bytes) => {
    const padded = new Uint8Array(bytes.length + 2);
    padded.set(bytes, 1);
    return new DataView(padded.buffer, 1, bytes.length);
  },
  (bytes) => (Buffer.from(bytes.toString()).equals(bytes) ? bytes.toString() : bytes),
];
const asNode = (pairs) => {
  const headers = {};
  for (const [name, value] of pairs) {
    const key = name.toLowerCase();
    headers[key] = key in headers ? [headers[key], value].flat() : value;
  }
  return headers;
};

const HEADERS = [
  (pairs) => pairs,
  (pairs) => pairs.flat(),
  asNode,
  (pairs) => new Map(Object.entries(asNode(pairs))),
  (pairs) => Object.entries(asNode(pairs))[Symbol.iterator](),
];

let wrong = 0;
let judged = 0;
const cases = JSON.parse(readFileSync(file, "utf8"));
for (const [index, one] of cases.entries()) {
  const ed25519 = one.secrets.some((secret) => secret.startsWith("whsk_"));
  if (ed25519 && !full) continue;
  const { webhook } = ed25519 ? full : core;
  const wh = webhook({
    scheme: one.scheme,
    secrets: one.secrets,
    toleranceSec: one.toleranceSec ?? Infinity,
    ...(one.signatureName && { headerNames: { signature: one.signatureName } }),
    parse: false,
    clock: () => one.now,
  });
  const body = BODIES[index % BODIES.length](Buffer.from(one.body, "latin1"));
  const headers = HEADERS[Math.floor(index / 7) % HEADERS.length](one.headers);
  const result = wh.safeVerify(body, headers);
  const verdict = result.ok
    ? `${result.keyIndex} ${result.id ?? "-"} ${result.timestamp ?? "-"}`
    : result.code;
  judged++;
  if (verdict !== one.verdict && wrong++ < 5) {
    console.error(`case ${index}: ${verdict} instead of ${one.verdict}`, one);
  }
}
if (mode === "host" && made < 1_000) {
  console.error(`the host made ${made} HMACs only`);
  process.exit(1);
}
console.log(`${judged} of ${cases.length} judged, ${wrong} wrong, ${made} HMACs by the host`);
process.exit(wrong ? 1 : 0);
