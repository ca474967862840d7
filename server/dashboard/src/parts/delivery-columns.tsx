import type { ShortDelivery } from "../api/types";
import { count, span } from "../time/format";
import { When } from "../time/show";
import { EndpointRef } from "./endpoint-ref";
import { Id } from "./id";
import { RetryButton } from "./retry-now";
import type { Column } from "./rows";
import { LastOutcome, REASONS, Status } from "./status";
import { WaitView } from "./wait";

/** What became of it last, or what it waits for. */
function Now({ delivery }: { delivery: ShortDelivery }) {
  if (delivery.wait) return <WaitView wait={delivery.wait} tenant={delivery.tenant} brief />;
  const { last_attempt: last, reason } = delivery;
  const why = reason ? REASONS[reason] : (last?.error ?? "");
  return (
    <span className="dim clip" title={why}>
      {why}
    </span>
  );
}

const STATE: Column<ShortDelivery> = { head: "State", width: "108px", narrow: "lead", cell: ({ state }) => <Status of={state} /> };
const ID: Column<ShortDelivery> = { head: "Delivery", width: "118px", narrow: "end", cell: ({ id, tenant }) => <Id id={id} tenant={tenant} /> };
const TYPE: Column<ShortDelivery> = {
  head: "Event type",
  width: "minmax(116px, 1.2fr)",
  cell: ({ event_type, ordering_key }) => (
    <span className="two">
      <span className="clip" title={event_type}>
        {event_type}
      </span>
      {ordering_key && (
        <span className="dim clip mono" title={ordering_key}>
          {ordering_key}
        </span>
      )}
    </span>
  ),
};
const ENDPOINT: Column<ShortDelivery> = {
  head: "Endpoint",
  width: "minmax(108px, 1.2fr)",
  cell: ({ endpoint_id, tenant }) => <EndpointRef id={endpoint_id} tenant={tenant} />,
};
const ANSWER: Column<ShortDelivery> = { head: "Answer", width: "84px", cell: (delivery) => <LastOutcome delivery={delivery} /> };
const ATTEMPTS: Column<ShortDelivery> = {
  head: "Attempts",
  width: "96px",
  number: true,
  narrow: "hide",
  cell: ({ attempt_count, last_attempt: last }) => (
    <>
      {count(attempt_count)}
      {last && <span className="dim"> · {span(last.duration_ms)}</span>}
    </>
  ),
};
const NOW: Column<ShortDelivery> = { head: "Why", width: "minmax(170px, 1.8fr)", cell: (delivery) => <Now delivery={delivery} /> };
const AT: Column<ShortDelivery> = { head: "Accepted", width: "76px", cell: ({ created_at }) => <When at={created_at} relative /> };
const ACT: Column<ShortDelivery> = { head: "Act", width: "126px", cell: (delivery) => <RetryButton delivery={delivery} /> };

/** The columns of a list of deliveries. */
export function deliveryColumns({ endpoint, type = true, act }: { endpoint: boolean; type?: boolean; act: boolean }): readonly Column<ShortDelivery>[] {
  return [STATE, ID, ...(type ? [TYPE] : []), ...(endpoint ? [ENDPOINT] : []), ANSWER, ATTEMPTS, NOW, AT, ...(act ? [ACT] : [])];
}
