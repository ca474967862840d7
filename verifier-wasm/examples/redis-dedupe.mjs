/**
 * Remembers in Redis which messages were handled, for all processes of a service:
 * `webhook({ scheme, secrets, dedupe: redisDedupe(redis) })`, with `redis` from ioredis, or from
 * node-redis as `{ set: (key, value, ex, ttlSec, nx) => client.set(key, value, { EX: ttlSec, NX: true }), del: (key) => client.del(key) }`.
 */
export function redisDedupe(redis, prefix = "webhook:") {
  return {
    // One command: of two processes that ask at the same time, one is told that it is new.
    seen: async (id, ttlSec) => (await redis.set(prefix + id, "1", "EX", ttlSec, "NX")) === null,
    forget: (id) => redis.del(prefix + id),
  };
}
