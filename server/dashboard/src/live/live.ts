import { useQueryClient, type QueryKey } from "@tanstack/react-query";
import { useEffect, useEffectEvent, useState } from "react";
import { useKey } from "../session/key";
import { useTenant } from "../session/who";
import { Shared } from "./share";
import type { Item, State } from "./stream";

const shared = new Map<string, Shared>();

function sharedOf(key: string, tenant: string | null): Shared {
  const name = `${key} ${tenant ?? ""}`;
  const known = shared.get(name) ?? new Shared(key, tenant);
  shared.set(name, known);
  return known;
}

/** Hears what happens to the tenant that is shown, or to all of them. */
export function useLive(onItem: (item: Item) => void): State {
  const key = useKey();
  const tenant = useTenant();
  const [state, setState] = useState<State>("off");
  const heard = useEffectEvent(onItem);
  useEffect(() => {
    if (key === null) return;
    const stream = sharedOf(key, tenant);
    setState(stream.state);
    return stream.listen({ item: (item) => heard(item), state: setState });
  }, [key, tenant]);
  return state;
}

/** So often what a view shows is asked for again while things happen. */
const REFRESH_MS = 4_000;

/**
 * Asks again for what a view shows when something has happened that `concerns` it: at once after a
 * silence, and then at most once in four seconds. Lists that were scrolled down stay as they are.
 */
export function useRefresh(keys: readonly string[], concerns: (item: Item) => boolean = () => true): State {
  const client = useQueryClient();
  const [pending] = useState<{ timer?: ReturnType<typeof setTimeout>; last: number }>({ last: 0 });
  useEffect(() => () => clearTimeout(pending.timer), [pending]);
  return useLive((item) => {
    // What was left out may concern the view.
    if (pending.timer !== undefined || (item.kind !== "skipped" && !concerns(item))) return;
    const refresh = () => {
      pending.timer = undefined;
      pending.last = performance.now();
      void client.invalidateQueries({ predicate: ({ queryKey, state }) => named(queryKey, keys) && isShort(state.data) });
    };
    pending.timer = setTimeout(refresh, Math.max(300, pending.last + REFRESH_MS - performance.now()));
  });
}

function named(key: QueryKey, names: readonly string[]): boolean {
  return names.includes(String(key[1]));
}

function isShort(data: unknown): boolean {
  const pages = (data as { pages?: unknown[] } | undefined)?.pages;
  return !Array.isArray(pages) || pages.length <= 1;
}
