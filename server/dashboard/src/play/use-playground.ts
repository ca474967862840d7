import { useQuery } from "@tanstack/react-query";
import { answer, apiFor } from "../api/client";
import type { PlaygroundReceiver } from "../api/types";
import type { Problem } from "../api/problem";
import { may, useWho } from "../session/who";

/** The receivers of the server's own. A server without them answers with a problem that says so. */
export function usePlayground() {
  const who = useWho();
  return useQuery<readonly PlaygroundReceiver[], Problem>({
    queryKey: [null, "playground"],
    enabled: !who.portal && may(who, "read"),
    // Its port is another after each start, which the page outlives.
    staleTime: 60_000,
    queryFn: async ({ signal }) => (await answer(apiFor(null).GET("/v1/playground", { signal }))).receivers,
  });
}
