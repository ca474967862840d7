import { HINTS } from "./errors.js";

/** The bytes of a request as they arrived. */
export type RawBody = string | ArrayBuffer | ArrayBufferView;

/** The body as it can be hashed, whatever realm it comes from; `undefined` if it is none. */
export function rawBytes(body: unknown): string | Uint8Array | undefined {
  if (typeof body === "string" || body instanceof Uint8Array) return body;
  if (ArrayBuffer.isView(body)) {
    return new Uint8Array(body.buffer, body.byteOffset, body.byteLength);
  }
  const tag = Object.prototype.toString.call(body);
  if (tag === "[object ArrayBuffer]" || tag === "[object SharedArrayBuffer]") {
    return new Uint8Array(body as ArrayBuffer);
  }
  return undefined;
}

const FRAMEWORKS: Readonly<Record<string, string>> = {
  "@nestjs": "NestJS: create the app with { rawBody: true } and pass req.rawBody",
  fastify: "Fastify: use @postrider/verifier/fastify, or a parser with parseAs: 'buffer'",
  koa: "Koa: verify before koa-bodyparser runs, from ctx.req",
  next: "Next: pass await request.text(), or in a pages route set bodyParser: false",
  hono: "Hono: pass await c.req.arrayBuffer(), before c.req.json()",
  express:
    "Express: use @postrider/verifier/express, or express.raw({ type: '*/*' }) on this route, before express.json()",
};

/** What to do about a body that is none, for the framework that calls. */
export function parsedHint(): string {
  const stack = new Error().stack ?? "";
  const [, name] = /node_modules[\\/](@nestjs|fastify|koa|next|hono|express)[\\/]/.exec(stack) ?? [];
  return name ? `${HINTS.BODY_ALREADY_PARSED}. ${FRAMEWORKS[name]}` : HINTS.BODY_ALREADY_PARSED;
}
