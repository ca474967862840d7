import { to } from "../route/filters";
import { Copy } from "./copy";

/** The kind and the end of an id: ids of one time begin alike. */
export function shortId(id: string): string {
  const at = id.indexOf("_");
  return at > 0 && id.length > at + 12 ? `${id.slice(0, at + 1)}…${id.slice(-7)}` : id;
}

const PLACES: Readonly<Record<string, string>> = { evt: "/events", dlv: "/deliveries", ep: "/endpoints", src: "/sources" };

interface Props {
  id: string;
  tenant?: string | undefined;
  full?: boolean;
  copy?: boolean;
}

/**
 * An id, which leads to what it names. Lists have many of these: a plain link costs less than the
 * router's, and leads to the same.
 */
export function Id({ id, tenant, full = false, copy = false }: Props) {
  const place = PLACES[id.split("_")[0] ?? ""];
  const text = full ? id : shortId(id);
  return (
    <span className="id">
      {place ? (
        <a href={`#${to(`${place}/${id}`, tenant ? { tenant } : {})}`} title={id}>
          {text}
        </a>
      ) : (
        <span title={id}>{text}</span>
      )}
      {copy && <Copy text={id} label={`Copy ${id}`} />}
    </span>
  );
}

/** A link only where a browser would ask a web server: anything else stays text. */
export function Url({ url }: { url: string }) {
  const isWeb = /^https?:\/\//i.test(url);
  return isWeb ? (
    <a className="url" href={url} target="_blank" rel="noreferrer noopener nofollow">
      {url}
    </a>
  ) : (
    <span className="url">{url}</span>
  );
}
