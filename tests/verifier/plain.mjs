// node plain.mjs: a receiver that knows one secret and nothing of Postrider, as people write it by
// hand: it makes the HMAC with the text of the secret and compares the whole value of one header.
//
// `POST /{secret}/{scheme}` is answered 200 if the signature is right, otherwise 401; `{secret}` names
// one of `SECRETS`, an object in JSON. With `?next` the header with `-next` behind its name is right, too.

import { createHmac } from "node:crypto";
import { createServer } from "node:http";

const SECRETS = JSON.parse(process.env.SECRETS);

const hmac = (secret, encoding, ...parts) => {
  const hmac = createHmac("sha256", secret);
  for (const part of parts) hmac.update(part);
  return hmac.digest(encoding);
};

/** The header that is compared, and what it should be. */
const SCHEMES = {
  postrider: (secret, body) => ["x-signature", hmac(secret, "hex", body)],
  "body-hex": (secret, body) => ["x-signature", hmac(secret, "hex", body)],
  github: (secret, body) => ["x-hub-signature-256", `sha256=${hmac(secret, "hex", body)}`],
  shopify: (secret, body) => ["x-shopify-hmac-sha256", hmac(secret, "base64", body)],
  slack: (secret, body, headers) => [
    "x-slack-signature",
    `v0=${hmac(secret, "hex", `v0:${headers["x-slack-request-timestamp"]}:`, body)}`,
  ],
  "timestamped-v1": (secret, body, headers) => [
    "x-webhook-signature",
    `v1=${hmac(secret, "hex", `${headers["x-webhook-timestamp"]}.`, body)}`,
  ],
  "timestamped-sha256": (secret, body, headers) => [
    "x-webhook-signature",
    `sha256=${hmac(secret, "hex", `${headers["x-webhook-timestamp"]}.`, body)}`,
  ],
};

const server = createServer(async (request, response) => {
  const parts = [];
  for await (const part of request) parts.push(part);
  const { pathname, search } = new URL(request.url, "http://localhost");
  const [, secret, scheme] = pathname.split("/");
  const { headers } = request;
  const [name, expected] = SCHEMES[scheme](SECRETS[secret], Buffer.concat(parts), headers);
  const isRight = headers[name] === expected || (search && headers[`${name}-next`] === expected);
  response.writeHead(isRight ? 200 : 401).end();
});
server.listen(0, "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}`));
for await (const _ of process.stdin);
process.exit(0);
