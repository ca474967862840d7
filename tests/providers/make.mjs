// Makes `signature/vectors/providers.json` anew: requests as providers send them.
//
//   cd tests/providers && npm install --ignore-scripts && npm run make
//
// Where a provider has a library, it signs, or has to accept what is signed here; otherwise the code is
// that of the provider's documentation. Each vector says which. Run it after a row of
// `signature/src/recipe/providers.rs` has changed; nothing else needs Node.js for it.

import assert from "node:assert/strict";
import { createHash, createHmac, createPrivateKey, createPublicKey, sign } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);
const NOW = 1_764_547_200; // 2025-12-01T00:00:00Z
const URL = "https://hooks.example.com/in/src_01jd9x2m5tewh8q0v6n3r4y7za";
const FORM = "application/x-www-form-urlencoded";
const OUT = new globalThis.URL("../../signature/vectors/providers.json", import.meta.url);

const version = (name) => {
  const at = require.resolve.paths(name).map((path) => `${path}/${name}/package.json`);
  for (const path of at) {
    try {
      return `${name} ${JSON.parse(readFileSync(path, "utf8")).version}`;
    } catch {}
  }
  throw new Error(`${name} is not installed: npm install --ignore-scripts`);
};
const hmac = (algorithm, key, text, as) => createHmac(algorithm, key).update(text).digest(as);
const signs = (name, call) => `signed by ${version(name)}, ${call}`;
const accepts = (name, call) => `signed as documented, accepted by ${version(name)}, ${call}`;
const documented = (url) => `signed by the code of the documentation, ${url}`;

const vectors = [];
function add(provider, source, secret, headers, body, more = {}) {
  vectors.push({ provider, source, secret, method: "POST", url: URL, headers, body, now: NOW, ...more });
}

/** Runs it with the clock at `NOW`, for libraries that look at it. */
async function at(run) {
  const now = Date.now;
  const RealDate = globalThis.Date;
  globalThis.Date = class extends RealDate {
    constructor(...args) {
      super(...(args.length === 0 ? [NOW * 1000] : args));
    }
    static now() {
      return NOW * 1000;
    }
  };
  try {
    return await run();
  } finally {
    globalThis.Date = RealDate;
    assert.equal(Date.now, now);
  }
}

// A body with what is rewritten on the way most often: letters beyond ASCII, slashes, numbers, space.
const odd = (fields) => JSON.stringify({ ...fields, note: "caf\u00e9 / \u2028", amount: 1.5 }, null, 1);

async function adyen() {
  const { hmacValidator: HmacValidator } = require("@adyen/api-library");
  const key = "44782DEF547AAA06C910C43932B1EB0C71FC68D9D0C057550C48EC2ACF6BA056";
  const validator = new HmacValidator();
  const item = (more) => ({
    pspReference: "7914073381342284",
    merchantAccountCode: "TestMerchant",
    merchantReference: "TestPayment:1407325143704",
    amount: { value: 1130, currency: "EUR" },
    eventCode: "AUTHORISATION",
    success: "true",
    eventDate: "2019-05-06T17:15:34.121+02:00",
    paymentMethod: "visa",
    ...more,
  });
  const body = (items) => {
    const signed = items.map((one) => {
      const hmacSignature = validator.calculateHmac(one, key);
      return { NotificationRequestItem: { ...one, additionalData: { hmacSignature } } };
    });
    return JSON.stringify({ live: "false", notificationItems: signed });
  };
  const source = signs("@adyen/api-library", "HmacValidator.calculateHmac");
  add("adyen", source, key, {}, body([item({})]));
  const other = item({ originalReference: "7914073381342280", eventCode: "CAPTURE" });
  add("adyen", source, key, {}, body([item({}), other]));
}

async function twilio() {
  const { getExpectedTwilioSignature, getExpectedBodyHash } = require("twilio/lib/webhooks/webhooks");
  const token = "2bd9e9638872de601313dc77410d3b23";
  const source = signs("twilio", "getExpectedTwilioSignature");
  const params = {
    To: "+18005551212",
    From: "+14158675309",
    Digits: ["2", "1", "2"],
    Body: "caf\u00e9 & more = 1",
    CallSid: "CA1234567890ABCDE",
    aLower: "",
  };
  const url = `${URL}?foo=1&bar=2`;
  const form = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) {
    for (const one of [value].flat()) {
      form.append(name, one);
    }
  }
  const headers = { "Content-Type": FORM, "X-Twilio-Signature": getExpectedTwilioSignature(token, url, params) };
  add("twilio", source, token, headers, form.toString(), { url });
  const body = odd({ EventType: "onMessageAdded" });
  const hashed = `${URL}?bodySHA256=${getExpectedBodyHash(body)}`;
  const signature = getExpectedTwilioSignature(token, hashed, {});
  const json = { "Content-Type": "application/json", "X-Twilio-Signature": signature };
  add("twilio", source, token, json, body, { url: hashed });
}

