import { useState } from "react";
import { useLocation, useParams } from "wouter";
import { useAct, useAsk, usePages } from "../api/ask";
import { BASE } from "../api/client";
import type { Receipt, Source } from "../api/types";
import { Copy } from "../parts/copy";
import { PROVIDERS } from "../form/providers";
import { changesOf, HANDSHAKES, sourceDraftOf } from "../form/source-draft";
import { SourceFields } from "../form/source-fields";
import { Confirm, Dialog } from "../parts/dialog";
import { Facts, Panel } from "../parts/facts";
import { Icon } from "../parts/icon";
import { Id } from "../parts/id";
import { View } from "../parts/page";
import { Rows, type Column } from "../parts/rows";
import { Empty, Failure, Loading } from "../parts/states";
import { Status } from "../parts/status";
import { to } from "../route/filters";
import { useMay } from "../session/who";
import { bytes } from "../time/format";
import { When } from "../time/show";

export default function SourcePage() {
  const { id = "" } = useParams<{ id: string }>();
  const asked = useAsk(["source", id], (api, signal) => api.GET("/v1/sources/{id}", { params: { path: { id } }, signal }), { one: true });
  const mayManage = useMay("manage");
  const [asks, setAsks] = useState<"change" | "delete" | null>(null);
  const close = () => setAsks(null);
  const source = asked.data;
  const acts = mayManage && source && (
    <>
      <button type="button" onClick={() => setAsks("change")}>
        Change
      </button>
      <button type="button" onClick={() => setAsks("delete")}>
        <Icon name="bin" /> Delete
      </button>
    </>
  );
  return (
    <View title={source?.name ?? "Source"} back={["/sources", "Sources"]} acts={acts}>
      {asked.error && <Failure problem={asked.error} again={() => void asked.refetch()} />}
      {asked.isPending && <Loading />}
      {source && (
        <>
          {!source.signed && <p className="banner warn">Nothing is signed: whoever can reach it is believed.</p>}
          <Panel title="About it">
            <Facts
              of={[
                ["Provider", PROVIDERS[source.provider][0]],
                [
                  "Address",
                  <span className="id" key="a">
                    <span className="mono break">{BASE + source.path}</span> <Copy text={BASE + source.path} label="Copy the address" />
                  </span>,
                ],
                ["Types begin with", <code key="p">{source.event_prefix}</code>],
                ["Tolerance", `${source.tolerance_s} s`],
                ["Networks", source.allowed_networks.length > 0 ? source.allowed_networks.join(", ") : "any"],
                source.custom ? ["Signed by", <code key="c">{JSON.stringify(source.custom)}</code>] : null,
                ["Secrets", secretsOf(source)],
                source.url ? ["URL that is signed", <span key="u" className="mono break">{source.url}</span>] : null,
                ["Answer", answerOf(source)],
                ["Handshake", handshakeOf(source)],
                ["Largest body", bytes(source.body_bytes_max)],
                ["Headers that events keep", source.headers.length > 0 ? source.headers.join(", ") : "none"],
                ["Made", <When key="m" at={source.created_at} />],
              ]}
            />
          </Panel>
          <Receipts source={source} />
          {asks === "change" && <Change source={source} close={close} />}
          {asks === "delete" && <Delete source={source} close={close} />}
        </>
      )}
    </View>
  );
}

function secretsOf({ secrets }: Source): string {
  const notes = secrets.flatMap(({ note }) => note ?? []);
  return [`${secrets.length}, never shown`, ...notes].join("; ");
}

function answerOf({ answer: { status, body, content_type } }: Source): string {
  if (status == null && body == null && content_type == null) return "what is usual for the provider";
  return [String(status ?? 200), content_type, body ? `“${body.slice(0, 200)}”` : "without a body"].filter(Boolean).join(" · ");
}

function handshakeOf({ handshake: { kind, has_verify_token, learn_secret, unsigned_pings } }: Source): string {
  const parts = [HANDSHAKES[kind], has_verify_token && "with a token", learn_secret && "the next one brings the secret", unsigned_pings && "unsigned pings are answered"];
  return parts.filter(Boolean).join(", ");
}

