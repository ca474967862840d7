import type { ReactNode } from "react";
import type { Attempt, Phases } from "../api/types";
import { span } from "../time/format";
import { When } from "../time/show";
import { Facts } from "./facts";
import { Url } from "./id";
import { Payload } from "./payload";
import { Outcome } from "./status";
import "../style/attempt.css";

interface Props {
  attempt: Attempt;
  /** The body as it was sent, where it can be had. */
  body?: ReactNode;
}

/** One request and what came back. */
export function AttemptView({ attempt, body }: Props) {
  return (
    <div className="attempt">
      <p className="verdict">
        <Outcome status={attempt.status} failure={attempt.failure} /> {inWords(attempt)}
      </p>
      <Facts
        of={[
          attempt.url ? ["URL", <Url key="u" url={attempt.url} />] : null,
          ["Started", <When key="s" at={attempt.started_at} exact />],
          ["Took", span(attempt.duration_ms)],
          attempt.repeated ? ["Sent twice", <Repeat key="r" why={attempt.repeated} />] : null,
        ]}
      />
      {attempt.phases && <PhaseBars phases={attempt.phases} />}
      <div className="halves">
        <section>
          <h3>Request</h3>
          <Headers label="Headers of the request" of={attempt.request_headers} />
          {body}
        </section>
        <section>
          <h3>Response</h3>
          <Headers label="Headers of the response" of={attempt.response_headers} />
          {attempt.response_body != null && attempt.response_body !== "" ? (
            <Payload label="Body of the response" text={attempt.response_body} {...(attempt.response_body_cut ? { note: "the first 16 KiB" } : {})} />
          ) : (
            <p className="dim">No body.</p>
          )}
        </section>
      </div>
    </div>
  );
}

const REPEATS: Readonly<Record<NonNullable<Attempt["repeated"]>, string>> = {
  connection_closed: "found that closed",
  request_timeout: "was answered with 408",
  misdirected: "was answered with 421",
};

/** The first request may have come, so a receiver has to know of the second. */
function Repeat({ why }: { why: keyof typeof REPEATS }) {
  return (
    <>
      The first request, on a connection that was used before, {REPEATS[why]}. The second went on a new one, with <code>x-attempt-repeat</code>.
    </>
  );
}

const FAILURES: Readonly<Record<NonNullable<Attempt["failure"]>, string>> = {
  dns: "The name of the host could not be found.",
  blocked_address: "The address is in a network that requests may not go to.",
  connect: "No connection could be made: nothing listens there, or a firewall or the proxy refuses it.",
  tls: "The TLS handshake failed: look at the receiver's certificate, and at the client certificate that it may want.",
  timeout_resolve: "The name of the host was not found in time.",
  timeout_connect: "No connection was made in time.",
  timeout_tls: "The TLS handshake did not end in time.",
  timeout_response: "The response did not end in time.",
  timeout_unanswered: "No response came in time.",
  reset: "The receiver broke the connection off.",
  malformed: "What came back was not HTTP.",
  too_large: "More came back than is read before a status.",
  internal: "The server itself failed.",
  local: "This server sent nothing: it is short of something, or its proxy cannot be used. That is no attempt; it is tried again in a moment.",
};

/** What happened, for people. */
export function inWords(attempt: Pick<Attempt, "status" | "failure" | "error">): string {
  const { status, failure, error } = attempt;
  if (status && status < 300) return "The receiver took it.";
  if (status === 410) return "The receiver says that it is gone: the endpoint is disabled.";
  if (status === 429) return "The receiver takes no more for now.";
  if (status && status < 400) return "The receiver redirects. Redirects are not followed: change the URL.";
  if (status && status < 500) return "The receiver rejects it. That is not tried again, but for 408, 425 and 429.";
  if (status) return "The receiver failed. Such answers are tried again.";
  if (failure) return error ? `${FAILURES[failure]} (${error})` : FAILURES[failure];
  return error ?? "There was no response.";
}

const NAMES: readonly (readonly [keyof Phases, string])[] = [
  ["queued_ms", "queued in the pool"],
  ["dns_ms", "name look-up"],
  ["connect_ms", "connect"],
  ["tls_ms", "TLS"],
  ["first_byte_ms", "first byte"],
];

/** Where the time went. The phases follow each other; what is left is the body of the response. */
export function PhaseBars({ phases }: { phases: Phases }) {
  const known = NAMES.map(([key, name]) => ({ name, ms: phases[key] ?? null }));
  const sum = known.reduce((all, { ms }) => all + (ms ?? 0), 0);
  const total = Math.max(phases.total_ms ?? sum, sum, 1);
  let at = 0;
  const rows = [...known, { name: "rest of the response", ms: phases.total_ms == null ? null : total - sum }];
  return (
    <ol className="phases" aria-label="Time by phase">
      {rows.map(({ name, ms }, index) => {
        const from = at;
        at += ms ?? 0;
        return (
          <li key={name}>
            <span>{name}</span>
            <svg viewBox="0 0 1000 8" preserveAspectRatio="none" aria-hidden="true">
              {ms !== null && <rect className={`phase p${index}`} x={(from / total) * 1000} width={Math.max(3, (ms / total) * 1000)} height="8" />}
            </svg>
            <span className="number">{ms === null ? <span className="dim">not needed</span> : span(ms)}</span>
          </li>
        );
      })}
      <li className="total">
        <span>whole</span>
        <span />
        <span className="number">{span(phases.total_ms ?? sum)}</span>
      </li>
    </ol>
  );
}

export function Headers({ of, label }: { of: readonly (readonly string[])[]; label: string }) {
  if (of.length === 0) return <p className="dim">No headers.</p>;
  return (
    <div className="headers" tabIndex={0} role="region" aria-label={label}>
      <table>
        <tbody>
          {of.map(([name, value], at) => (
            <tr key={`${at} ${name}`}>
              <th scope="row">{name}</th>
              <td>{value}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
