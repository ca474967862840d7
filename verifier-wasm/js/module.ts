import { Found, OTHER } from "./headers.js";

/** What `src/lib.rs` exports. */
interface Exports {
  readonly memory: WebAssembly.Memory;
  postrider_input(length: number): number;
  postrider_output(): number;
  postrider_prepare(length: number): number;
  postrider_release(handle: number): number;
  postrider_names(handle: number): number;
  postrider_verify(handle: number, headers: number, body: number, now: number): number;
  postrider_read(handle: number, headers: number, now: number): number;
  postrider_update(handle: number, length: number): number;
  postrider_settle(handle: number, hmacs: number): number;
  postrider_key(handle: number, index: number): number;
  // Of the full module alone:
  postrider_problem?(length: number): number;
  postrider_explain?(handle: number, headers: number, body: number, now: number): number;
  postrider_sign?(length: number): number;
}

/** The longest value that a record holds; the verifier refuses far shorter ones. */
const VALUE_BYTES_MAX = 65_535;

/** As much of a body as is in the module's memory at a time. */
export const PART_BYTES = 65_536;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** An instance of the WebAssembly, and its memory. */
export class Module {
  readonly exports: Exports;
  #bytes = new Uint8Array();
  #view = new DataView(new ArrayBuffer(0));
  #at = 0;
  #room = 0;

  constructor(module: WebAssembly.Module) {
    this.exports = new WebAssembly.Instance(module).exports as unknown as Exports;
  }