async function square() {
  const { WebhooksHelper } = require("square");
  const key = "asdf1234";
  const body = odd({ merchant_id: "MLEFBHHSJGVHD", type: "payment.created", event_id: "6a8f5f28" });
  const signature = hmac("sha256", key, URL + body, "base64");
  const given = { requestBody: body, signatureHeader: signature, signatureKey: key, notificationUrl: URL };
  assert.ok(await WebhooksHelper.verifySignature(given));
  const source = accepts("square", "WebhooksHelper.verifySignature");
  add("square", source, key, { "x-square-hmacsha256-signature": signature }, body);
}

async function paddle() {
  const { Paddle } = require("@paddle/paddle-node-sdk");
  const key = "pdl_ntfset_01gkpjp8bkm3tm53kdgkx6sms7_6h3qd3uFSi9YCD3OLYAShQI90XTI5vEI";
  const event = { event_id: "evt_01", event_type: "customer.created", occurred_at: "2025-12-01T00:00:00Z", data: {} };
  const body = odd(event);
  const signature = `ts=${NOW};h1=${hmac("sha256", key, `${NOW}:${body}`, "hex")}`;
  const webhooks = new Paddle("none").webhooks;
  assert.ok(await at(() => webhooks.isSignatureValid(body, key, signature)));
  const source = accepts("@paddle/paddle-node-sdk", "Webhooks.isSignatureValid");
  add("paddle", source, key, { "Paddle-Signature": signature }, body);
}

async function linear() {
  const { LinearWebhookClient } = require("@linear/sdk/webhooks");
  const key = "lin_wh_nJYdPeFRPaGdWUYmZWXLQM";
  const body = odd({ action: "create", type: "Issue", webhookTimestamp: NOW * 1000 + 321 });
  const signature = hmac("sha256", key, body, "hex");
  const client = new LinearWebhookClient(key);
  assert.ok(await at(() => client.verify(Buffer.from(body), signature, NOW * 1000 + 321)));
  const source = accepts("@linear/sdk", "LinearWebhookClient.verify");
  const headers = { "Linear-Signature": signature, "Linear-Event": "Issue", "Linear-Delivery": "234d1a4e" };
  add("linear", source, key, headers, body);
}

async function hubspot() {
  const { Signature } = require("@hubspot/api-client");
  const key = "yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy";
  const body = JSON.stringify([{ eventId: 1, subscriptionType: "contact.creation", note: "caf\u00e9" }]);
  const timestamp = NOW * 1000 + 5;
  const options = { clientSecret: key, requestBody: body, url: URL, timestamp };
  const signature = Signature.getSignature("POST", "v3", options);
  const headers = { "X-HubSpot-Signature-v3": signature, "X-HubSpot-Request-Timestamp": String(timestamp) };
  add("hubspot", signs("@hubspot/api-client", "Signature.getSignature, v3"), key, headers, body);
}

async function discord() {
  const { verifyKey } = require("discord-interactions");
  // The seed of RFC 8032, section 7.1, test 1.
  const seed = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
  const der = Buffer.from(`302e020100300506032b657004220420${seed}`, "hex");
  const key = createPrivateKey({ key: der, format: "der", type: "pkcs8" });
  const secret = createPublicKey(key).export({ format: "der", type: "spki" }).subarray(-32).toString("hex");
  const body = odd({ version: 1, application_id: "1234560123453231555", type: 1, event: { type: "ENTITLEMENT_CREATE" } });
  const signature = sign(null, Buffer.from(`${NOW}${body}`), key).toString("hex");
  assert.ok(await verifyKey(body, signature, String(NOW), secret));
  const headers = { "X-Signature-Ed25519": signature, "X-Signature-Timestamp": String(NOW) };
  add("discord", accepts("discord-interactions", "verifyKey"), secret, headers, body);
}

