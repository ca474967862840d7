import { useState } from "react";
import { useLocation } from "wouter";
import { useAct } from "../api/ask";
import type { Attempt, Endpoint } from "../api/types";
import { Confirm, Dialog } from "../parts/dialog";
import { TextField } from "../parts/fields";
import { Icon } from "../parts/icon";
import { to } from "../route/filters";
import { useMay } from "../session/who";
import { count } from "../time/format";
import { AttemptView } from "../parts/attempt-view";
import { Backfill } from "./endpoint-backfill";

type Asks = "disable" | "delete" | "test" | "backfill" | null;

/** What can be done with an endpoint. */
export function EndpointActs({ endpoint }: { endpoint: Endpoint }) {
  const [asks, setAsks] = useState<Asks>(null);
  const act = useAct({ tenant: endpoint.tenant });
  const mayManage = useMay("endpoints");
  const mayTest = useMay("test");
  const mayBackfill = useMay("manage");
  const path = { params: { path: { id: endpoint.id } } };
  const close = () => setAsks(null);
  const pause = () => act.run((api) => api.POST("/v1/endpoints/{id}/pause", path), "Paused: events queue up.");
  const resume = () => act.run((api) => api.POST("/v1/endpoints/{id}/resume", path), "Resumed: what waits is sent now.");
  const enable = () => act.run((api) => api.POST("/v1/endpoints/{id}/enable", path), "Enabled: what waits is sent now.");
  return (
    <>
      {mayTest && (
        <button type="button" onClick={() => setAsks("test")}>
          <Icon name="play" /> Send a test
        </button>
      )}
      {mayBackfill && (
        <button type="button" onClick={() => setAsks("backfill")}>
          <Icon name="retry" /> Backfill
        </button>
      )}
      {mayManage && endpoint.status === "active" && (
        <button type="button" disabled={act.busy} onClick={() => void pause()}>
          <Icon name="pause" /> Pause
        </button>
      )}
      {mayManage && endpoint.status === "paused" && (
        <button type="button" className="primary" disabled={act.busy} onClick={() => void resume()}>
          <Icon name="play" /> Resume
        </button>
      )}
      {mayManage && endpoint.status === "disabled" && (
        <button type="button" className="primary" disabled={act.busy} onClick={() => void enable()}>
          <Icon name="play" /> Enable
        </button>
      )}
      {mayManage && endpoint.status !== "disabled" && (
        <button type="button" onClick={() => setAsks("disable")}>
          <Icon name="off" /> Disable
        </button>
      )}
      {mayManage && (
        <button type="button" onClick={() => setAsks("delete")}>
          <Icon name="bin" /> Delete
        </button>
      )}
      {asks === "disable" && <Disable endpoint={endpoint} close={close} />}
      {asks === "delete" && <Delete endpoint={endpoint} close={close} />}
      {asks === "test" && <Test endpoint={endpoint} close={close} />}
      {asks === "backfill" && <Backfill endpoint={endpoint} close={close} />}
    </>
  );
}

function Disable({ endpoint, close }: { endpoint: Endpoint; close: () => void }) {
  const act = useAct({ quiet: true, tenant: endpoint.tenant });
  const run = async () => {
    const done = await act.run((api) => api.POST("/v1/endpoints/{id}/disable", { params: { path: { id: endpoint.id } } }), "Disabled.");
    if (done) close();
  };
  return (
    <Confirm title="Disable this endpoint?" act="Disable" danger busy={act.busy} problem={act.problem} onAct={() => void run()} close={close}>
      <p>
        New events for it are refused: it misses them, unless it is backfilled later. To hold them back instead, pause it. The {count(endpoint.counts?.pending)} deliveries
        that wait stay in their lanes until it is enabled.
      </p>
    </Confirm>
  );
}

function Delete({ endpoint, close }: { endpoint: Endpoint; close: () => void }) {
  const act = useAct({ quiet: true, tenant: endpoint.tenant });
  const [, go] = useLocation();
  const run = async () => {
    let done = false;
    await act.run(
      (api) => api.DELETE("/v1/endpoints/{id}", { params: { path: { id: endpoint.id } } }),
      () => {
        done = true;
        return "The endpoint is deleted.";
      },
    );
    if (done) go(to("/endpoints"));
  };
  return (
    <Confirm title="Delete this endpoint?" act="Delete for good" danger busy={act.busy} problem={act.problem} onAct={() => void run()} close={close}>
      <p className="mono break">{endpoint.url}</p>
      <p>
        <strong>{count(endpoint.counts?.pending)}</strong> pending deliveries are discarded and <strong>{count(endpoint.counts?.dead_letters)}</strong> dead
        letters can no longer be resent. Its history stays until its retention is over. Its secret is gone for good.
      </p>
    </Confirm>
  );
}

function Test({ endpoint, close }: { endpoint: Endpoint; close: () => void }) {
  const act = useAct({ quiet: true, tenant: endpoint.tenant });
  const [type, setType] = useState("postrider.ping");
  const [attempt, setAttempt] = useState<Attempt | null>(null);
  const run = async () => {
    const made = await act.run(
      (api) => api.POST("/v1/endpoints/{id}/test", { params: { path: { id: endpoint.id } }, body: { type } }),
      ({ status, failure }) => (status ? `The receiver answered ${status}.` : `No answer: ${failure ?? "the request failed"}.`),
    );
    if (made) setAttempt(made);
  };
  return (
    <Dialog title="Send a test" close={close} wide>
      <p className="dim">It is sent at once and waits for nothing. It is not recorded. If it succeeds, what waits for the endpoint is made due.</p>
      <TextField label="Event type" value={type} set={setType} mono />
      {act.problem && <p className="wrong">{`${act.problem.title} ${act.problem.detail}`}</p>}
      {attempt && <AttemptView attempt={attempt} />}
      <footer>
        <button type="button" onClick={close}>
          Close
        </button>
        <button type="button" className="primary" disabled={act.busy} onClick={() => void run()}>
          {act.busy ? "Sending…" : attempt ? "Send another" : "Send"}
        </button>
      </footer>
    </Dialog>
  );
}
