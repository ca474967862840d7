// The routes are in the fragment: `#/events?state=failed`. So one file is the page below any path, no
// server rewrites anything, and what somebody searches for is in no log of a server or a proxy.
import { useSyncExternalStore } from "react";

const MOVED = "postrider:moved";

function subscribe(watcher: () => void): () => void {
  for (const name of ["popstate", "hashchange", MOVED]) addEventListener(name, watcher);
  return () => {
    for (const name of ["popstate", "hashchange", MOVED]) removeEventListener(name, watcher);
  };
}

/** The path and the query of a fragment. */
export function split(hash: string): { path: string; query: string } {
  const text = hash.replace(/^#/, "");
  const at = text.indexOf("?");
  const path = at < 0 ? text : text.slice(0, at);
  return { path: path.startsWith("/") ? path : `/${path}`, query: at < 0 ? "" : text.slice(at + 1) };
}

export function navigate(to: string, options: { replace?: boolean } = {}): void {
  const hash = `#${to.startsWith("/") ? to : `/${to}`}`;
  if (hash === location.hash) return;
  if (options.replace) history.replaceState(history.state, "", hash);
  else history.pushState(null, "", hash);
  dispatchEvent(new Event(MOVED));
}

const currentPath = () => split(location.hash).path;
const currentQuery = () => split(location.hash).query;

export function useHashLocation(): [string, typeof navigate] {
  return [useSyncExternalStore(subscribe, currentPath), navigate];
}

useHashLocation.hrefs = (path: string) => `#${path}`;

export function useHashSearch(): string {
  return useSyncExternalStore(subscribe, currentQuery);
}
