/** Header values as Node and Fetch give them: each character is a byte. */
type Value = string | number | readonly string[] | undefined | null;

/** Fetch `Headers`, Node's `IncomingHttpHeaders` or `rawHeaders`, an object, pairs, or a `Map`. */
export type HeadersLike =
  | { get(name: string): string | null }
  | ReadonlyMap<string, Value>
  | Iterable<readonly [string, Value]>
  | readonly string[]
  | Readonly<Record<string, Value>>;

/** Which header it is: that of the id 0, of the timestamp 1, of the signature 2, another one 3. */
export const OTHER = 3;

/** Headers that were found: `kinds[i]`, `names[i]` and `values[i]` belong together. */
export class Found {
  readonly kinds: number[] = [];
  readonly names: string[] = [];
  readonly values: string[] = [];

  add(kind: number, name: string, value: unknown): void {
    if (typeof value === "string") {
      this.kinds.push(kind);
      this.names.push(name);
      this.values.push(value);
    } else if (Array.isArray(value)) {
      for (const one of value) if (!Array.isArray(one)) this.add(kind, name, one);
    } else if (typeof value === "number") {
      this.add(kind, name, String(value));
    }
  }

  /** The first value of this kind. */
  first(kind: number): string | undefined {
    const index = this.kinds.indexOf(kind);
    return index < 0 ? undefined : this.values[index];
  }
}

/**
 * Finds the headers of these names (of the id, the timestamp and the signature; empty for none), in
 * any case; with `all`, the others too.
 */
export function find(headers: unknown, own: readonly string[], all = false): Found {
  const found = new Found();
  const look = (name: unknown, value: unknown) => {
    if (typeof name !== "string") return;
    for (let kind = 0; kind < OTHER; kind++) {
      const wanted = own[kind] as string;
      if (name.length === wanted.length && (name === wanted || name.toLowerCase() === wanted)) {
        return found.add(kind, name, value);
      }
    }
    if (all) found.add(OTHER, name, value);
  };
  if (typeof headers !== "object" || headers === null) return found;
  const { get, append } = headers as Partial<Headers>;
  if (typeof get === "function" && typeof append === "function" && !all) {
    for (let kind = 0; kind < OTHER; kind++) {
      const name = own[kind] as string;
      if (name) found.add(kind, name, (headers as Headers).get(name));
    }
  } else if (Array.isArray(headers) && typeof headers[0] === "string") {
    for (let i = 0; i + 1 < headers.length; i += 2) look(headers[i], headers[i + 1]);
  } else if (Symbol.iterator in headers) {
    for (const pair of headers as Iterable<unknown>) if (Array.isArray(pair)) look(pair[0], pair[1]);
  } else {
    for (const name in headers) look(name, (headers as Record<string, unknown>)[name]);
  }
  return found;
}
