// The checks of the public vectors, which run wherever the package does.

const SCHEMES = {
  "standard-webhooks": "standard",
  "timestamped-v1-hex": "timestamped-v1",
  "timestamped-sha256-hex": "timestamped-sha256",
};

const isAsymmetric = ({ secret }) => secret.startsWith("whpk_");

/** What each of them gives instead of what it should, and how many were looked at. */
export function check(vectors, core, full) {
  const failures = [];
  let checked = 0;
  const expect = (what, given, expected) => {
    checked += 1;
    if (given !== expected) failures.push(`${what}: ${given} instead of ${expected}`);
  };
  for (const [part, { webhook }] of Object.entries({ core, full })) {
    for (const vector of vectors) {
      if (part === "core" && isAsymmetric(vector)) continue;
      const { name, secret, now, body, verdict, why = "accept" } = vector;
      const scheme = SCHEMES[vector.scheme] ?? vector.scheme;
      const wh = webhook({ scheme, secrets: [secret], clock: () => now, parse: false });
      for (const raw of [body, new TextEncoder().encode(body)]) {
        for (const headers of [vector.headers, new Headers(vector.headers)]) {
          const result = wh.safeVerify(raw, headers);
          const given = result.ok ? "accept" : result.code;
          expect(`${part}, ${name}`, given, verdict === "accept" ? "accept" : why);
        }
      }
    }
  }
  for (const scheme of ["standard", "stripe", "github"]) {
    const [secrets, body] = [["a long enough secret"], `{"é":"${"☃".repeat(1000)}"}`];
    const headers = full.sign({ scheme, secrets, body });
    expect(`${scheme}, signed here`, core.webhook({ scheme, secrets }).verify(body, headers)["é"]?.length, 1000);
    expect(`${scheme}, not signed`, core.webhook({ scheme, secrets }).safeVerify(`${body} `, headers).code, "NO_MATCH");
  }
  // In a rotation each secret is right alone, whatever the headers are handed over as.
  const rotation = ["a new secret, long enough", "one between, long enough", "an old secret, long enough"];
  for (const scheme of ["body-hex", "timestamped", "timestamped-sha256", "github", "shopify", "slack", "stripe", "postrider"]) {
    const headers = full.sign({ scheme, secrets: rotation, body: "{}" });
    const capitals = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toUpperCase(), value]));
    for (const secret of rotation) {
      const wh = core.webhook({ scheme, secrets: [secret] });
      for (const given of [headers, capitals, new Headers(headers), Object.entries(headers).flat(), Object.entries(capitals)]) {
        expect(`${scheme}, ${secret}`, wh.safeVerify("{}", given).ok, true);
      }
    }
    const stranger = core.webhook({ scheme, secrets: ["another secret, long enough"] });
    expect(`${scheme}, a stranger`, stranger.safeVerify("{}", headers).code, "NO_MATCH");
  }
  return { checked, failures };
}
