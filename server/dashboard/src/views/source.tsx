import { useState } from "react";
import { useLocation, useParams } from "wouter";
import { useAct, useAsk, usePages } from "../api/ask";
import { BASE } from "../api/client";
import type { Receipt, Source } from "../api/types";
import { Copy } from "../parts/copy";
import { Confirm } from "../parts/dialog";
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
  const [asks, setAsks] = useState(false);
  const source = asked.data;
  const acts = mayManage && source && (
    <button type="button" onClick={() => setAsks(true)}>
      <Icon name="bin" /> Delete
    </button>
  );
  return (
    <View title={source?.name ?? "Source"} back={["/sources", "Sources"]} acts={acts}>
      {asked.error && <Failure problem={asked.error} again={() => void asked.refetch()} />}
      {asked.isPending && <Loading />}
      {source && (
        <>
          <Panel title="About it">
            <Facts
              of={[
                ["Provider", source.provider],
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
                ["Secrets", `${source.secrets.length}, never shown`],
                ["Made", <When key="m" at={source.created_at} />],
              ]}
            />
          </Panel>
          <Receipts source={source} />
          {asks && <Delete source={source} close={() => setAsks(false)} />}
        </>
      )}
    </View>
  );
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
