import { useState } from "react";
import { useAct, useAsk } from "../api/ask";
import type { BulkFilter, BulkForm } from "../api/types";
import { Dialog } from "../parts/dialog";
import { TextField } from "../parts/fields";
import { Icon } from "../parts/icon";
import { Report, WatchLink } from "../parts/report";
import { Failure, Loading } from "../parts/states";
import { useTenant } from "../session/who";
import { now } from "../time/clock";
import { count } from "../time/format";
import { ALL } from "../api/client";

interface Props {
  act: BulkForm["act"];
  filter: BulkFilter;
  close: () => void;
}

/** A bulk act: what it would do, and then it is done. */
export function BulkDialog({ act: name, filter, close }: Props) {
  const all = useTenant() === ALL;
  const act = useAct({ quiet: true });
  const [rate, setRate] = useState("");
  const [started, setStarted] = useState<string | null>(null);
  // What was counted is what is done: nothing that was accepted since.
  const [until] = useState(() => filter.until ?? new Date(now()).toISOString());
  const whole = { ...filter, until };
  const dry = useAsk(
    ["bulk-dry-run", name, whole],
    (api, signal) => api.POST("/v1/dead-letters/bulk", { body: { act: name, filter: whole, dry_run: true }, signal }),
    { one: true, staleTime: Infinity },
  );
  const report = dry.data && "matched" in dry.data ? dry.data : undefined;
  const verb = name === "retry" ? "Retry" : "Discard";
  const run = async () => {
    const per_second = Number(rate);
    const body: BulkForm = { act: name, filter: whole, ...(per_second > 0 ? { per_second } : {}) };
    const made = await act.run(
      (api) => api.POST("/v1/dead-letters/bulk", { body }),
      () => "It has begun.",
    );
    if (made && "id" in made) setStarted(made.id);
  };
  return (
    <Dialog title={`${verb} dead letters`} close={close} wide>
      {all && <p className="banner warn">This acts for one tenant. Choose it at the top of the page to act for another one.</p>}
      {dry.error && <Failure problem={dry.error} again={() => void dry.refetch()} />}
      {dry.isPending && <Loading lines={4} what="Counting" />}
      {report && <Report report={report} act={name} />}
      {report && report.acted_on > 0 && name === "retry" && started === null && (
        <TextField label="How many in a second, at most" type="number" value={rate} set={setRate} placeholder="no limit" hint="A receiver that has just been mended may be glad of it." />
      )}
      {act.problem && <Failure problem={act.problem} />}
      <footer>
        {started !== null ? (
          <WatchLink id={started} />
        ) : (
          <>
            <button type="button" onClick={close}>
              Cancel
            </button>
            <button type="button" className={name === "discard" ? "danger" : "primary"} disabled={act.busy || !report || report.acted_on === 0} onClick={() => void run()}>
              <Icon name={name === "retry" ? "retry" : "bin"} />
              {act.busy ? "Working…" : `${verb} ${report ? count(report.acted_on) : "…"}`}
            </button>
          </>
        )}
      </footer>
    </Dialog>
  );
}