/** What came in, and what was refused and why. */
function Receipts({ source }: { source: Source }) {
  const pages = usePages(
    ["receipts", source.id],
    (api, cursor, signal) => api.GET("/v1/sources/{id}/receipts", { params: { path: { id: source.id }, query: { limit: 50, cursor } }, signal }),
    { one: true, refetchInterval: 5_000 },
  );
  const line = `curl -X POST '${BASE}${source.path}' -H 'Content-Type: application/json' -d '{}'`;
  return (
    <Panel title="Last receipts">
      <Rows
        label="Receipts"
        pages={pages}
        columns={COLUMNS}
        rowKey={({ at, provider_id, event_id, peer }) => `${at} ${provider_id ?? ""} ${event_id ?? ""} ${peer ?? ""}`}
        empty={
          <Empty title="Nothing has come in yet" curl={line}>
            This one has no signature, so it is refused, and is seen here:
          </Empty>
        }
      />
    </Panel>
  );
}

const COLUMNS: readonly Column<Receipt>[] = [
  { head: "Result", width: "112px", narrow: "lead", cell: ({ result }) => <Status of={result} /> },
  { head: "Event", width: "124px", narrow: "end", cell: ({ event_id }) => (event_id ? <Id id={event_id} /> : <span className="dim">none</span>) },
  {
    head: "Why",
    width: "minmax(180px, 2.2fr)",
    cell: ({ code, detail }) => (
      <span className="clip" title={detail ?? ""}>
        {code ? (
          <>
            <code>{code}</code> {detail}
          </>
        ) : (
          <span className="dim nil">–</span>
        )}
      </span>
    ),
  },
  { head: "Provider's id", width: "minmax(110px, 1fr)", cell: ({ provider_id }) => <span className="clip mono">{provider_id ?? "–"}</span> },
  { head: "From", width: "130px", narrow: "hide", cell: ({ peer }) => <span className="clip mono">{peer ?? "–"}</span> },
  { head: "Size", width: "80px", number: true, narrow: "hide", cell: ({ bytes: size }) => bytes(size) },
  { head: "At", width: "150px", cell: ({ at }) => <When at={at} /> },
];

function Change({ source, close }: { source: Source; close: () => void }) {
  const [before] = useState(() => sourceDraftOf(source));
  const [draft, setDraft] = useState(before);
  const act = useAct({ quiet: true, tenant: source.tenant });
  const body = changesOf(draft, before);
  const run = async () => {
    const done = await act.run((api) => api.PATCH("/v1/sources/{id}", { params: { path: { id: source.id } }, body }), "Saved.");
    if (done) close();
  };
  return (
    <Dialog title={`Change ${source.name}`} close={close} wide>
      <SourceFields draft={draft} set={setDraft} provider={source.provider} hasToken={source.handshake.has_verify_token} />
      {act.problem && <Failure problem={act.problem} />}
      <footer>
        <button type="button" onClick={close}>
          Cancel
        </button>
        <button type="button" className="primary" disabled={act.busy || Object.keys(body).length === 0} onClick={() => void run()}>
          Save
        </button>
      </footer>
    </Dialog>
  );
}

function Delete({ source, close }: { source: Source; close: () => void }) {
  const act = useAct({ quiet: true, tenant: source.tenant });
  const [, go] = useLocation();
  const run = () =>
    act.run(
      (api) => api.DELETE("/v1/sources/{id}", { params: { path: { id: source.id } } }),
      () => (go(to("/sources")), "The source is deleted."),
    );
  return (
    <Confirm title={`Delete ${source.name}?`} act="Delete" danger busy={act.busy} problem={act.problem} onAct={() => void run()} close={close}>
      <p>Webhooks to its address are refused from now on, and its receipts are gone. Events that it has made stay.</p>
    </Confirm>
  );
}