  /** Makes room in the input for so many bytes. */
  #reserve(length: number): void {
    if (length > this.#room) {
      const room = Math.max(length, 4096);
      this.#at = this.exports.postrider_input(room) >>> 0;
      this.#room = room;
    }
    this.#refresh();
  }

  /** The memory may have moved since. */
  #refresh(): void {
    if (this.#bytes.byteLength === 0) {
      this.#bytes = new Uint8Array(this.exports.memory.buffer);
      this.#view = new DataView(this.exports.memory.buffer);
    }
  }

  /** Writes the headers as the records of `input.rs`, and leaves room for a body behind them. */
  #writeHeaders(found: Found, room: number): number {
    const { kinds, names, values } = found;
    let length = room;
    for (let i = 0; i < kinds.length; i++) {
      length += values[i]!.length + 4 + (kinds[i] === OTHER ? names![i]!.length : 0);
    }
    this.#reserve(length);
    const bytes = this.#bytes;
    let at = this.#at;
    for (let i = 0; i < kinds.length; i++) {
      const kind = kinds[i]!;
      bytes[at++] = kind;
      if (kind === OTHER) at = writeText(bytes, at, names![i]!, 255, 1);
      at = writeText(bytes, at, values[i]!, VALUE_BYTES_MAX, 2);
    }
    return at - this.#at;
  }

  #writeBody(at: number, body: string | Uint8Array): number {
    if (typeof body === "string") {
      const from = this.#at + at;
      return encoder.encodeInto(body, this.#bytes.subarray(from, from + body.length * 3)).written;
    }
    this.#bytes.set(body, this.#at + at);
    return body.length;
  }

  verify(handle: number, found: Found, body: string | Uint8Array, now: number): number {
    const room = typeof body === "string" ? body.length * 3 : body.length;
    const headers = this.#writeHeaders(found, room);
    const length = this.#writeBody(headers, body);
    return this.exports.postrider_verify(handle, headers, length, now);
  }

  /** As `verify`, with HMACs that `hmac` makes of a key's number, a prefix and the body. */
  verifyBy(
    handle: number,
    found: Found,
    body: string | Uint8Array,
    now: number,
    keys: number,
    hmac: (key: number, prefix: Uint8Array, body: string | Uint8Array) => string,
  ): number {
    const headers = this.#writeHeaders(found, 0);
    const length = this.exports.postrider_read(handle, headers, now);
    if (length < 0) return length;
    this.#reserve(keys * 32);
    const output = this.exports.postrider_output() >>> 0;
    const bytes = this.#bytes;
    const prefix = bytes.subarray(output + 8, output + length);
    let at = this.#at;
    for (let key = 0; key < keys; key++) {
      const digest = hmac(key, prefix, body);
      for (let i = 0; i < 32; i++) bytes[at + i] = digest.charCodeAt(i);
      at += 32;
    }
    return this.exports.postrider_settle(handle, keys);
  }

  /** As `verify`, for HMACs alone, with no more than a part of the body in the module's memory. */
  verifyInParts(handle: number, found: Found, body: string | Uint8Array, now: number): number {
    const length = this.exports.postrider_read(handle, this.#writeHeaders(found, 0), now);
    if (length < 0) return length;
    this.#update(handle, this.output(length).subarray(8));
    for (let at = 0; at < body.length; ) {
      if (typeof body === "string") {
        this.#reserve(PART_BYTES);
        const room = this.#bytes.subarray(this.#at, this.#at + PART_BYTES);
        const { read, written } = encoder.encodeInto(body.slice(at), room);
        this.exports.postrider_update(handle, written);
        at += read;
      } else {
        this.#update(handle, body.subarray(at, (at += PART_BYTES)));
      }
    }
    return this.exports.postrider_settle(handle, 0);
  }

  #update(handle: number, part: Uint8Array): void {
    this.#reserve(part.length);
    this.#bytes.set(part, this.#at);
    this.exports.postrider_update(handle, part.length);
  }

  /** The timestamp of what was verified last; `NaN` if the scheme covers none. */
  timestamp(): number {
    this.#refresh();
    return this.#view.getFloat64(this.exports.postrider_output() >>> 0, true);
  }

  /** A copy of the first bytes of the output. */
  output(length: number): Uint8Array {
    this.#refresh();
    const from = this.exports.postrider_output() >>> 0;
    return this.#bytes.slice(from, from + length);
  }

  text(length: number): string {
    return decoder.decode(this.output(length));
  }

  /** Writes bytes to the input and calls with their length. */
  call(name: "postrider_prepare" | "postrider_problem" | "postrider_sign", input: Uint8Array): number {
    this.#reserve(input.length);
    this.#bytes.set(input, this.#at);
    return this.exports[name]?.(input.length) ?? 0;
  }

  /** The error and, if it is found, its cause: the full module's alone. */
  explain(handle: number, found: Found, body: string | Uint8Array, now: number): string[] {
    const headers = this.#writeHeaders(found, body.length * 3);
    const length = this.#writeBody(headers, body);
    const written = this.exports.postrider_explain?.(handle, headers, length, now) ?? 0;
    return written > 0 ? this.text(written).split("\n") : [];
  }
}

/** Writes a text of characters that are bytes after its length, and gives the place behind it. */
function writeText(bytes: Uint8Array, at: number, text: string, most: number, size: 1 | 2): number {
  const length = Math.min(text.length, most);
  bytes[at++] = length & 255;
  if (size === 2) bytes[at++] = length >> 8;
  for (let i = 0; i < length; i++) {
    const code = text.charCodeAt(i);
    // What is no byte cannot have come over the wire: one that no text has makes it malformed.
    bytes[at++] = code > 255 ? 255 : code;
  }
  return at;
}

/** Options as `input.rs` reads them: texts and numbers, each text after its length in bytes. */
export class Writer {
  #bytes: number[] = [];

  float(number: number): this {
    this.#bytes.push(...new Uint8Array(new Float64Array([number]).buffer));
    return this;
  }

  number(number: number): this {
    this.#bytes.push(...new Uint8Array(new Uint32Array([number]).buffer));
    return this;
  }

  text(text: string): this {
    const bytes = encoder.encode(text);
    return this.number(bytes.length).raw(bytes);
  }

  raw(bytes: Uint8Array): this {
    for (const byte of bytes) this.#bytes.push(byte);
    return this;
  }

  bytes(): Uint8Array {
    return new Uint8Array(this.#bytes);
  }
}
