/** A claim on an id: that it is new, that its message was done before, or that it is being done. */
export type Seen = boolean | "busy";

/** Where the ids of messages are kept that were seen before: see `memoryDedupe`. */
export interface DedupeStore {
  /**
   * `false` if the id is new, and claims it for `ttlSec` seconds, in one step; `"busy"` if it is
   * claimed, and `true` if it was kept. A store without `keep` answers `true` for what is claimed.
   */
  seen(id: string, ttlSec: number): Seen | Promise<Seen>;
  /** Keeps an id for `ttlSec` seconds, as its message is done. */
  keep?(id: string, ttlSec: number): unknown;
  /** Forgets an id, as its message could not be done and will come again. */
  forget?(id: string): unknown;
}

/** Refuses what was seen before with `DUPLICATE`. Each endpoint needs ids of its own. */
export interface Dedupe extends DedupeStore {
  /** For how long an id is kept. @defaultValue three days */
  readonly ttlSec?: number;
  /** For how long it is claimed, for `handle`, which may never end. @defaultValue five minutes */
  readonly leaseSec?: number;
  /** The id of a message, for schemes whose signature covers none: `({ payload }) => payload.id`. */
  readonly id?: (webhook: { payload: any; raw: string | Uint8Array }) => string | number;
}

export const TTL_SEC = 3 * 24 * 3600;
export const LEASE_SEC = 300;

/**
 * Remembers the ids of up to `idsMax` messages in this process, dropping the oldest. For one
 * endpoint: two endpoints may be sent the same event, under the same id.
 */
export function memoryDedupe({ idsMax = 100_000 }: { idsMax?: number } = {}): Required<DedupeStore> {
  const known = new Map<string, { until: number; done: boolean }>();
  const remember = (id: string, ttlSec: number, done: boolean) => {
    known.delete(id);
    known.set(id, { until: Date.now() / 1000 + ttlSec, done });
    if (known.size > idsMax) known.delete(known.keys().next().value!);
  };
  return {
    seen(id, ttlSec) {
      const found = known.get(id);
      if (found && found.until > Date.now() / 1000) return found.done || "busy";
      remember(id, ttlSec, false);
      return false;
    },
    keep: (id, ttlSec) => remember(id, ttlSec, true),
    forget: (id) => known.delete(id),
  };
}
