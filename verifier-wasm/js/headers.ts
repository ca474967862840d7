/** Header values as Node and Fetch give them: each character is a byte. */
type Value = string | number | readonly string[] | undefined | null;

/** Fetch `Headers`, Node's `IncomingHttpHeaders` or `rawHeaders`, an object, pairs, or a `Map`. */
export type HeadersLike =
  | { get(name: string): string | null; append(name: string, value: string): void }
  | ReadonlyMap<string, Value>
  | Iterable<readonly [string, Value]>
  | readonly string[]
  | Readonly<Record<string, Value>>;

/** Which header it is: that of the id 0, of the timestamp 1, of the signature 2, another one 3. */
export const OTHER = 3;

/** Headers that were found: `kinds[i]` and `values[i]` belong together. */
export class Found {
  readonly kinds: number[] = [];
  readonly values: string[] = [];
  /** The names of those of kind `OTHER`, by their place. */
  names: string[] | undefined;

  add(kind: number, value: unknown, name = ""): void {
    if (typeof value === "string") {
      if (kind === OTHER) (this.names ??= [])[this.kinds.length] = name;
      this.kinds.push(kind);
      this.values.push(value);
    } else if (Array.isArray(value)) {
      for (const one of value) if (!Array.isArray(one)) this.add(kind, one, name);
    } else if (typeof value === "number") {
      this.add(kind, String(value), name);
    }
  }

  /** Adds it if its name, in any case, is one of `own` or a further one; with `all`, in any event. */
  look(name: unknown, value: unknown, own: readonly string[], all: boolean): void {
    if (typeof name !== "string") return;
    for (let kind = 0; kind < OTHER; kind++) {
      const wanted = own[kind]!;
      if (wanted && name.length === wanted.length && (name === wanted || name.toLowerCase() === wanted)) {
        return this.add(kind, value);
      }
    }
    if (own[OTHER] && isNext(name, own[OTHER])) return this.add(2, value);
    if (all) this.add(OTHER, value, name);
  }

  /** Adds the signatures of the newer secrets, while several are live: see `isNext`. */
  further(next: string | undefined, get: (name: string) => unknown): void {
    for (let number = 1; next && number <= FURTHER_MAX; number++) {
      const value = get(number === 1 ? next : `${next}-${number}`);
      if (value === undefined || value === null) return;
      this.add(2, value);
    }
  }

  /** The first value of this kind. */
  first(kind: number): string | undefined {
    const index = this.kinds.indexOf(kind);
    return index < 0 ? undefined : this.values[index];
  }
}

/** The most signatures that are read, less one. */
const FURTHER_MAX = 15;

/** Whether it is the name of a further signature's header: `next`, or that and a number. */
function isNext(name: string, next: string): boolean {
  if (name.length < next.length || name.length > next.length + 3) return false;
  const lower = name.toLowerCase();
  return lower.startsWith(next) && /^(-([2-9]|1[0-5]))?$/.test(lower.slice(next.length));
}

/**
 * Finds the headers of these names (of the id, the timestamp and the signature, and of the first
 * further signature; empty for none), in any case; with `all`, the others too.
 */
export function find(headers: unknown, own: readonly string[], all = false): Found {
  const found = new Found();
  if (typeof headers !== "object" || headers === null) return found;
  const { get, append } = headers as Partial<Headers>;
  if (typeof get === "function" && typeof append === "function" && !all) {
    for (let kind = 0; kind < OTHER; kind++) {
      if (own[kind]) found.add(kind, (headers as Headers).get(own[kind]!));
    }
    found.further(own[OTHER], (name) => (headers as Headers).get(name));
  } else if (Array.isArray(headers) && typeof headers[0] === "string") {
    for (let i = 0; i + 1 < headers.length; i += 2) found.look(headers[i], headers[i + 1], own, all);
  } else if (Symbol.iterator in headers) {
    for (const pair of headers as Iterable<unknown>) {
      if (Array.isArray(pair)) found.look(pair[0], pair[1], own, all);
    }
  } else if (all || !asNodeHasThem(found, headers as Record<string, unknown>, own)) {
    for (const name in headers) {
      found.look(name, (headers as Record<string, unknown>)[name], own, all);
    }
  }
  return found;
}

/** Adds the headers if all are there under their names in lower case, as in Node. */
function asNodeHasThem(found: Found, headers: Record<string, unknown>, own: readonly string[]): boolean {
  for (let kind = 0; kind < OTHER; kind++) {
    if (own[kind] && typeof headers[own[kind]!] !== "string") return false;
  }
  for (let kind = 0; kind < OTHER; kind++) if (own[kind]) found.add(kind, headers[own[kind]!]);
  found.further(own[OTHER], (name) => headers[name]);
  return true;
}
