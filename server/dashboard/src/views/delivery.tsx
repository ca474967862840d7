import { useParams } from "wouter";
import { useAsk } from "../api/ask";
import { bytesOf } from "../api/forms";
import type { Attempt, Delivery } from "../api/types";
import { useRefresh } from "../live/live";
import { AttemptView, inWords } from "../parts/attempt-view";
import { Facts, Panel } from "../parts/facts";
import { Id } from "../parts/id";
import { View } from "../parts/page";
import { Body, saveBytes } from "../parts/payload";
import { DiscardButton, RetryButton } from "../parts/retry-now";
import { Failure, Loading } from "../parts/states";
import { Outcome, REASONS, Status } from "../parts/status";
import { WaitView } from "../parts/wait";
import { useFilters } from "../route/filters";
import { span } from "../time/format";
import { When } from "../time/show";
import { CurlButton } from "./attempt-curl";

export default function DeliveryPage() {
  const { id = "" } = useParams<{ id: string }>();
  const [{ attempt: chosen }, set] = useFilters(["attempt"]);
  const asked = useAsk(["delivery", id], (api, signal) => api.GET("/v1/deliveries/{id}", { params: { path: { id } }, signal }));
  useRefresh(["delivery"], ({ data }) => data.delivery_id === id);
  const delivery = asked.data;
  const rows = delivery?.attempts ?? [];
  const shown = rows.find(({ number }) => number === Number(chosen)) ?? rows.at(-1);
  return (
    <View
      title={delivery ? `Delivery of ${delivery.event_type}` : "Delivery"}
      back={["/events", "Events"]}
      beside={delivery && <Beside delivery={delivery} />}
      acts={
        delivery && (
          <>
            <RetryButton delivery={delivery} small={false} />
            <DiscardButton delivery={delivery} small={false} />
          </>
        )
      }
    >
      {asked.error && <Failure problem={asked.error} again={() => void asked.refetch()} />}
      {asked.isPending && <Loading />}
      {delivery && <About delivery={delivery} again={() => void asked.refetch()} />}
      {delivery && rows.length === 0 && <p className="panel dim none">No attempt was made yet.</p>}
      {delivery && shown && (
        <Panel title={`Attempt ${shown.number} of ${rows.length}`} aside={<CurlButton delivery={delivery} attempt={shown} />}>
          <AttemptChoice rows={rows} shown={shown} choose={(number) => set({ attempt: String(number) })} />
          <AttemptView attempt={shown} body={<RequestBody delivery={delivery} attempt={shown} />} />
        </Panel>
      )}
    </View>
  );
}

function Beside({ delivery }: { delivery: Delivery }) {
  return (
    <p className="beside">
      <Status of={delivery.state} />
      <Id id={delivery.id} full copy />
    </p>
  );
}

function About({ delivery: it, again }: { delivery: Delivery; again: () => void }) {
  return (
    <Panel title="About it">
      {it.wait && (
        <p className="banner warn">
          <WaitView wait={it.wait} tenant={it.tenant} onDue={again} /> <span>{it.wait.detail}</span>
        </p>
      )}
      {it.reason && <p className="banner bad">It failed for good: {REASONS[it.reason] ?? it.reason}.</p>}
      <Facts
        of={[
          ["Event", <Id key="e" id={it.event_id} tenant={it.tenant} copy />],
          ["Endpoint", <Id key="p" id={it.endpoint_id} tenant={it.tenant} copy />],
          ["Lane", it.ordering_key ?? "the endpoint's own"],
          ["Place in the lane", it.place],
          ["Accepted", <When key="a" at={it.created_at} exact />],
          it.ended_at ? ["Ended", <When key="n" at={it.ended_at} exact />] : null,
          it.resend_of ? ["Makes anew", <Id key="o" id={it.resend_of} tenant={it.tenant} />] : null,
          it.resent_as ? ["Resent as", <Id key="r" id={it.resent_as} tenant={it.tenant} />] : null,
          ["Tenant", it.tenant],
        ]}
      />
    </Panel>
  );
}

function AttemptChoice({ rows, shown, choose }: { rows: readonly Attempt[]; shown: Attempt; choose: (number: number) => void }) {
  if (rows.length < 2) return null;
  return (
    <ol className="attempt-choice" aria-label="Attempts">
      {rows.map((attempt) => (
        <li key={attempt.number}>
          <button type="button" aria-pressed={attempt.number === shown.number} onClick={() => choose(attempt.number)} title={inWords(attempt)}>
            <span>{attempt.number}</span> <Outcome status={attempt.status} failure={attempt.failure} /> <span className="dim">{span(attempt.duration_ms)}</span>
          </button>
        </li>
      ))}
    </ol>
  );
}

/** The body of the request, byte for byte: the payload, or what a template made of it. */
function RequestBody({ delivery, attempt }: { delivery: Delivery; attempt: Attempt }) {
  const path = { id: delivery.id, number: attempt.number };
  const asked = useAsk(
    ["request-body", delivery.id, attempt.number],
    (api, signal) => bytesOf(api.GET("/v1/deliveries/{id}/attempts/{number}/request-body", { params: { path }, parseAs: "arrayBuffer", signal })),
    { staleTime: Infinity },
  );
  if (asked.error) return <Failure problem={asked.error} again={() => void asked.refetch()} />;
  if (asked.data === undefined) return <Loading lines={3} what="The body of the request" />;
  const { data } = asked;
  const note = attempt.request_body?.is_payload ? "the payload itself" : "made for this endpoint";
  return <Body label="Body of the request" data={data} note={note} save={() => saveBytes(data, `${delivery.id}-${attempt.number}.bin`)} />;
}
