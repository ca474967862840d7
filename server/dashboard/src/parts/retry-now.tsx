import { useState } from "react";
import { useAct } from "../api/ask";
import type { Delivery, ShortDelivery } from "../api/types";
import { useMay } from "../session/who";
import { Confirm } from "./dialog";
import { Icon } from "./icon";

/** Sends a waiting head at once, or makes an ended delivery anew. */
export function RetryButton({ delivery, small = true }: { delivery: ShortDelivery | Delivery; small?: boolean }) {
  const act = useAct({ tenant: delivery.tenant });
  const mayRetry = useMay("retry");
  const ended = delivery.ended_at != null;
  const isBehind = delivery.wait?.cause === "behind_head" || delivery.wait?.cause === "sending";
  if (!mayRetry || isBehind || delivery.resent_as) return null;
  const run = () =>
    act.run(
      (api) => api.POST("/v1/deliveries/{id}/retry", { params: { path: { id: delivery.id } } }),
      ({ id, resend_of }) => (resend_of ? `Made anew as ${id}, at the end of its lane.` : "Its next attempt starts now."),
    );
  return (
    <button type="button" className={small ? "small" : undefined} disabled={act.busy} onClick={() => void run()}>
      <Icon name="retry" /> {ended ? "Resend" : "Retry now"}
    </button>
  );
}

/** Gives a delivery up, after saying what that means. */
export function DiscardButton({ delivery, small = true }: { delivery: ShortDelivery | Delivery; small?: boolean }) {
  const act = useAct({ tenant: delivery.tenant, quiet: true });
  const [asks, setAsks] = useState(false);
  const mayDiscard = useMay("manage");
  const isOver = delivery.state === "delivered" || delivery.state === "discarded";
  if (!mayDiscard || isOver) return null;
  const run = async () => {
    const what = act.run((api) => api.POST("/v1/deliveries/{id}/discard", { params: { path: { id: delivery.id } } }), () => "Discarded.");
    await what;
    setAsks(false);
  };
  return (
    <>
      <button type="button" className={small ? "small" : undefined} onClick={() => setAsks(true)}>
        <Icon name="bin" /> Discard
      </button>
      {asks && (
        <Confirm title="Discard this delivery?" act="Discard" danger busy={act.busy} problem={act.problem} onAct={() => void run()} close={() => setAsks(false)}>
          <p>
            The receiver does not get <code>{delivery.event_type}</code> of {delivery.event_id} by this delivery. {consequence(delivery)}
          </p>
        </Confirm>
      )}
    </>
  );
}

function consequence(delivery: ShortDelivery | Delivery): string {
  if (delivery.state === "failed") return "It stays in the history as discarded. A lane that has stopped at it goes on.";
  return delivery.wait?.cause === "behind_head" ? "Those before it are not concerned." : "What waits behind it in its lane goes on at once.";
}
