import { useSyncExternalStore } from "react";

/** Only this tab has the key, and only until it is closed. */
const KEPT = "postrider.key";

/** Why nobody is signed in. */
export type Reason = "none" | "refused" | "left" | "expired";

let current: string | null = sessionStorage.getItem(KEPT);
let why: Reason = "none";
const watchers = new Set<() => void>();

function told(): void {
  for (const watcher of watchers) watcher();
}

export function key(): string | null {
  return current;
}

export function reason(): Reason {
  return why;
}

export function signIn(text: string): void {
  current = text;
  why = "none";
  sessionStorage.setItem(KEPT, text);
  told();
}

export function signOut(because: Reason): void {
  if (current === null) return;
  current = null;
  why = because;
  sessionStorage.removeItem(KEPT);
  told();
}

function subscribe(watcher: () => void): () => void {
  watchers.add(watcher);
  return () => watchers.delete(watcher);
}

export function useKey(): string | null {
  return useSyncExternalStore(subscribe, key);
}

/**
 * Takes a token out of the fragment (`#token=…`), and the fragment out of the address and the history,
 * before anything else runs.
 */
export function takeToken(): string | null {
  const match = /^#\/?(?:token|portal)=([^&]+)/.exec(location.hash);
  if (!match?.[1]) return null;
  history.replaceState(null, "", location.pathname + location.search);
  // Tokens are plain letters: one that was encoded by whatever passed it on is not worth more.
  return match[1];
}
