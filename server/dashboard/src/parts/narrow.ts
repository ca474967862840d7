import { useSyncExternalStore } from "react";

// As in the style sheets.
const query = matchMedia("(max-width: 860px)");

function subscribe(watcher: () => void): () => void {
  query.addEventListener("change", watcher);
  return () => query.removeEventListener("change", watcher);
}

/** Whether the page has one column. */
export function useNarrow(): boolean {
  return useSyncExternalStore(subscribe, () => query.matches);
}
