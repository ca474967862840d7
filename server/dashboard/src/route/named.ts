/** Where an id that somebody has pasted leads; `null` if it names nothing that has a page. */
export function pageOf(text: string): string | null {
  const id = text.trim();
  const match = /^(evt|dlv|ep|rpl|tnt|src|key)_[0-9a-z]+/.exec(id);
  if (!match) return null;
  const kinds: Record<string, string> = {
    evt: `/events/${id}`,
    dlv: `/deliveries/${id}`,
    ep: `/endpoints/${id}`,
    rpl: `/replays?id=${id}`,
    tnt: `/tenants?id=${id}`,
    src: `/sources/${id}`,
    // What follows the second underscore is secret and never goes into an address.
    key: `/keys?id=${id.split("_").slice(0, 2).join("_")}`,
  };
  return kinds[match[1] ?? ""] ?? null;
}
