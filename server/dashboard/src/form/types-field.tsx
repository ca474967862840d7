import { useId, useState, type KeyboardEvent } from "react";
import { useAsk } from "../api/ask";
import { Icon } from "../parts/icon";

interface Props {
  value: readonly string[];
  set: (value: string[]) => void;
  error?: string | undefined;
  tenant?: string | undefined;
}

/** The families of the types: `payment.*` of `payment.succeeded`. */
export function families(names: readonly string[]): string[] {
  const count = new Map<string, number>();
  for (const name of names) {
    const at = name.lastIndexOf(".");
    if (at > 0) count.set(`${name.slice(0, at)}.*`, (count.get(`${name.slice(0, at)}.*`) ?? 0) + 1);
  }
  return [...count].filter(([, times]) => times > 1).map(([family]) => family);
}

const covers = (pattern: string, name: string) => pattern === "*" || (pattern.endsWith(".*") && name.startsWith(pattern.slice(0, -1)));

/** Which events: those of the catalogue to tick, families, and whatever else is typed. */
export function TypesField({ value, set, error, tenant }: Props) {
  const id = useId();
  const [text, setText] = useState("");
  const asked = useAsk(["event-types", "names"], (api, signal) => api.GET("/v1/event-types", { params: { query: { limit: 250 } }, signal }), { one: true, tenant });
  const names = (asked.data?.data ?? []).map(({ name }) => name);
  const listed = ["*", ...families(names), ...names];
  const others = value.filter((pattern) => !listed.includes(pattern));
  const toggle = (pattern: string) => set(value.includes(pattern) ? value.filter((other) => other !== pattern) : [...value, pattern]);
  const add = () => {
    const added = text.split(/[,\s]+/).filter((pattern) => pattern && !value.includes(pattern));
    if (added.length > 0) set([...value.filter((pattern) => pattern !== "*"), ...added]);
    setText("");
  };
  const enter = (event: KeyboardEvent) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    add();
  };
  return (
    <fieldset className="types" aria-describedby={error ? `${id}-error` : undefined}>
      <legend>Events</legend>
      <div className="ticks">
        {listed.map((pattern) => {
          const covered = !value.includes(pattern) && value.some((other) => other !== pattern && covers(other, pattern));
          return (
            <label key={pattern} className={`check${covered ? " covered" : ""}`}>
              <input type="checkbox" checked={value.includes(pattern)} onChange={() => toggle(pattern)} />
              <span className="mono">{pattern}</span>
              {pattern === "*" && <span className="dim">all but postrider.*</span>}
              {covered && <span className="unseen">covered by another one</span>}
            </label>
          );
        })}
        {others.map((pattern) => (
          <label key={pattern} className="check">
            <input type="checkbox" checked onChange={() => toggle(pattern)} />
            <span className="mono">{pattern}</span>
          </label>
        ))}
      </div>
      <div className="add">
        <label className="unseen" htmlFor={id}>
          Another type or family
        </label>
        <input id={id} className="mono" value={text} list={`${id}-list`} placeholder="another type, or a family such as order.*" onChange={(event) => setText(event.target.value)} onKeyDown={enter} />
        <datalist id={`${id}-list`}>
          {["postrider.*", "postrider.endpoint.*", "postrider.delivery.failed", ...names].map((name) => (
            <option key={name} value={name} />
          ))}
        </datalist>
        <button type="button" onClick={add} disabled={!text.trim()}>
          <Icon name="plus" /> Add
        </button>
      </div>
      {error && (
        <p className="wrong" id={`${id}-error`}>
          {error}
        </p>
      )}
    </fieldset>
  );
}
