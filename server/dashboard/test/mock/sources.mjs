// Sources, as the mock makes and changes them.

const MIB = 1_048_576;

/** A token and what is said of the handshake, as a view shows them. */
function shown({ kind = "none", verify_token = null, learn_secret = false, unsigned_pings = false } = {}) {
  return { kind, has_verify_token: verify_token !== null, learn_secret, unsigned_pings };
}

export function makeSource({ data, body }) {
  const now = new Date().toISOString();
  const id = data.r.id("src", Date.now());
  const { name, provider, secrets, custom = null, url = null, answer = {}, handshake, allowed_networks = [], body_bytes_max = MIB } = body;
  const source = { id, name, provider, path: `/in/${id}`, event_prefix: provider === "custom" ? name : provider, allowed_networks, secrets: secrets.map((_, at) => ({ id: at + 1, note: null, created_at: now })), signed: custom?.scheme !== "none", custom, url, answer, handshake: shown(handshake), body_bytes_max, headers: [], tolerance_s: 300, tenant: "acme", tenant_id: "tnt_acme", created_at: now };
  data.sources.push(source);
  return { status: 201, body: source };
}

export function changeSource({ data, params, body }) {
  const source = data.sources.find(({ id }) => id === params.id);
  const { handshake, ...rest } = body;
  return Object.assign(source, rest, handshake ? { handshake: shown(handshake) } : {});
}
