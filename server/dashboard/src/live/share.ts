// One stream for all tabs of a browser: the tab that holds the lock reads it and tells the others. A tab
// that is hidden neither reads nor waits for the lock, so with all of them hidden there is no stream.
import { follow, type Item, type State } from "./stream";

interface Listener {
  item(item: Item): void;
  state(state: State): void;
}

type Message = { item: Item } | { state: State } | { hello: true };

/** Names that a script which does not know the key cannot guess, and from which it learns nothing. */
async function names(key: string, tenant: string | null): Promise<{ lock: string; channel: string }> {
  const digest = async (text: string) => {
    const hash = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
    return Array.from(new Uint8Array(hash).subarray(0, 16), (byte) => byte.toString(16).padStart(2, "0")).join("");
  };
  const of = `${key} ${tenant ?? ""}`;
  return { lock: `postrider ${await digest(`lock ${of}`)}`, channel: `postrider ${await digest(`channel ${of}`)}` };
}

export class Shared {
  readonly #listeners = new Set<Listener>();
  readonly #key: string;
  readonly #tenant: string | null;
  #channel: BroadcastChannel | null = null;
  #reading: AbortController | null = null;
  #leads = false;
  #place: string | null = null;
  state: State = "off";

  constructor(key: string, tenant: string | null) {
    this.#key = key;
    this.#tenant = tenant;
    document.addEventListener("visibilitychange", () => this.#turn());
  }

  listen(listener: Listener): () => void {
    this.#listeners.add(listener);
    this.#turn();
    return () => {
      this.#listeners.delete(listener);
      // A view that follows another one listens again at once.
      setTimeout(() => this.#turn(), 50);
    };
  }

  /** Starts or stops, as is wanted now. */
  #turn(): void {
    const wanted = this.#listeners.size > 0 && !document.hidden;
    if (wanted && !this.#reading) {
      this.#reading = new AbortController();
      void this.#start(this.#reading.signal);
    } else if (!wanted && this.#reading) {
      this.#reading.abort();
      this.#reading = null;
      this.#set("off");
    }
  }

  async #start(signal: AbortSignal): Promise<void> {
    // Pages without https have neither locks nor digests: there each tab reads by itself.
    if (!globalThis.isSecureContext || !navigator.locks) return this.#read(signal);
    const { lock, channel } = await names(this.#key, this.#tenant);
    if (signal.aborted) return;
    const open = new BroadcastChannel(channel);
    open.onmessage = ({ data }: MessageEvent<Message>) => this.#heard(data);
    this.#channel = open;
    open.postMessage({ hello: true } satisfies Message);
    try {
      await navigator.locks.request(lock, { signal }, async () => {
        this.#leads = true;
        await this.#read(signal);
      });
    } catch {
      // The wait for the lock was given up.
    } finally {
      this.#leads = false;
      open.close();
      if (this.#channel === open) this.#channel = null;
    }
  }

  #read(signal: AbortSignal): Promise<void> {
    const item = (item: Item) => {
      this.#take(item);
      this.#channel?.postMessage({ item } satisfies Message);
    };
    const state = (state: State) => {
      this.#set(state);
      this.#channel?.postMessage({ state } satisfies Message);
    };
    return follow(this.#tenant, this.#place, { item, state }, signal);
  }

  #heard(message: Message): void {
    if ("hello" in message) {
      if (this.#leads) this.#channel?.postMessage({ state: this.state } satisfies Message);
    } else if (!this.#leads) {
      if ("item" in message) this.#take(message.item);
      else this.#set(message.state);
    }
  }

  #take(item: Item): void {
    if (item.place) this.#place = item.place;
    for (const listener of this.#listeners) listener.item(item);
  }

  #set(state: State): void {
    this.state = state;
    for (const listener of this.#listeners) listener.state(state);
  }
}
