import { useInfiniteQuery, useQuery, useQueryClient } from "@tanstack/react-query";
import { useCallback, useMemo, useState } from "react";
import { tell } from "../parts/told";
import { useOneTenant, useTenant } from "../session/who";
import { answer, apiFor, isProblem, type Answer, type Api } from "./client";
import { toDo, type Problem } from "./problem";
import type { Page } from "./types";

interface Options {
  /** For routes that are of one tenant. */
  one?: boolean;
  /** Another tenant than the one that is shown, for a key that may. */
  tenant?: string | undefined;
  enabled?: boolean;
  refetchInterval?: number;
  staleTime?: number;
}

function useWhose(one: boolean, other: string | undefined): string | null {
  const shown = useTenant();
  const single = useOneTenant();
  // A key of one tenant acts for that alone.
  if (shown === null) return null;
  return other ?? (one ? single : shown);
}

/** Asks for one thing. The key names it; the tenant is part of it by itself. */
export function useAsk<T>(
  key: readonly unknown[],
  ask: (api: Api, signal: AbortSignal) => Promise<Answer<T>>,
  { one = false, tenant: other, ...options }: Options = {},
) {
  const tenant = useWhose(one, other);
  return useQuery<T, Problem>({
    queryKey: [tenant, ...key],
    queryFn: ({ signal }) => answer(ask(apiFor(tenant), signal)),
    ...options,
  });
}

export interface Pages<T> {
  rows: readonly T[];
  isPending: boolean;
  error: Problem | null;
  hasMore: boolean;
  isLoadingMore: boolean;
  more: () => void;
  again: () => void;
}

/** Asks for a list, a page at a time. */
export function usePages<T>(
  key: readonly unknown[],
  ask: (api: Api, cursor: string | undefined, signal: AbortSignal) => Promise<Answer<Page<T>>>,
  { one = false, tenant: other, ...options }: Options = {},
): Pages<T> {
  const tenant = useWhose(one, other);
  const query = useInfiniteQuery({
    queryKey: [tenant, ...key],
    queryFn: ({ signal, pageParam }) => answer(ask(apiFor(tenant), pageParam, signal)),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (last: Page<T>) => last.next ?? undefined,
    // Comparing what is there with what is there costs more than it saves in long lists.
    structuralSharing: false,
    ...options,
  });
  const { data, fetchNextPage, refetch } = query;
  const rows = useMemo(() => data?.pages.flatMap((page) => page.data) ?? [], [data]);
  const more = useCallback(() => void fetchNextPage({ cancelRefetch: false }), [fetchNextPage]);
  const again = useCallback(() => void refetch(), [refetch]);
  return {
    rows,
    isPending: query.isPending,
    error: isProblem(query.error) ? query.error : null,
    hasMore: query.hasNextPage,
    isLoadingMore: query.isFetchingNextPage,
    more,
    again,
  };
}

export interface Act {
  busy: boolean;
  problem: Problem | null;
  /** Does it, says what has come of it, and asks anew for what the page shows. */
  run: <T>(what: (api: Api) => Promise<Answer<T>>, done: string | ((made: T) => string)) => Promise<T | undefined>;
  clear: () => void;
}

/** An act that changes something. `quiet`: the caller shows the problem itself. */
export function useAct({ quiet = false, tenant }: { quiet?: boolean; tenant?: string | null } = {}): Act {
  const shown = useOneTenant();
  const whose = useTenant() === null ? null : (tenant ?? shown);
  const client = useQueryClient();
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);
  const run: Act["run"] = async (what, done) => {
    setBusy(true);
    setProblem(null);
    try {
      const made = await answer(what(apiFor(whose)));
      const text = typeof done === "function" ? done(made) : done;
      if (text) tell(text);
      void client.invalidateQueries();
      return made;
    } catch (error) {
      if (!isProblem(error)) throw error;
      setProblem(error);
      if (!quiet) tell(`${error.title} ${error.detail} ${toDo(error)}`, "bad");
      return undefined;
    } finally {
      setBusy(false);
    }
  };
  return { busy, problem, run, clear: () => setProblem(null) };
}
