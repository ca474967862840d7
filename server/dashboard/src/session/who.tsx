import { useQuery } from "@tanstack/react-query";
import { createContext, use, type ReactNode } from "react";
import { ALL, answer, apiFor, type Api } from "../api/client";
import type { Scope, Whoami } from "../api/types";
import { useSearchValue } from "../route/filters";
import { measure } from "../time/clock";
import { useKey } from "./key";

const Who = createContext<Whoami | null>(null);

/** Asks whose the key is. The answer also tells the time of the server. */
export function useWhoami() {
  const key = useKey();
  return useQuery({
    queryKey: ["whoami", key],
    enabled: key !== null,
    refetchInterval: 300_000,
    queryFn: async ({ signal }) => {
      const before = performance.now();
      const who = await answer(apiFor(null).GET("/v1/whoami", { signal }));
      measure(who.server_time, before, performance.now());
      return who;
    },
  });
}

export function WhoProvider({ who, children }: { who: Whoami; children: ReactNode }) {
  return <Who value={who}>{children}</Who>;
}

/** Who is signed in. */
export function useWho(): Whoami {
  const who = use(Who);
  if (who === null) throw new Error("nobody is signed in");
  return who;
}

/** The tenant that the page shows: one, `*`, or `null` for that of the key. */
export function useTenant(): string | null {
  const who = useWho();
  const chosen = useSearchValue("tenant");
  return who.tenant === null ? (chosen ?? ALL) : null;
}

/** The client for that tenant. */
export function useApi(): Api {
  return apiFor(useTenant());
}

/** For routes that are of one tenant: the one that is shown, else the one that the key acts for. */
export function useOneTenant(): string | null {
  const who = useWho();
  const tenant = useTenant();
  return tenant === ALL ? who.acting_for : tenant;
}

/** What can be done by a key. `read` is part of `manage`. */
export type May = "read" | "publish" | "manage" | "retry" | "test" | "endpoints" | "all_tenants";

const BY: Readonly<Record<Exclude<May, "all_tenants">, readonly Scope[]>> = {
  read: ["read", "manage"],
  publish: ["publish"],
  manage: ["manage"],
  retry: ["manage", "retry"],
  test: ["manage", "test"],
  endpoints: ["manage", "manage_endpoints"],
};

/** Whether this key may do this. What it may not is not shown. */
export function may(who: Whoami, what: May): boolean {
  if (what === "all_tenants") return who.tenant === null;
  return BY[what].some((scope) => who.scopes.includes(scope));
}

export function useMay(what: May): boolean {
  return may(useWho(), what);
}
