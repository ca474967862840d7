import type { Wait } from "../api/types";
import { Countdown } from "../time/show";
import { Icon, type IconName } from "./icon";
import { Id } from "./id";

/** Why it waits, in a few words. */
const CAUSES: Readonly<Record<Wait["cause"], readonly [icon: IconName, text: string]>> = {
  sending: ["play", "being sent"],
  due: ["clock", "due, waits for a free slot"],
  backoff: ["retry", "backs off after a failure"],
  retry_after: ["clock", "the receiver asked for time"],
  breaker: ["warn", "the breaker is open"],
  rate_limit: ["clock", "rate limit"],
  paused: ["pause", "the endpoint is paused"],
  disabled: ["off", "the endpoint is disabled"],
  behind_head: ["lanes", "waits behind the head"],
  stopped: ["stop", "the lane has stopped"],
};

/** What a waiting delivery waits for, and how long it still will. */
export function WaitView({ wait, tenant, brief = false, onDue }: { wait: Wait; tenant?: string; brief?: boolean; onDue?: () => void }) {
  const [icon, text] = CAUSES[wait.cause] ?? ["clock", wait.cause];
  return (
    <span className={`wait ${wait.cause}`} title={wait.detail}>
      <Icon name={icon} />
      {wait.until && (
        <>
          <Countdown until={wait.until} {...(onDue ? { onDue } : {})} />
          <span aria-hidden="true">·</span>
        </>
      )}
      <span className="clip">{text}</span>
      {!brief && wait.head_id && (
        <>
          {" "}
          <Id id={wait.head_id} tenant={tenant} />
        </>
      )}
    </span>
  );
}
