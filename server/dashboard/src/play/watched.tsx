import { useEffect, useState } from "react";
import { useAsk } from "../api/ask";
import type { Attempt, Delivery } from "../api/types";
import { useRefresh } from "../live/live";
import { inWords } from "../parts/attempt-view";
import { Facts, Panel } from "../parts/facts";
import { Id } from "../parts/id";
import { RetryButton } from "../parts/retry-now";
import { Failure, Loading } from "../parts/states";
import { Outcome, REASONS, Status } from "../parts/status";
import { WaitView } from "../parts/wait";
import { useOneTenant } from "../session/who";
import { span } from "../time/format";
import { When } from "../time/show";

/** It is asked for so often while it goes on, also where no stream can be had. */
const LOOK_MS = 1_000;

/** A delivery as it goes: its attempts, what it waits for, and its end. */
export function Watched({ id }: { id: string }) {
  const tenant = useOneTenant();
  const [ended, setEnded] = useState(false);
  const asked = useAsk(["playground-delivery", id], (api, signal) => api.GET("/v1/deliveries/{id}", { params: { path: { id } }, signal }), {
    tenant: tenant ?? undefined,
    ...(ended ? {} : { refetchInterval: LOOK_MS }),
  });
  useRefresh(["playground-delivery"], ({ data }) => data.delivery_id === id);
  const delivery = asked.data;
  const isOver = delivery?.ended_at != null;
  useEffect(() => setEnded(isOver), [isOver]);
  return (
    <Panel title="What becomes of it" aside={delivery && <Status of={delivery.state} />}>
      {asked.error && <Failure problem={asked.error} again={() => void asked.refetch()} />}
      {asked.isPending && <Loading lines={3} what="The delivery" />}
      {delivery && (
        <>
          <p className="unseen" role="status">
            {`${delivery.state} after ${delivery.attempts.length} attempts`}
          </p>
          <Steps delivery={delivery} again={() => void asked.refetch()} />
          <Facts
            of={[
              ["Event", <Id key="e" id={delivery.event_id} tenant={delivery.tenant} copy />],
              ["Delivery", <Id key="d" id={delivery.id} tenant={delivery.tenant} copy />],
              ["Endpoint", <Id key="p" id={delivery.endpoint_id} tenant={delivery.tenant} copy />],
            ]}
          />
        </>
      )}
    </Panel>
  );
}

function Steps({ delivery, again }: { delivery: Delivery; again: () => void }) {
  const { attempts, wait, tenant } = delivery;
  return (
    <ol className="play-steps" aria-label="Steps">
      <li>
        <span className="dim">accepted</span>
        <span>
          <When at={delivery.created_at} exact />
        </span>
      </li>
      {attempts.map((attempt) => (
        <Step key={attempt.number} attempt={attempt} />
      ))}
      {wait && (
        <li>
          <span className="dim">now</span>
          <span className="play-wait">
            <WaitView wait={wait} tenant={tenant} onDue={again} />
            <span className="dim">{wait.detail}</span>
            <RetryButton delivery={delivery} />
          </span>
        </li>
      )}
      {delivery.ended_at && (
        <li>
          <span className="dim">ended</span>
          <span>
            <Status of={delivery.state} /> {delivery.reason ? `${REASONS[delivery.reason] ?? delivery.reason}. ` : ""}
            <When at={delivery.ended_at} exact />
          </span>
        </li>
      )}
    </ol>
  );
}

function Step({ attempt }: { attempt: Attempt }) {
  return (
    <li>
      <span className="dim">attempt {attempt.number}</span>
      <span>
        <Outcome status={attempt.status} failure={attempt.failure} /> {inWords(attempt)} <span className="dim">{span(attempt.duration_ms)}</span>
      </span>
    </li>
  );
}