/** ECDSA signs with chance: what is on record stays if the library accepts it. */
async function sendgrid(known) {
  const { EventWebhook } = require("@sendgrid/eventwebhook");
  // The key of RFC 6979, section A.2.5.
  const jwk = {
    kty: "EC",
    crv: "P-256",
    d: Buffer.from("C9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721", "hex").toString("base64url"),
    x: Buffer.from("60FED4BA255A9D31C961EB74C6356D68C049B8923B61FA6CE669622E60F29FB6", "hex").toString("base64url"),
    y: Buffer.from("7903FE1008B8BC99A41AE9E95628BC64F2F1B20C2D7E9F5177A3C294D4462299", "hex").toString("base64url"),
  };
  const key = createPrivateKey({ key: jwk, format: "jwk" });
  const secret = createPublicKey(key).export({ format: "der", type: "spki" }).toString("base64");
  const body = `${JSON.stringify([{ email: "a@example.com", event: "processed", sg_event_id: "a" }])}\r\n`;
  const webhook = new EventWebhook();
  const isRight = (signature) =>
    webhook.verifySignature(webhook.convertPublicKeyToECDSA(secret), body, signature, String(NOW));
  const name = "X-Twilio-Email-Event-Webhook-Signature";
  let signature = known.find((it) => it.provider === "sendgrid")?.headers[name];
  if (signature === undefined || !isRight(signature)) {
    signature = sign("sha256", Buffer.from(`${NOW}${body}`), key).toString("base64");
  }
  assert.ok(isRight(signature));
  const headers = { [name]: signature, "X-Twilio-Email-Event-Webhook-Timestamp": String(NOW) };
  add("sendgrid", accepts("@sendgrid/eventwebhook", "verifySignature"), secret, headers, body);
}

/** GitHub's form, which others have taken over. */
async function likeGithub() {
  const { sign: signed } = await import("@octokit/webhooks-methods");
  const source = signs("@octokit/webhooks-methods", "sign: the form is GitHub's");
  const pushed = odd({ push: { changes: [] } });
  const bitbucket = { "X-Hub-Signature": await signed("It's a Secret to Everybody", pushed), "X-Event-Key": "repo:push" };
  add("bitbucket", source, "It's a Secret to Everybody", bitbucket, pushed);
  // Meta writes letters beyond ASCII as escapes, and signs them so.
  const message = '{"object":"whatsapp_business_account","entry":[{"id":"1","changes":[{"field":"messages","value":"caf\\u00e9 \\/"}]}]}';
  const meta = { "X-Hub-Signature-256": await signed("app secret", message) };
  add("meta", source, "app secret", meta, message);
}

/** The body, signed with one header: by the code that the documentation has. */
function plain() {
  const row = (provider, url, header, algorithm, as, prefix, fields, more = {}) => {
    const body = odd(fields);
    const secret = `the ${provider} secret`;
    const value = prefix + hmac(algorithm, secret, body, as);
    add(provider, documented(url), secret, { [header]: value, ...more }, body);
  };
  row("asana", "https://developers.asana.com/docs/webhooks-guide", "X-Hook-Signature", "sha256", "hex", "", { events: [] });
  row("dropbox", "https://www.dropbox.com/developers/reference/webhooks", "X-Dropbox-Signature", "sha256", "hex", "", {
    list_folder: { accounts: ["dbid:AAH4f99T0taONIb-OurWxbNQ6ywGRopQngc"] },
  });
  row("gitea", "https://docs.gitea.com/usage/webhooks", "X-Gitea-Signature", "sha256", "hex", "", { ref: "refs/heads/main" }, {
    "X-Gitea-Event": "push",
    "X-Gitea-Delivery": "f6266f16-1bf3-46a5-9ea4-602e06ead473",
  });
  row("intercom", "https://developers.intercom.com/docs/references/webhooks/webhook-models", "X-Hub-Signature", "sha1", "hex", "sha1=", {
    type: "notification_event",
    topic: "user.created",
    id: "notif_1",
  });
  row("paystack", "https://paystack.com/docs/payments/webhooks/", "x-paystack-signature", "sha512", "hex", "", { event: "charge.success" });
  row("typeform", "https://www.typeform.com/developers/webhooks/secure-your-webhooks/", "Typeform-Signature", "sha256", "base64", "sha256=", {
    event_id: "01",
    event_type: "form_response",
  });
  row("woocommerce", "https://woocommerce.github.io/woocommerce-rest-api-docs/#webhooks", "X-WC-Webhook-Signature", "sha256", "base64", "", { id: 7 }, {
    "X-WC-Webhook-Topic": "order.created",
    "X-WC-Webhook-Delivery-ID": "93",
  });
  row("xero", "https://developer.xero.com/documentation/guides/webhooks/configuring-your-server/", "x-xero-signature", "sha256", "base64", "", {
    events: [],
    firstEventSequence: 0,
    lastEventSequence: 0,
    entropy: "S0m3r4Nd0mt3xt",
  });
}

