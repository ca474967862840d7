/**
 * Remembers in Redis which messages were handled, for all processes of a service:
 * `webhook({ scheme, secrets, dedupe: redisDedupe(redis, "webhook:orders:") })`. Each endpoint needs a
 * prefix of its own: the same event may be sent to two, under the same id. `redis` is a client of
 * ioredis, or of node-redis as
 * `{ set: (key, value, ex, ttlSec, nx) => client.set(key, value, { EX: ttlSec, ...(nx && { NX: true }) }), get: (key) => client.get(key), del: (key) => client.del(key) }`.
 */
export function redisDedupe(redis, prefix) {
  return {
    // One command: of two processes that ask at the same time, one is told that it is new. If that
    // one dies, its claim ends by itself.
    seen: async (id, ttlSec) => {
      if ((await redis.set(prefix + id, "busy", "EX", ttlSec, "NX")) !== null) return false;
      return (await redis.get(prefix + id)) === "done" || "busy";
    },
    keep: (id, ttlSec) => redis.set(prefix + id, "done", "EX", ttlSec),
    forget: (id) => redis.del(prefix + id),
  };
}
