/** As much of `node:crypto` as is used. */
interface NodeCrypto {
  createSecretKey(key: Uint8Array): object;
  createHmac(algorithm: "sha256", key: object): Hmac;
}

interface Hmac {
  update(data: string | Uint8Array): Hmac;
  digest(encoding: "latin1"): string;
}

interface Process {
  getBuiltinModule?(name: string): unknown;
}

/** From how many bytes of a body on the host's HMACs are faster, the way to them included. */
export const DELEGATED_FROM = 640;

/** A module of the runtime's own, where it has such; bundlers do not see that it is asked for. */
export function builtin<T>(name: string): T | undefined {
  const { process } = globalThis as { process?: Process };
  try {
    return process?.getBuiltinModule?.(name) as T | undefined;
  } catch {
    return undefined;
  }
}

let crypto: NodeCrypto | null | undefined;

/** HMACs by the runtime's own code with these keys; `undefined` where it has none. */
export class HostHmacs {
  readonly #crypto: NodeCrypto;
  readonly #keys: readonly object[];

  private constructor(crypto: NodeCrypto, keys: readonly object[]) {
    this.#crypto = crypto;
    this.#keys = keys;
  }

  /** `null` where the runtime has none, or none of this kind. */
  static of(keys: () => readonly Uint8Array[]): HostHmacs | null {
    if (crypto === undefined) crypto = builtin<NodeCrypto>("node:crypto") ?? null;
    if (!crypto) return null;
    try {
      const { createSecretKey } = crypto;
      return new HostHmacs(crypto, keys().map((key) => createSecretKey(key)));
    } catch {
      return null;
    }
  }

  get count(): number {
    return this.#keys.length;
  }

  /** The 32 bytes, one a character. */
  readonly make = (key: number, prefix: Uint8Array, body: string | Uint8Array): string =>
    this.#crypto
      .createHmac("sha256", this.#keys[key]!)
      .update(prefix)
      .update(body)
      .digest("latin1");
}
