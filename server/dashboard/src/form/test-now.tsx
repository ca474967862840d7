import { useState } from "react";
import { useAct } from "../api/ask";
import type { Attempt, EndpointForm } from "../api/types";
import { AttemptView } from "../parts/attempt-view";
import { Icon } from "../parts/icon";
import { Failure } from "../parts/states";

/** Sends a test by a form that is not saved. */
export function TestNow({ form, ready }: { form: () => EndpointForm | null; ready: boolean }) {
  const act = useAct({ quiet: true });
  const [attempt, setAttempt] = useState<Attempt | null>(null);
  const run = async () => {
    const body = form();
    if (!body) return;
    setAttempt(null);
    const made = await act.run(
      (api) => api.POST("/v1/endpoints/test", { body }),
      ({ status, failure }) => (status ? `The receiver answered ${status}.` : `No answer: ${failure ?? "the request failed"}.`),
    );
    if (made) setAttempt(made);
  };
  return (
    <div className="test-now">
      <button type="button" onClick={() => void run()} disabled={act.busy || !ready}>
        <Icon name="play" /> {act.busy ? "Sending…" : "Send a test now"}
      </button>
      <span className="dim"> Nothing is saved by it.</span>
      {act.problem && <Failure problem={act.problem} />}
      {attempt && <AttemptView attempt={attempt} />}
    </div>
  );
}
