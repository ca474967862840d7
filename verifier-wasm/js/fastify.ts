import { telling } from "./refused.js";
import { BODY_BYTES_MAX, handled, tooLarge, type Answer, type RouteOptions } from "./route.js";
import type { Verified, Webhook } from "./webhook.js";

export type { RouteOptions } from "./route.js";

interface Reply {
  readonly sent: boolean;
  readonly statusCode: number;
  code(status: number): Reply;
  send(body?: unknown): Reply;
}

interface Request {
  readonly headers: Record<string, string | string[] | undefined>;
  readonly body: unknown;
}

interface Instance {
  removeAllContentTypeParsers(): unknown;
  addContentTypeParser(
    type: string,
    options: { parseAs: "buffer" },
    parser: (request: never, body: Uint8Array, done: (error: null, body: unknown) => void) => void,
  ): unknown;
  setErrorHandler(handler: (error: { code?: string }, request: never, reply: Reply) => Reply): unknown;
  post(
    path: string,
    options: { bodyLimit: number },
    handler: (request: never, reply: never) => Promise<unknown>,
  ): unknown;
}

/**
 * A plugin with one route; the parsers of other routes stay as they are:
 * `app.register(webhookPlugin(wh, "/webhooks", async (verified, request, reply) => {…}))`.
 */
export function webhookPlugin<T, Q extends Request = any, S extends Reply = any>(
  webhook: Webhook<T>,
  path: string,
  handler: (verified: Verified<T>, request: Q, reply: S) => unknown,
  options: RouteOptions = {},
): (instance: any) => Promise<void> {
  const told = telling(options);
  return async (instance: Instance) => {
    instance.removeAllContentTypeParsers();
    instance.addContentTypeParser("*", { parseAs: "buffer" }, (_, body, done) => done(null, body));
    instance.setErrorHandler((error, _, reply) => {
      if (error.code === "FST_ERR_CTP_BODY_TOO_LARGE") return refuse(reply, tooLarge(told));
      throw error; // which goes to the handler around this plugin
    });
    const bodyLimit = options.bodyBytesMax ?? BODY_BYTES_MAX;
    instance.post(path, { bodyLimit }, async (request: Q, reply: S) => {
      const raw = request.body ?? new Uint8Array();
      const done = await handled(
        webhook,
        raw,
        request.headers,
        told,
        (verified) => handler(verified, request, reply),
        () => reply.statusCode,
      );
      if ("answered" in done) {
        if (reply.sent) return reply;
        const status = reply.statusCode === 200 ? 204 : reply.statusCode;
        return done.answered ?? reply.code(status).send();
      }
      return refuse(reply, done.answer);
    });
  };
}

function refuse(reply: Reply, { status, code }: Answer): Reply {
  return reply.code(status).send(code && { code });
}
