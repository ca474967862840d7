import { refusal, type Telling } from "./refused.js";
import type { Refused, Verified, Webhook } from "./webhook.js";

export interface RouteOptions {
  /** The largest body that is read, in bytes; larger ones are answered with 413. @defaultValue 1 MiB */
  readonly bodyBytesMax?: number;
  /**
   * Is told of every refused request: of its code, and of a hint that names the likely cause. Repeats
   * are none. @defaultValue a line for `console.error`, ten at once and then one a second at most
   */
  readonly onRefused?: (refused: Refused) => void;
}

export const BODY_BYTES_MAX = 1024 * 1024;

/** What the sender is told: the code and nothing else. */
export interface Answer {
  readonly status: number;
  readonly code?: string;
}

/** The body is larger than is read. */
export function tooLarge({ onRefused }: Telling): Answer {
  onRefused(refusal("BODY_TOO_LARGE"));
  return { status: 413, code: "BODY_TOO_LARGE" };
}

/** The sender went away before all of the body was here. */
export function broken({ onRefused }: Telling): Answer {
  onRefused(refusal("BODY_UNREADABLE"));
  return { status: 400, code: "BODY_UNREADABLE" };
}

/**
 * Verifies a request and has it handled: when the handler has returned, the message counts as done,
 * so a handler awaits its work. A repeat is answered 200 and not handled again, or 503
 * while its first copy is being handled, as that may fail; if the handler fails, or answers 400 or
 * more, the message is forgotten, so that its repeat is handled.
 */
export async function handled<T, A>(
  webhook: Webhook<T>,
  rawBody: unknown,
  headers: unknown,
  options: Telling,
  handler: (verified: Verified<T>) => A | Promise<A>,
  statusOf: (answered: A) => number,
): Promise<{ readonly answer: Answer } | { readonly answered: A }> {
  const result = await webhook.safeVerifyAsync(rawBody as string, headers as []);
  if (!result.ok) {
    if (result.code === "DUPLICATE") return { answer: { status: result.inProgress ? 503 : 200 } };
    options.onRefused(result);
    // A body that was parsed before is this server's fault: 500 has the sender try again.
    const status = result.code === "BODY_ALREADY_PARSED" ? 500 : 400;
    return { answer: { status, code: result.code } };
  }
  const failed = (answered: A) => statusOf(answered) >= 400;
  return { answered: await webhook.handle(result, () => handler(result), failed) };
}

/** A body as it comes, in one piece of memory however small its parts are. */
export class Body {
  #bytes = new Uint8Array(4096);
  #length = 0;
  readonly #most: number;

  constructor(options: RouteOptions) {
    this.#most = options.bodyBytesMax ?? BODY_BYTES_MAX;
  }

  /** Whether so many bytes are allowed. */
  allows(length: number): boolean {
    return length <= this.#most;
  }

  /** Takes a part; `false` if it is too large with it. */
  take(part: Uint8Array): boolean {
    const length = this.#length + part.length;
    if (!this.allows(length)) return false;
    if (length > this.#bytes.length) {
      const room = new Uint8Array(Math.min(Math.max(length, this.#bytes.length * 2), this.#most));
      room.set(this.#bytes.subarray(0, this.#length));
      this.#bytes = room;
    }
    this.#bytes.set(part, this.#length);
    this.#length = length;
    return true;
  }

  bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }
}
