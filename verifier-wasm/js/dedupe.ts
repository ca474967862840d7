/** Where the ids of messages are kept that were seen before: see `memoryDedupe`. */
export interface DedupeStore {
  /**
   * Whether this id was seen in the last `ttlSec` seconds; if not, it is remembered, in one step.
   * With Redis: `(await redis.set(id, "1", "EX", ttlSec, "NX")) === null`.
   */
  seen(id: string, ttlSec: number): boolean | Promise<boolean>;
  /** Forgets an id, as the message could not be handled and will be sent again. */
  forget?(id: string): unknown;
}

/** Refuses what was seen before with `DUPLICATE`. */
export interface Dedupe extends DedupeStore {
  /** For how long an id is remembered. @defaultValue three days */
  readonly ttlSec?: number;
  /** The id of a message, for schemes whose signature covers none: `({ payload }) => payload.id`. */
  readonly id?: (webhook: { payload: any; raw: string | Uint8Array }) => string;
}

export const TTL_SEC = 3 * 24 * 3600;

/** Remembers the ids of up to `idsMax` messages in this process, dropping the oldest. */
export function memoryDedupe({ idsMax = 100_000 }: { idsMax?: number } = {}): Required<DedupeStore> {
  const until = new Map<string, number>();
  return {
    seen(id, ttlSec) {
      const now = Date.now() / 1000;
      const known = (until.get(id) ?? 0) > now;
      if (!known) {
        until.delete(id);
        until.set(id, now + ttlSec);
        if (until.size > idsMax) until.delete(until.keys().next().value!);
      }
      return known;
    },
    forget(id) {
      until.delete(id);
    },
  };
}
