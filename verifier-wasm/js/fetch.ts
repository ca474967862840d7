import type { Telling } from "./refused.js";
import { Body, broken, handled, tooLarge, type Answer, type RouteOptions } from "./route.js";
import type { Verified, Webhook } from "./webhook.js";

/** Verifies a Fetch `Request` and has it handled. Without a response of the handler's it is 204. */
export async function respond<T>(
  webhook: Webhook<T>,
  request: Request,
  options: Telling,
  handler: (verified: Verified<T>) => Response | void | Promise<Response | void>,
): Promise<Response> {
  // A body that was read before is passed on as none, and told of as such.
  const raw = request.bodyUsed ? undefined : await read(request, options);
  if (raw === null) return response(tooLarge(options));
  if (raw === BROKEN) return response(broken(options));
  // Not by `instanceof`: frameworks have responses of their own.
  const statusOf = (answered: Response | void) => answered?.status ?? 204;
  const done = await handled(webhook, raw, request.headers, options, handler, statusOf);
  if ("answer" in done) return response(done.answer);
  return done.answered ?? new Response(null, { status: 204 });
}

function response({ status, code }: Answer): Response {
  return code ? Response.json({ code }, { status }) : new Response(null, { status });
}

/** The sender went away before all of the body was here. */
const BROKEN = Symbol();

/** The body, or `null` if it is too large. */
async function read(
  request: Request,
  options: RouteOptions,
): Promise<Uint8Array | typeof BROKEN | null> {
  const body = new Body(options);
  if (!body.allows(Number(request.headers.get("content-length") ?? 0))) return null;
  const reader = request.body?.getReader();
  try {
    while (reader) {
      const { done, value } = await reader.read();
      if (done) break;
      if (!body.take(value)) {
        await reader.cancel();
        return null;
      }
    }
  } catch {
    return BROKEN;
  }
  return body.bytes();
}
