import { telling, type Telling } from "./refused.js";
import { Body, broken, handled, tooLarge, type Answer, type RouteOptions } from "./route.js";
import type { Verified, Webhook } from "./webhook.js";

export type { RouteOptions } from "./route.js";

export interface ListenerOptions extends RouteOptions {
  /** Is told of what the handler or the store has thrown. @defaultValue console.error */
  readonly onError?: (error: unknown) => void;
}

/** As much of `http.IncomingMessage` as is used. */
export interface IncomingRequest extends AsyncIterable<Uint8Array> {
  readonly headers: Record<string, string | string[] | undefined>;
  readonly readableEnded?: boolean;
  readonly destroyed?: boolean;
  /** What a parser that ran before has made of the body. */
  readonly body?: unknown;
  readonly rawBody?: unknown;
}

/** As much of `http.ServerResponse` as is used. */
export interface OutgoingResponse {
  statusCode: number;
  readonly headersSent: boolean;
  readonly writableEnded: boolean;
  setHeader(name: string, value: string): unknown;
  end(body?: string): unknown;
}

/**
 * A listener for one path of `http.createServer`. If the handler answers nothing it is 204; if it
 * throws it is 500. It never rejects. The handler awaits its work: when it returns, that is done.
 */
export function webhookListener<T, Q extends IncomingRequest = any, S extends OutgoingResponse = any>(
  webhook: Webhook<T>,
  handler: (verified: Verified<T>, request: Q, response: S) => unknown,
  options: ListenerOptions = {},
): (request: Q, response: S) => Promise<void> {
  const told = telling(options);
  return async (request, response) => {
    try {
      await serve(webhook, request, response, told, handler);
    } catch (error) {
      if (!response.headersSent) send(response, { status: 500 });
      const { onError = console.error } = options;
      onError(error);
    }
  };
}

/** Reads the body, verifies, and has it handled. */
export async function serve<T, Q extends IncomingRequest, S extends OutgoingResponse>(
  webhook: Webhook<T>,
  request: Q,
  response: S,
  options: Telling,
  handler: (verified: Verified<T>, request: Q, response: S) => unknown,
): Promise<void> {
  const raw = await rawBody(request, options);
  if (raw === GONE) return void broken(options);
  if (raw === null) {
    response.setHeader("connection", "close");
    return send(response, tooLarge(options));
  }
  const done = await handled(
    webhook,
    raw,
    request.headers,
    options,
    async (verified) => {
      await handler(verified, request, response);
    },
    () => response.statusCode,
  );
  if ("answer" in done) send(response, done.answer);
  else if (!response.headersSent && !response.writableEnded) {
    const { statusCode } = response;
    send(response, { status: statusCode === 200 ? 204 : statusCode });
  }
}

/** The sender went away before all of the body was here: nobody waits for an answer. */
const GONE = Symbol();

/** What a parser has left, or the bytes of the stream; `null` if they are too many. */
async function rawBody(request: IncomingRequest, options: RouteOptions): Promise<unknown> {
  for (const raw of [request.rawBody, request.body]) if (ArrayBuffer.isView(raw)) return raw;
  if (request.readableEnded) return request.body;
  const body = new Body(options);
  if (!body.allows(Number(request.headers["content-length"] ?? 0))) return null;
  try {
    for await (const chunk of request) if (!body.take(chunk)) return null;
  } catch (error) {
    if (request.destroyed) return GONE;
    throw error;
  }
  return body.bytes();
}

function send(response: OutgoingResponse, { status, code }: Answer): void {
  response.statusCode = status;
  if (code) response.setHeader("content-type", "application/json");
  response.end(code && JSON.stringify({ code }));
}
