import { BODY_BYTES_MAX, handled, TOO_LARGE, type Answer, type RouteOptions } from "./route.js";
import type { Verified, Webhook } from "./webhook.js";

/** Verifies a Fetch `Request` and has it handled. Without a response of the handler's it is 204. */
export async function respond<T>(
  webhook: Webhook<T>,
  request: Request,
  options: RouteOptions,
  handler: (verified: Verified<T>) => Response | void | Promise<Response | void>,
): Promise<Response> {
  // A body that was read before is passed on as none, and told of as such.
  const raw = request.bodyUsed ? undefined : await read(request, options);
  if (raw === null) return response(TOO_LARGE);
  // Not by `instanceof`: frameworks have responses of their own.
  const statusOf = (answered: Response | void) => answered?.status ?? 204;
  const done = await handled(webhook, raw, request.headers, options, handler, statusOf);
  if ("answer" in done) return response(done.answer);
  return done.answered ?? new Response(null, { status: 204 });
}

function response({ status, code }: Answer): Response {
  return code ? Response.json({ code }, { status }) : new Response(null, { status });
}

/** The body, or `null` if it is too large. */
async function read(request: Request, options: RouteOptions): Promise<Uint8Array | null> {
  const most = options.bodyBytesMax ?? BODY_BYTES_MAX;
  if (Number(request.headers.get("content-length") ?? 0) > most) return null;
  const chunks: Uint8Array[] = [];
  let length = 0;
  const reader = request.body?.getReader();
  while (reader) {
    const { done, value } = await reader.read();
    if (done) break;
    length += value.length;
    if (length > most) {
      await reader.cancel();
      return null;
    }
    chunks.push(value);
  }
  return joined(chunks, length);
}

export function joined(chunks: readonly Uint8Array[], length: number): Uint8Array {
  if (chunks.length === 1) return chunks[0]!;
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}
