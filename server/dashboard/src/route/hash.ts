// The routes are in the fragment: `#/events?state=failed`. So one file is the page below any path, no
// server rewrites anything, and what somebody searches for is in no log of a server or a proxy.
import { useSyncExternalStore } from "react";
import { split } from "./split";

const MOVED = "postrider:moved";

function subscribe(watcher: () => void): () => void {
  for (const name of ["popstate", "hashchange", MOVED]) addEventListener(name, watcher);
  return () => {
    for (const name of ["popstate", "hashchange", MOVED]) removeEventListener(name, watcher);
  };
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
