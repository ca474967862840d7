import type { Endpoint, Reason, ShortDelivery } from "../api/types";
import { Icon, type IconName } from "./icon";

type Tone = "good" | "bad" | "warn" | "calm" | "off";

interface Look {
  tone: Tone;
  icon: IconName;
  text: string;
}

const LOOKS: Readonly<Record<string, Look>> = {
  delivered: { tone: "good", icon: "check", text: "delivered" },
  done: { tone: "good", icon: "check", text: "done" },
  accepted: { tone: "good", icon: "check", text: "accepted" },
  active: { tone: "good", icon: "check", text: "active" },
  failed: { tone: "bad", icon: "cross", text: "failed" },
  refused: { tone: "bad", icon: "cross", text: "refused" },
  retrying: { tone: "warn", icon: "retry", text: "retrying" },
  partial: { tone: "warn", icon: "half", text: "partial" },
  failing: { tone: "warn", icon: "warn", text: "failing" },
  stopped: { tone: "bad", icon: "stop", text: "stopped" },
  pending: { tone: "calm", icon: "clock", text: "pending" },
  running: { tone: "calm", icon: "play", text: "running" },
  scheduled: { tone: "calm", icon: "clock", text: "scheduled" },
  paused: { tone: "warn", icon: "pause", text: "paused" },
  disabled: { tone: "off", icon: "off", text: "disabled" },
  discarded: { tone: "off", icon: "bin", text: "discarded" },
  cancelled: { tone: "off", icon: "dash", text: "cancelled" },
  duplicate: { tone: "off", icon: "copy", text: "duplicate" },
  no_subscribers: { tone: "off", icon: "dash", text: "no subscriber" },
};

export function Status({ of, text }: { of: string; text?: string }) {
  const look = LOOKS[of] ?? { tone: "off" as const, icon: "dot" as const, text: of };
  return (
    <span className={`status ${look.tone}`}>
      <Icon name={look.icon} />
      {text ?? look.text}
    </span>
  );
}

/** How an endpoint is, in one word. */
export function healthOf(endpoint: Endpoint): string {
  if (endpoint.status !== "active") return endpoint.status;
  return endpoint.failures > 0 || endpoint.breaker_open_until ? "failing" : "active";
}

/** What came back of a request, as short as can be. */
export function Outcome({ status, failure }: { status: number | null | undefined; failure: string | null | undefined }) {
  if (status) {
    const tone = status < 300 ? "good" : status < 400 ? "warn" : "bad";
    return <span className={`code ${tone}`}>{status}</span>;
  }
  return failure ? <span className="code bad">{failure}</span> : <span className="dim nil">–</span>;
}

export function LastOutcome({ delivery }: { delivery: ShortDelivery }) {
  const last = delivery.last_attempt;
  if (!last) return <span className="dim nil">–</span>;
  return <Outcome status={last.status} failure={last.failure} />;
}

/** Why a delivery failed for good, in words. */
export const REASONS: Readonly<Record<Reason, string>> = {
  rejected: "the receiver rejected it",
  gone: "the receiver is gone (410)",
  redirected: "the receiver redirected it",
  exhausted: "all attempts were used up",
  queue_full: "too much was pending for the endpoint",
};
