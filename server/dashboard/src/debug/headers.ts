/** Headers as people paste them: lines with a colon, curl's `-H` options, or JSON. */
export function headersOf(text: string): [name: string, value: string][] {
  const trimmed = text.trim();
  if (trimmed.startsWith("{") || trimmed.startsWith("[")) {
    const read = fromJson(trimmed);
    if (read) return read;
  }
  const headers: [string, string][] = [];
  for (const line of trimmed.split(/\r?\n/)) {
    const bare = line
      .trim()
      .replace(/^(?:-H|--header)\s+/, "")
      .replace(/\s*\\$/, "")
      .replace(/^(['"])(.*)\1$/, "$2");
    // `:status` and its kin of HTTP/2 begin with a colon.
    const at = bare.indexOf(":", 1);
    if (at > 0 && /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(bare.slice(0, at))) headers.push([bare.slice(0, at), bare.slice(at + 1).trim()]);
  }
  return headers;
}

function fromJson(text: string): [string, string][] | null {
  try {
    const value: unknown = JSON.parse(text);
    const pairs = Array.isArray(value) ? (value as unknown[]) : Object.entries(value as object);
    return pairs.flatMap((pair) => {
      if (!Array.isArray(pair) || pair.length < 2) return [];
      const [name, of] = pair as [unknown, unknown];
      const values = Array.isArray(of) ? of : [of];
      return values.map((one): [string, string] => [String(name), String(one)]);
    });
  } catch {
    return null;
  }
}

/** The scheme whose headers these are, as far as they tell. */
export function schemeOf(headers: readonly (readonly [string, string])[]): string | null {
  const names = new Map(headers.map(([name, value]) => [name.toLowerCase(), value]));
  if (names.has("stripe-signature")) return "stripe";
  if (names.has("x-hub-signature-256")) return "github";
  if (names.has("x-shopify-hmac-sha256")) return "shopify";
  if (names.has("x-slack-signature")) return "slack";
  if (names.has("svix-signature")) return "svix";
  if (names.has("webhook-signature")) return names.has("x-signature") ? "postrider" : "standard";
  const plain = names.get("x-webhook-signature");
  if (plain) return "timestamped";
  return names.has("x-signature") ? "body-hex" : null;
}
