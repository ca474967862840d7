import { useState, type ChangeEvent, type FormEvent } from "react";
import { AreaField, Field, SelectField, TextField } from "../parts/fields";
import { Icon } from "../parts/icon";
import { now } from "../time/clock";
import { bytes } from "../time/format";
import { headersOf, schemeOf } from "./headers";
import { check, headersFor, type Verdict } from "./verifier";
import "../style/form.css";

const SCHEMES = ["postrider", "standard", "svix", "stripe", "github", "shopify", "slack", "body-hex", "timestamped"];

const DEMO_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const DEMO_BODY = '{"type":"payment.succeeded","amount":4200}';

interface Sent {
  scheme: string;
  secrets: string;
  headers: string;
  body: string;
  ends: "lf" | "crlf";
  tolerance: string;
  time: "now" | "header";
}

const NOTHING: Sent = { scheme: "", secrets: "", headers: "", body: "", ends: "lf", tolerance: "300", time: "now" };

/** Where a request is put together and checked. */
export default function Bench() {
  const [sent, setSent] = useState<Sent>(NOTHING);
  const [file, setFile] = useState<{ name: string; data: Uint8Array } | null>(null);
  const [verdict, setVerdict] = useState<Verdict | string | null>(null);
  const put = <N extends keyof Sent>(name: N) => (value: Sent[N]) => (setVerdict(null), setSent({ ...sent, [name]: value }));
  const headers = headersOf(sent.headers);
  const found = schemeOf(headers);
  const run = (event: FormEvent) => {
    event.preventDefault();
    setVerdict(judged(sent, file?.data ?? null, found));
  };
  const demo = (how: "right" | "rewritten") => {
    const signature = headersFor("standard", DEMO_SECRET, new TextEncoder().encode(DEMO_BODY), "evt_01jd9x2m5tewh8q0v6n3r4y7za");
    const lines = Object.entries(signature).map(([name, value]) => `${name}: ${value}`);
    const body = how === "right" ? DEMO_BODY : JSON.stringify(JSON.parse(DEMO_BODY), null, 2);
    setFile(null);
    setVerdict(null);
    setSent({ ...NOTHING, secrets: DEMO_SECRET, headers: lines.join("\n"), body });
  };
  const choose = async (event: ChangeEvent<HTMLInputElement>) => {
    const chosen = event.target.files?.[0];
    setVerdict(null);
    setFile(chosen ? { name: chosen.name, data: new Uint8Array(await chosen.arrayBuffer()) } : null);
  };
  return (
    <form className="form bench" onSubmit={run}>
      <p className="acts">
        <span className="dim">Fill in an example:</span>
        <button type="button" className="small" onClick={() => demo("right")}>
          a right request
        </button>
        <button type="button" className="small" onClick={() => demo("rewritten")}>
          a body that was parsed and written again
        </button>
      </p>
      <HeadFields sent={sent} put={put} found={found} />
      <BodyFields sent={sent} put={put} file={file} choose={choose} />
      <div className="acts">
        <button type="submit" className="primary">
          Check the signature
        </button>
      </div>
      <div aria-live="polite">{verdict !== null && <VerdictView verdict={verdict} />}</div>
    </form>
  );
}

interface PartProps {
  sent: Sent;
  put: <N extends keyof Sent>(name: N) => (value: Sent[N]) => void;
}

function HeadFields({ sent, put, found }: PartProps & { found: string | null }) {
  return (
    <div className="pair">
      <AreaField label="Headers" value={sent.headers} set={put("headers")} rows={7} hint="Lines, curl's -H options, or JSON." placeholder={"webhook-id: evt_…\nwebhook-timestamp: 1780000000\nwebhook-signature: v1,…"} />
      <div>
        <SelectField
          label="Scheme"
          value={sent.scheme}
          set={put("scheme")}
          choices={[["", found ? `as the headers say: ${found}` : "as the headers say"], ...SCHEMES]}
        />
        <AreaField label="Secrets" value={sent.secrets} set={put("secrets")} rows={2} hint="One a line, the newest first. They stay in this page." placeholder="whsec_…" />
        <div className="two-fields">
          <TextField label="Tolerance, in seconds" type="number" value={sent.tolerance} set={put("tolerance")} />
          <SelectField
            label="Checked at"
            value={sent.time}
            set={(time) => put("time")(time as Sent["time"])}
            choices={[
              ["now", "now"],
              ["header", "the time in its header"],
            ]}
          />
        </div>
      </div>
    </div>
  );
}

