import type { Attempt } from "../api/types";

/** Headers that curl makes by itself, or that belong to the old connection. */
const LEFT_OUT = new Set(["host", "content-length", "connection", "transfer-encoding", "accept-encoding", "x-attempt-repeat"]);

/** A text that a shell reads as it is. */
export function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/** Whether it can be an argument as it is: curl takes what begins with `@` for the name of a file. */
const isPlain = (bytes: Uint8Array) => bytes[0] !== 64 && bytes.every((byte) => byte === 10 || byte === 9 || (byte >= 32 && byte < 127));

/** Bytes as the argument of printf: every shell's knows octal numbers. */
function octal(bytes: Uint8Array): string {
  let out = "";
  for (const byte of bytes) {
    const isLetter = byte >= 32 && byte < 127 && byte !== 37 && byte !== 39 && byte !== 92;
    out += isLetter ? String.fromCharCode(byte) : `\\${byte.toString(8).padStart(3, "0")}`;
  }
  return `'${out}'`;
}

/** The request of an attempt, with other signature headers. The body is byte for byte what was sent. */
export function curlOf(attempt: Pick<Attempt, "url" | "request_headers">, signature: Readonly<Record<string, string>>, body: Uint8Array): string {
  const fresh = new Map(Object.entries(signature).map(([name, value]) => [name.toLowerCase(), value]));
  const lines = [`curl -i -X POST ${quoted(attempt.url ?? "")}`];
  for (const [name = "", value = ""] of attempt.request_headers) {
    const lower = name.toLowerCase();
    if (LEFT_OUT.has(lower) || fresh.has(lower)) continue;
    // Values of the endpoint's own headers are secret, and not in the record.
    lines.push(value === "[secret]" ? `  -H ${quoted(`${name}: `)}"$SECRET_HEADER"` : `  -H ${quoted(`${name}: ${value}`)}`);
  }
  for (const [name, value] of Object.entries(signature)) lines.push(`  -H ${quoted(`${name}: ${value}`)}`);
  if (isPlain(body)) {
    lines.push(`  --data-binary ${quoted(new TextDecoder().decode(body))}`);
    return lines.join(" \\\n");
  }
  lines.push("  --data-binary @-");
  return `printf ${octal(body)} | ${lines.join(" \\\n")}`;
}
