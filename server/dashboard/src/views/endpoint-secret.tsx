import { useEffect, useState } from "react";
import { useAct } from "../api/ask";
import type { Endpoint } from "../api/types";
import { Copy } from "../parts/copy";
import { Confirm, Dialog } from "../parts/dialog";
import { SelectField, TextField } from "../parts/fields";
import { Panel } from "../parts/facts";
import { Icon } from "../parts/icon";
import { Failure } from "../parts/states";
import { Countdown, When } from "../time/show";

/** The secret: shown when it is asked for, and rotated. */
export function EndpointSecret({ endpoint }: { endpoint: Endpoint }) {
  const [secret, setSecret] = useState<string | null>(null);
  const [asks, setAsks] = useState<"rotate" | "end" | null>(null);
  const act = useAct({ tenant: endpoint.tenant });
  const path = { params: { path: { id: endpoint.id } } };
  const reveal = async () => {
    const made = await act.run((api) => api.GET("/v1/endpoints/{id}/secret", path), "");
    if (made) setSecret(made.secret);
  };
  const rotating = endpoint.secrets.some(({ signs_until }) => signs_until != null);
  return (
    <>
      <Panel title="Secrets that sign">
        <ul className="short-list secrets">
          {endpoint.secrets.map(({ kind, signs_until }, at) => (
            <li key={`${at} ${kind}`}>
              <Icon name="key" />
              <span className="lead">
                {at === endpoint.secrets.length - 1 ? "The newest secret" : "An older secret"} <span className="dim">({kind === "hmac" ? "HMAC" : "ed25519"})</span>
              </span>
              <span className="end">
                {signs_until ? (
                  <>
                    signs for another <Countdown until={signs_until} /> <span className="dim">(until <When at={signs_until} />)</span>
                  </>
                ) : (
                  "signs until it is rotated"
                )}
              </span>
            </li>
          ))}
        </ul>
        <div className="acts">
          <button type="button" onClick={() => void reveal()} disabled={act.busy}>
            Show the secret
          </button>
          <button type="button" onClick={() => setAsks("rotate")}>
            <Icon name="retry" /> Rotate
          </button>
          {rotating && (
            <button type="button" onClick={() => setAsks("end")}>
              End the overlap now
            </button>
          )}
        </div>
      </Panel>
      {secret !== null && <Revealed secret={secret} title="The secret" close={() => setSecret(null)} />}
      {asks === "rotate" && <Rotate endpoint={endpoint} close={() => setAsks(null)} made={setSecret} />}
      {asks === "end" && <EndOverlap endpoint={endpoint} close={() => setAsks(null)} />}
    </>
  );
}

/** So long a secret stays on the page. */
const SHOWN_MS = 120_000;

/** A secret, which goes from the page when the dialog is closed, or after two minutes. */
export function Revealed({ secret, title, close, note }: { secret: string; title: string; close: () => void; note?: string }) {
  useEffect(() => {
    const timer = setTimeout(close, SHOWN_MS);
    return () => clearTimeout(timer);
  }, [close]);
  return (
    <Dialog title={title} close={close}>
      <p className="revealed">
        <code>{secret}</code>
        <Copy text={secret} label="Copy the secret" />
      </p>
      <p className="dim">{note ?? "Give it to the receiver, over a way that you trust. It goes from this page when you close it."}</p>
      <footer>
        <button type="button" className="primary" onClick={close}>
          Done
        </button>
      </footer>
    </Dialog>
  );
}

const OVERLAPS = [
  ["0", "not at all"],
  ["3600", "an hour"],
  ["86400", "a day"],
  ["604800", "a week"],
] as const;

function Rotate({ endpoint, close, made }: { endpoint: Endpoint; close: () => void; made: (secret: string) => void }) {
  const act = useAct({ quiet: true, tenant: endpoint.tenant });
  const [overlap, setOverlap] = useState("86400");
  const [own, setOwn] = useState("");
  const run = async () => {
    const body = { overlap_seconds: Number(overlap), ...(own ? { secret: own } : {}) };
    const answer = await act.run(
      (api) => api.POST("/v1/endpoints/{id}/rotate-secret", { params: { path: { id: endpoint.id } }, body }),
      "The secret is rotated.",
    );
    if (!answer) return;
    close();
    made(answer.secret);
  };
  return (
    <Confirm title="Rotate the secret?" act="Rotate" busy={act.busy} problem={act.problem} onAct={() => void run()} close={close}>
      <p>From now on a new secret signs. The old ones sign beside it for a while, so that the receiver can be changed in peace.</p>
      <SelectField label="Old secrets go on for" value={overlap} set={setOverlap} choices={OVERLAPS} />
      <TextField label="New secret" value={own} set={setOwn} mono hint="Leave it empty to have one made." />
    </Confirm>
  );
}

function EndOverlap({ endpoint, close }: { endpoint: Endpoint; close: () => void }) {
  const act = useAct({ quiet: true, tenant: endpoint.tenant });
  const run = async () => {
    const done = await act.run((api) => api.POST("/v1/endpoints/{id}/end-overlap", { params: { path: { id: endpoint.id } } }), "Only the newest secret signs now.");
    if (done) close();
  };
  return (
    <Confirm title="End the overlap now?" act="End it" danger busy={act.busy} onAct={() => void run()} close={close}>
      <p>Only the newest secret signs from now on. A receiver that still checks with an older one refuses everything.</p>
      {act.problem && <Failure problem={act.problem} />}
    </Confirm>
  );
}