interface FileProps {
  file: { name: string; data: Uint8Array } | null;
  choose: (event: ChangeEvent<HTMLInputElement>) => Promise<void>;
}

function BodyFields({ sent, put, file, choose }: PartProps & FileProps) {
  return (
    <>
      <AreaField
        label="Body"
        value={sent.body}
        set={put("body")}
        rows={8}
        hint={file ? `The file ${file.name} is used instead (${bytes(file.data.length)}).` : "As it arrived. A text field changes line ends: for a body that has them, or bytes that are no text, choose a file."}
      />
      <div className="two-fields">
        <SelectField
          label="Line ends of the body"
          value={sent.ends}
          set={(ends) => put("ends")(ends as Sent["ends"])}
          choices={[
            ["lf", "LF"],
            ["crlf", "CR LF"],
          ]}
        />
        <Field label="Body from a file">{(ids) => <input {...ids} type="file" onChange={(event) => void choose(event)} />}</Field>
      </div>
    </>
  );
}

function judged(sent: Sent, file: Uint8Array | null, found: string | null): Verdict | string {
  const secrets = sent.secrets.split("\n").map((line) => line.trim()).filter(Boolean);
  const scheme = sent.scheme || found;
  if (!scheme) return "The headers do not tell which scheme it is: choose one.";
  if (secrets.length === 0) return "Give the secret that the receiver checks with.";
  const text = sent.ends === "crlf" ? sent.body.replaceAll("\n", "\r\n") : sent.body;
  const headers = headersOf(sent.headers);
  const tolerance = Math.max(0, Number(sent.tolerance) || 300);
  const at = sent.time === "header" ? timeIn(headers) : now() / 1_000;
  try {
    return check({ scheme, secrets, headers, body: file ?? new TextEncoder().encode(text), tolerance, at });
  } catch (error) {
    return error instanceof Error ? error.message.replace(/^@postrider\/verifier: /, "") : String(error);
  }
}

/** The time that a request claims, in Unix seconds. */
function timeIn(headers: readonly (readonly [string, string])[]): number | null {
  for (const [name, value] of headers) {
    const isTime = /timestamp$/i.test(name);
    const inside = /(?:^|,)\s*t=(\d+)/.exec(value);
    const seconds = Number(isTime ? value : inside?.[1]);
    if (Number.isFinite(seconds) && seconds > 0) return seconds;
  }
  return null;
}

/** What to do about a refusal. */
const ADVICE: Readonly<Record<string, string>> = {
  MISSING_HEADER: "Check the scheme, and proxies that drop headers.",
  MALFORMED_HEADER: "An id or a time came twice, is too long, or is not sound.",
  MALFORMED_TIMESTAMP: "Most often another scheme.",
  MALFORMED_SIGNATURE: "Most often another scheme.",
  TIMESTAMP_TOO_OLD: "An old request sent again, or a wrong clock. Check it at the time in its header to see whether the rest is right.",
  TIMESTAMP_TOO_NEW: "The receiver's clock is behind, or the time is in milliseconds.",
  NO_MATCH: "The secret is another one, or the body was changed on its way.",
};

function VerdictView({ verdict }: { verdict: Verdict | string }) {
  if (typeof verdict === "string") return <p className="banner warn">{verdict}</p>;
  return (
    <div className={`banner ${verdict.ok ? "good" : "bad"} verdict-box`}>
      <p>
        <Icon name={verdict.ok ? "check" : "cross"} /> <strong>{verdict.ok ? "The signature is right" : verdict.code}</strong>
      </p>
      {verdict.ok ? <p>{verdict.keyIndex === null || verdict.keyIndex === 0 ? "Signed with the first secret." : `Signed with secret ${verdict.keyIndex + 1}: an older one.`}</p> : <p>{verdict.hint}</p>}
      {!verdict.ok && ADVICE[verdict.code] && <p className="dim">{ADVICE[verdict.code]}</p>}
    </div>
  );
}