/** The time, too: by the code that the documentation has. */
function timed() {
  const calendly = odd({ event: "invitee.created" });
  const calendlySignature = hmac("sha256", "the calendly key", `${NOW}.${calendly}`, "hex");
  add("calendly", documented("https://developer.calendly.com/api-docs/4c305798a61d3-webhook-signatures"), "the calendly key", {
    "Calendly-Webhook-Signature": `t=${NOW},v1=${calendlySignature}`,
  }, calendly);

  const zoom = odd({ event: "meeting.started", event_ts: NOW * 1000 });
  const zoomSignature = hmac("sha256", "the zoom token", `v0:${NOW}:${zoom}`, "hex");
  add("zoom", documented("https://developers.zoom.us/docs/api/webhooks/"), "the zoom token", {
    "x-zm-request-timestamp": String(NOW),
    "x-zm-signature": `v0=${zoomSignature}`,
  }, zoom);

  const date = new Date(NOW * 1000).toISOString();
  const zendesk = odd({ type: "zen:event-type:user.created", id: "3" });
  const zendeskDate = date.replace(".000", "");
  add("zendesk", documented("https://developer.zendesk.com/documentation/webhooks/verifying/"), "dGhpc19zZWNyZXRfaXNfZm9yX3Rlc3Rpbmdfb25seQ==", {
    "X-Zendesk-Webhook-Signature": hmac("sha256", "dGhpc19zZWNyZXRfaXNfZm9yX3Rlc3Rpbmdfb25seQ==", zendeskDate + zendesk, "base64"),
    "X-Zendesk-Webhook-Signature-Timestamp": zendeskDate,
    "X-Zendesk-Webhook-Invocation-Id": "01EM82XJ4ZM5ZVXMJRKAR10CSC",
  }, zendesk);

  const twitch = odd({ subscription: { type: "channel.follow" }, event: {} });
  const id = "befa7b53-d79d-478f-86b9-120f112b044e";
  const twitchDate = date.replace(".000Z", ".123456789Z");
  add("twitch", documented("https://dev.twitch.tv/docs/eventsub/handling-webhook-events/"), "s3cRe7s3cRe7", {
    "Twitch-Eventsub-Message-Id": id,
    "Twitch-Eventsub-Message-Timestamp": twitchDate,
    "Twitch-Eventsub-Message-Signature": `sha256=${hmac("sha256", "s3cRe7s3cRe7", id + twitchDate + twitch, "hex")}`,
    "Twitch-Eventsub-Subscription-Type": "channel.follow",
  }, twitch);

  const token = createHash("sha256").update("token").digest("hex").slice(0, 50);
  const signature = hmac("sha256", "key-mailgun", `${NOW}${token}`, "hex");
  add("mailgun", documented("https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/securing-webhooks"), "key-mailgun", {}, odd({
    signature: { token, timestamp: String(NOW), signature },
    "event-data": { event: "opened", id: "Ase7i2zsRYeDXztHGENqRA" },
  }));
}

/** Nothing is signed: the secret is in the request. */
function tokens() {
  add("gitlab", documented("https://docs.gitlab.com/user/project/integrations/webhooks/"), "a gitlab token", {
    "X-Gitlab-Token": "a gitlab token",
    "X-Gitlab-Event": "Push Hook",
  }, odd({ object_kind: "push" }));
  const change = (id) => ({ subscriptionId: id, clientState: "secretClientValue", changeType: "created", resource: "users/1" });
  add("microsoft_graph", documented("https://learn.microsoft.com/graph/change-notifications-delivery-webhooks"), "secretClientValue", {}, odd({
    value: [change("1"), change("2")],
  }));
}

let known = [];
try {
  known = JSON.parse(readFileSync(OUT, "utf8")).vectors;
} catch {}
for (const make of [adyen, twilio, square, paddle, linear, hubspot, discord, likeGithub, plain, timed, tokens]) {
  await make();
}
await sendgrid(known);
vectors.sort((a, b) => (a.provider < b.provider ? -1 : a.provider > b.provider ? 1 : 0));
const note = "Requests as providers send them, made by tests/providers/make.mjs. now is the Unix time to verify at.";
writeFileSync(OUT, `${JSON.stringify({ note, vectors }, null, 1)}\n`);
console.log(`${vectors.length} vectors of ${new Set(vectors.map((it) => it.provider)).size} providers`);
