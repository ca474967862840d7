import { useSyncExternalStore } from "react";

// What a person has chosen for this browser. Nothing here is secret.

interface Settings {
  theme: "auto" | "light" | "dark";
  zone: "local" | "utc";
}

const DEFAULTS: Settings = { theme: "auto", zone: "local" };
const watchers = new Set<() => void>();

export function setting<N extends keyof Settings>(name: N): Settings[N] {
  try {
    return (localStorage.getItem(`postrider.${name}`) as Settings[N] | null) ?? DEFAULTS[name];
  } catch {
    // A browser that keeps nothing.
    return DEFAULTS[name];
  }
}

export function choose<N extends keyof Settings>(name: N, value: Settings[N]): void {
  try {
    localStorage.setItem(`postrider.${name}`, value);
  } catch {
    // As above: the choice lasts until the page is left.
  }
  apply();
  for (const watcher of watchers) watcher();
}

/** Tells the style sheet which theme it is. */
export function apply(): void {
  document.documentElement.dataset.theme = setting("theme");
}

function subscribe(watcher: () => void): () => void {
  watchers.add(watcher);
  return () => watchers.delete(watcher);
}

export function useSetting<N extends keyof Settings>(name: N): Settings[N] {
  return useSyncExternalStore(subscribe, () => setting(name));
}
