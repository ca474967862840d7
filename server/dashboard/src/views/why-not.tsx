import { useState } from "react";
import { useAsk } from "../api/ask";
import type { EventDetail } from "../api/types";
import { shortUrl } from "../parts/endpoint-name";
import { SelectField } from "../parts/fields";
import { Icon } from "../parts/icon";
import { Failure, Loading } from "../parts/states";

/** Asks why an endpoint did not get an event, or did. */
export function WhyNot({ event }: { event: EventDetail }) {
  const [endpoint, setEndpoint] = useState("");
  const asked = useAsk(["endpoints", "names", event.tenant], (api, signal) => api.GET("/v1/endpoints", { params: { query: { view: "names", limit: 250 } }, signal }), { tenant: event.tenant });
  const got = new Set(event.deliveries.map(({ endpoint_id }) => endpoint_id));
  const all = asked.data?.data ?? [];
  const others = all.filter(({ id }) => !got.has(id));
  const choices = [...others, ...all.filter(({ id }) => got.has(id))].map(({ id, name, url }) => [id, `${name ?? shortUrl(url)}${got.has(id) ? " (got it)" : ""}`] as const);
  return (
    <div className="why-not">
      {asked.error && <Failure problem={asked.error} again={() => void asked.refetch()} />}
      <SelectField label="Endpoint" value={endpoint} set={setEndpoint} choices={[["", all.length === 0 ? "there are none" : "choose one"], ...choices]} />
      {endpoint && <Answer event={event} endpoint={endpoint} />}
    </div>
  );
}

function Answer({ event: { id, tenant }, endpoint }: { event: EventDetail; endpoint: string }) {
  const asked = useAsk(
    ["explain", id, endpoint],
    (api, signal) => api.GET("/v1/events/{id}/explain", { params: { path: { id }, query: { endpoint_id: endpoint } }, signal }),
    { tenant },
  );
  if (asked.error) return <Failure problem={asked.error} again={() => void asked.refetch()} />;
  if (!asked.data) return <Loading lines={2} what="The reasons" />;
  const { has_delivery, reasons } = asked.data;
  return (
    <div className="reasons" aria-live="polite">
      <p className={has_delivery ? "good-text" : "bad-text"}>
        <Icon name={has_delivery ? "check" : "cross"} /> {has_delivery ? "There is a delivery to it." : "There is no delivery to it."}
      </p>
      <ul>
        {reasons.map((reason) => (
          <li key={reason}>{reason}</li>
        ))}
      </ul>
      <p className="dim">What the endpoint is now may not be what it was then.</p>
    </div>
  );
}
