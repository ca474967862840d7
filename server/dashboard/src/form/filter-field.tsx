import { useState } from "react";
import { useAct, useAsk } from "../api/ask";
import { AreaField, SelectField } from "../parts/fields";
import { Icon } from "../parts/icon";
import { jsonOf, objectOf } from "./json";

interface Props {
  value: string;
  set: (value: string) => void;
  error?: string | undefined;
  tenant?: string | undefined;
}

const EXAMPLE = '{\n  "amount": { "$gt": 10000 }\n}';

/** A filter over payloads, which can be tried with a payload before it is saved. */
export function FilterField({ value, set, error, tenant }: Props) {
  const act = useAct({ quiet: true, ...(tenant ? { tenant } : {}) });
  const [payload, setPayload] = useState('{\n  "amount": 4200\n}');
  const [type, setType] = useState("");
  const [wrong, setWrong] = useState<string>();
  const [verdict, setVerdict] = useState<{ matches: boolean; detail: string } | null>(null);
  const asked = useAsk(["event-types", "names"], (api, signal) => api.GET("/v1/event-types", { params: { query: { limit: 250 } }, signal }), { one: true, tenant });
  const types = asked.data?.data ?? [];
  const choose = (name: string) => {
    setType(name);
    const example = types.find((type) => type.name === name)?.versions.at(-1)?.example;
    if (example != null) setPayload(JSON.stringify(example, null, 2));
  };
  const run = async () => {
    setVerdict(null);
    // A payload that is not JSON is a text.
    const { value: sent = payload } = jsonOf(payload);
    const { value: filter, wrong } = objectOf(value);
    setWrong(wrong);
    if (!filter) return;
    const body = { filter, payload: sent, ...(type ? { event_type: type } : {}) };
    const made = await act.run((api) => api.POST("/v1/filters/try", { body }), "");
    if (made) setVerdict(made);
  };
  return (
    <div className="pair">
      <AreaField
        label="Only payloads that match"
        value={value}
        set={set}
        error={error ?? wrong ?? act.problem?.detail}
        rows={7}
        placeholder={EXAMPLE}
        hint="JSON with $eq $ne $gt $gte $lt $lte $in $nin $exists $startsWith $contains $elemMatch $and $or $not $at. Empty: all."
      />
      <div className="try">
        {types.length > 0 && <SelectField label="Try it with the example of" value={type} set={choose} choices={[["", "own payload"], ...types.map(({ name }) => name)]} />}
        <AreaField label="Payload to try" value={payload} set={setPayload} rows={4} />
        <p className="acts">
          <button type="button" onClick={() => void run()} disabled={act.busy || !value.trim()}>
            Try the filter
          </button>
          <output aria-live="polite">
            {verdict && (
              <span className={verdict.matches ? "good-text" : "bad-text"}>
                <Icon name={verdict.matches ? "check" : "cross"} /> {verdict.matches ? "It gets this payload." : "It does not get this payload."} {verdict.detail}
              </span>
            )}
          </output>
        </p>
      </div>
    </div>
  );
}
