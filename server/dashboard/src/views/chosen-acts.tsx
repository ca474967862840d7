import { useState } from "react";
import { useAct } from "../api/ask";
import type { ShortDelivery } from "../api/types";
import { Confirm } from "../parts/dialog";
import { Icon } from "../parts/icon";
import { useMay } from "../session/who";
import { count } from "../time/format";

type Results = { results: { problem?: { detail: string } | null }[] };

function said(verb: string, { results }: Results): string {
  const refused = results.filter(({ problem }) => problem != null);
  const first = refused[0]?.problem?.detail;
  return `${count(results.length - refused.length)} ${verb}.${refused.length > 0 ? ` ${count(refused.length)} not: ${first ?? ""}` : ""}`;
}

/** Acts on those that were chosen one by one. They are of one tenant: the API takes no other. */
export function ChosenActs({ chosen, done }: { chosen: ReadonlyMap<string, ShortDelivery>; done: () => void }) {
  const [asks, setAsks] = useState(false);
  const mayDiscard = useMay("manage");
  const first = [...chosen.values()][0];
  const act = useAct({ tenant: first?.tenant ?? null });
  const ids = [...chosen.values()].filter(({ tenant }) => tenant === first?.tenant).map(({ id }) => id);
  const others = chosen.size - ids.length;
  const resend = async () => {
    if (await act.run((api) => api.POST("/v1/dead-letters/resend", { body: { ids } }), (made) => said("resent", made))) done();
  };
  const discard = async () => {
    if (await act.run((api) => api.POST("/v1/dead-letters/discard", { body: { ids } }), (made) => said("discarded", made))) done();
  };
  return (
    <>
      <strong aria-live="polite">{count(chosen.size)} chosen</strong>
      <button type="button" className="primary" disabled={act.busy} onClick={() => void resend()}>
        <Icon name="retry" /> Resend {count(ids.length)}
      </button>
      {mayDiscard && (
        <button type="button" disabled={act.busy} onClick={() => setAsks(true)}>
          <Icon name="bin" /> Discard {count(ids.length)}
        </button>
      )}
      <button type="button" className="small" onClick={done}>
        Choose none
      </button>
      {others > 0 && <span className="dim">{count(others)} of other tenants are left out.</span>}
      {asks && (
        <Confirm title={`Discard ${count(ids.length)} dead letters?`} act="Discard" danger busy={act.busy} problem={act.problem} onAct={() => void discard()} close={() => setAsks(false)}>
          <p>They can no longer be resent. They stay in the history as discarded. Lanes that have stopped at one of them go on.</p>
        </Confirm>
      )}
    </>
  );
}
