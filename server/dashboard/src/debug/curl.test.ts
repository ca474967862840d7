import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { curlOf, quoted } from "./curl";
import { headersOf, schemeOf } from "./headers";

const bytes = (text: string) => new TextEncoder().encode(text);
const attempt = { url: "https://a.example/x", request_headers: [["Content-Length", "9"], ["webhook-id", "old"], ["X-Own", "[secret]"], ["A", "it's"]] };

/** What a shell hands to a program that stands in for curl. */
function handed(line: string): { args: string[]; input: string } {
  const script = `curl() { for a in "$@"; do printf '%s\\0' "$a"; done; printf 'INPUT\\0'; case " $* " in *" @- "*|*" @-"*) cat | od -An -tx1 -v | tr -d ' \\n';; esac; }\n${line}`;
  const out = execFileSync("sh", ["-c", script], { env: { SECRET_HEADER: "s3" } }).toString();
  const [args = "", input = ""] = out.split("INPUT\0");
  return { args: args.split("\0").slice(0, -1), input };
}

test("the shell hands over the very bytes of the body", () => {
  const body = '{"a":"it\'s $HOME `x` \\\\ %d"}';
  const { args } = handed(curlOf(attempt, { "webhook-id": "new" }, bytes(body)));
  assert.equal(args[args.indexOf("--data-binary") + 1], body);
});

test("bytes that are no text go through a pipe unharmed", () => {
  const body = new Uint8Array(Array.from({ length: 256 }, (_, at) => at));
  const { input } = handed(curlOf(attempt, {}, body));
  assert.equal(input, Buffer.from(body).toString("hex"));
});

test("a body that begins with @ is not taken for a file", () => {
  const { input } = handed(curlOf(attempt, {}, bytes("@/etc/hostname")));
  assert.equal(Buffer.from(input, "hex").toString(), "@/etc/hostname");
});

test("old signatures go and secret headers are asked for", () => {
  const { args } = handed(curlOf(attempt, { "webhook-id": "new" }, bytes("{}")));
  assert.ok(args.includes("webhook-id: new"));
  assert.ok(!args.some((arg) => arg.includes("old") || arg.startsWith("Content-Length")));
  assert.ok(args.includes("X-Own: s3"));
  assert.ok(args.includes("A: it's"));
});

test("a url cannot break out of its quotes", () => {
  assert.equal(quoted("https://a/'; rm -rf x'"), "'https://a/'\\''; rm -rf x'\\'''");
});

test("headers are read as people paste them", () => {
  assert.deepEqual(headersOf("A: 1\r\n-H 'B: 2' \\\n:status: 200\nnot a header"), [["A", "1"], ["B", "2"]]);
  assert.deepEqual(headersOf('{"a":"1","b":["2","3"]}'), [["a", "1"], ["b", "2"], ["b", "3"]]);
  assert.deepEqual(headersOf('[["a","1"]]'), [["a", "1"]]);
});

test("the scheme is told by its headers", () => {
  assert.equal(schemeOf([["Stripe-Signature", "t=1"]]), "stripe");
  assert.equal(schemeOf([["webhook-signature", "v1,a"]]), "standard");
  assert.equal(schemeOf([["accept", "x"]]), null);
});
