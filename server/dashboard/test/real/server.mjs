// What the tests over a real server share. `tests/it/dashboard/browser.rs` starts the server and says in
// the environment where it is. The receivers are here, so that a test decides how they answer.
import { createServer } from "node:http";
import { after, before, test as plain } from "node:test";
import { chromium } from "playwright-core";
import { browserPath } from "../browser-path.mjs";
import { go, watched } from "../browser/page.mjs";

/** A variable of the environment that has to be there. */
export function given(name) {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set: tests/it/dashboard/browser.rs runs these tests`);
  return value;
}

export const BASE = given("POSTRIDER_URL");
export const KEYS = { operator: given("OPERATOR_KEY"), acme: given("ACME_KEY"), globex: given("GLOBEX_KEY") };

/** So long a slow, busy machine may take for one step. */
const PATIENCE_MS = 120_000;

/** A test that ends at some time whatever happens. */
export const test = (name, run) => plain(name, { timeout: 5 * PATIENCE_MS }, run);

const receivers = [];

/** A browser for the tests of a file. */
export function stage() {
  const it = { browser: null };
  before(async () => {
    it.browser = await chromium.launch({ executablePath: browserPath(), args: ["--no-sandbox"], timeout: PATIENCE_MS });
  });
  after(async () => {
    await it.browser?.close();
    for (const receiver of receivers) receiver.close();
  });
  return it;
}

/** Runs in the page before all else: what is against its policy is a line on the console. */
function tellViolations() {
  document.addEventListener("securitypolicyviolation", ({ effectiveDirective, blockedURI }) => console.error(`policy: ${effectiveDirective} forbids ${blockedURI}`));
}

/** A page; `trouble` is what the browser complains of, and what it asks another server for. */
export async function open({ browser }, { key, path = "/", width = 1280, ...options } = {}) {
  const context = await browser.newContext({ viewport: { width, height: 860 }, reducedMotion: "reduce", ...options });
  context.setDefaultTimeout(PATIENCE_MS);
  await context.addInitScript(tellViolations);
  const page = await context.newPage();
  const trouble = watched(page, { url: BASE });
  await page.goto(`${BASE}/ui/${key ? `#token=${key}` : ""}`);
  if (path !== "/") await go(page, path);
  return { context, page, trouble };
}

/** Asks the API. */
export async function ask(method, path, { body, key = KEYS.acme, headers = {} } = {}) {
  const text = body === undefined || typeof body === "string" ? body : JSON.stringify(body);
  const all = { authorization: `Bearer ${key}`, ...(text === undefined ? {} : { "content-type": "application/json" }), ...headers };
  const answer = await fetch(BASE + path, { method, headers: all, body: text });
  const said = await answer.text();
  return { status: answer.status, text: said };
}

/** What the API answers if all is well. */
export async function api(method, path, body, key = KEYS.acme) {
  const { status, text } = await ask(method, path, { body, key });
  if (status >= 300) throw new Error(`${method} ${path}: ${status} ${text}`);
  return text ? JSON.parse(text) : null;
}

/** Waits until it holds, and gives what held. */
export async function until(what, holds) {
  const end = performance.now() + PATIENCE_MS;
  for (;;) {
    const held = await holds();
    if (held) return held;
    if (performance.now() > end) throw new Error(`waited in vain: ${what}`);
    await new Promise((done) => setTimeout(done, 50));
  }
}

/** The event, once it is in this state. */
export function eventIn(id, state, key = KEYS.acme) {
  return until(`${id} is ${state}`, async () => {
    const event = await api("GET", `/v1/events/${id}`, undefined, key);
    return event.state === state && event;
  });
}

/** A receiver that notes each request and answers as the test says. */
export class Receiver {
  status = 200;
  headers = {};
  body = "";
  received = [];
  #gate = null;
  #server = createServer((request, response) => void this.#take(request, response));

  static async start(status = 200) {
    const receiver = new Receiver();
    receiver.status = status;
    await new Promise((done) => receiver.#server.listen(0, "127.0.0.1", done));
    receivers.push(receiver);
    return receiver;
  }

  get url() {
    return `http://127.0.0.1:${this.#server.address().port}/webhooks`;
  }

  /** From now on requests wait for their answer, until this is called that is given back. */
  hold() {
    const { promise, release } = gate();
    this.#gate = promise;
    return () => {
      this.#gate = null;
      release();
    };
  }

  close() {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  async #take(request, response) {
    const parts = [];
    for await (const part of request) parts.push(part);
    this.received.push({ headers: request.headers, raw: request.rawHeaders, body: Buffer.concat(parts) });
    await this.#gate;
    response.writeHead(this.status, this.headers);
    response.end(this.body);
  }
}

function gate() {
  let release;
  const promise = new Promise((done) => (release = done));
  return { promise, release };
}
