import { useParams } from "wouter";
import { useAsk } from "../api/ask";
import { bytesOf, short } from "../api/forms";
import type { EventDetail } from "../api/types";
import { useRefresh } from "../live/live";
import { deliveryColumns } from "../parts/delivery-columns";
import { Headers } from "../parts/attempt-view";
import { Facts, Panel } from "../parts/facts";
import { Id } from "../parts/id";
import { View } from "../parts/page";
import { Body, saveBytes } from "../parts/payload";
import { ending } from "../parts/payload-bytes";
import { Grid } from "../parts/rows";
import { Failure, Loading } from "../parts/states";
import { Status } from "../parts/status";
import { EventTimeline } from "../parts/timeline";
import { useMay } from "../session/who";
import { When } from "../time/show";
import { WhyNot } from "./why-not";

export default function EventPage() {
  const { id = "" } = useParams<{ id: string }>();
  const asked = useAsk(["event", id], (api, signal) => api.GET("/v1/events/{id}", { params: { path: { id } }, signal }));
  const act = useMay("retry");
  useRefresh(["event", "event-deliveries"], ({ data }) => data.event_id === id);
  const event = asked.data;
  const list = useAsk(
    ["event-deliveries", id],
    (api, signal) => short(api.GET("/v1/deliveries", { params: { query: { event_id: id, view: "short", order: "oldest", limit: 100 } }, signal })),
    { enabled: event !== undefined },
  );
  return (
    <View title={event?.type ?? "Event"} back={["/events", "Events"]} beside={event && <Beside event={event} />}>
      {asked.error && <Failure problem={asked.error} again={() => void asked.refetch()} />}
      {asked.isPending && <Loading />}
      {event && (
        <>
          {event.payload_unreadable && <p className="banner warn">The payload cannot be read: {event.payload_unreadable}. Endpoints with a filter did not get it.</p>}
          <Panel title="Timeline">
            <EventTimeline event={event} />
          </Panel>
          <Panel title="Deliveries">
            {list.error && <Failure problem={list.error} again={() => void list.refetch()} />}
            {list.isPending && <Loading lines={3} what="Deliveries" />}
            {list.data && list.data.data.length === 0 && <p className="dim none">No endpoint got it.</p>}
            {list.data && list.data.data.length > 0 && <Grid label="Deliveries" rows={list.data.data} columns={deliveryColumns({ endpoint: true, type: false, act })} rowKey={({ id }) => id} />}
          </Panel>
          <Panel title="Why did an endpoint not get it?">
            <WhyNot event={event} />
          </Panel>
          <Panel title="Payload">
            <ExactPayload event={event} />
          </Panel>
          {Object.keys(event.headers).length > 0 && (
            <Panel title="Headers">
              <Headers label="Headers of the event" of={Object.entries(event.headers)} />
            </Panel>
          )}
          <Panel title="About it">
            <Facts
              of={[
                ["Accepted", <When key="a" at={event.published_at} exact />],
                event.deliver_after ? ["For later", <When key="l" at={event.deliver_after} exact />] : null,
                ["Ordering key", event.ordering_key ?? "none: the lane of each endpoint"],
                ["Idempotency key", event.idempotency_key ?? "none"],
                ["Tenant", event.tenant],
                event.content_type && event.content_type !== "application/json" ? ["Media type", event.content_type] : null,
                event.content_encoding ? ["Coded as", event.content_encoding] : null,
                event.last_error ? ["Last error", event.last_error] : null,
              ]}
            />
          </Panel>
        </>
      )}
    </View>
  );
}

function Beside({ event }: { event: EventDetail }) {
  return (
    <p className="beside">
      <Status of={event.state} />
      <Id id={event.id} full copy />
    </p>
  );
}

/** The bytes as they were published: parsed and written again they would be others. */
function ExactPayload({ event: { id, content_type, content_encoding: coding } }: { event: EventDetail }) {
  const asked = useAsk(
    ["payload", id],
    (api, signal) => bytesOf(api.GET("/v1/events/{id}/payload", { params: { path: { id } }, parseAs: "arrayBuffer", signal })),
    { staleTime: Infinity },
  );
  if (asked.error) return <Failure problem={asked.error} again={() => void asked.refetch()} />;
  if (asked.data === undefined) return <Loading lines={4} what="The payload" />;
  const { data } = asked;
  const note = coding ? `${content_type}, ${coding}` : content_type;
  return <Body label="The payload" data={data} note={note} save={() => saveBytes(data, `${id}.${ending(content_type, coding)}`)} />;
}
