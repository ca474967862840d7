// Opens pages in Chromium, from a server of their own on this machine.

import { once } from "node:events";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { delimiter, extname, join, normalize } from "node:path";
import { chromium } from "playwright-core";

const NAMES = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"];
const TYPES = { ".html": "text/html", ".js": "text/javascript", ".mjs": "text/javascript", ".wasm": "application/wasm" };
// WebAssembly is allowed, but nothing that makes code of text.
const POLICY = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'";

function browserPath() {
  const places = (process.env.PATH ?? "").split(delimiter);
  const found = NAMES.flatMap((name) => places.map((place) => join(place, name))).find((path) => existsSync(path));
  if (!found) throw new Error(`no browser: none of ${NAMES.join(", ")} is in the PATH; on Debian: apt-get install chromium`);
  return found;
}

function serve(directory) {
  return createServer(async (request, response) => {
    const path = normalize(new URL(request.url, "http://a").pathname);
    try {
      const file = await readFile(join(directory, path === "/" ? "index.html" : path));
      const type = TYPES[extname(path) || ".html"] ?? "application/octet-stream";
      response.writeHead(200, { "content-type": type, "content-security-policy": POLICY }).end(file);
    } catch {
      response.writeHead(path === "/favicon.ico" ? 204 : 404).end();
    }
  });
}

/** What the page of this directory leaves in `globalThis.report`, and what was fetched for it. */
export async function inBrowser(directory) {
  const server = serve(directory).listen(0, "127.0.0.1");
  await once(server, "listening");
  const browser = await chromium.launch({ executablePath: browserPath(), args: ["--no-sandbox"] });
  try {
    const page = await browser.newPage();
    const trouble = [];
    const fetched = [];
    page.on("console", (message) => {
      if (["error", "warning"].includes(message.type())) trouble.push(message.text());
    });
    page.on("pageerror", (error) => trouble.push(error.stack));
    page.on("request", (request) => fetched.push(new URL(request.url()).pathname));
    await page.goto(`http://127.0.0.1:${server.address().port}/`);
    const report = await page
      .waitForFunction(() => globalThis.report, undefined, { timeout: 15_000 })
      .then((handle) => handle.jsonValue(), () => undefined);
    return { report, trouble, fetched };
  } finally {
    await browser.close();
    server.closeAllConnections();
    server.close();
  }
}
