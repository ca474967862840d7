import { useId, useState, type ReactNode } from "react";
import { useSlow, type Choice } from "./fields";
import { useNarrow } from "./narrow";

interface BarProps {
  children: ReactNode;
  clear: () => void;
  filtered: boolean;
}

/** The filters of a list, in one line; on narrow pages behind a word, as the list matters more. */
export function FilterBar(props: BarProps) {
  const [open, setOpen] = useState(props.filtered);
  if (!useNarrow()) return <Bar {...props} />;
  return (
    <details className="filter-box" open={open} onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>Filters{props.filtered && " (some are set)"}</summary>
      <Bar {...props} />
    </details>
  );
}

function Bar({ children, clear, filtered }: BarProps) {
  return (
    <form className="filters" role="search" aria-label="Filters" onSubmit={(event) => event.preventDefault()}>
      {children}
      {filtered && (
        <button type="button" className="small" onClick={clear}>
          Clear
        </button>
      )}
    </form>
  );
}

interface TextProps {
  label: string;
  value: string | undefined;
  set: (value: string) => void;
  list?: readonly string[];
  wide?: boolean;
  placeholder?: string;
}

export function FilterText({ label, value, set, list, wide = false, placeholder }: TextProps) {
  const id = useId();
  const [text, setText] = useSlow(value ?? "", set);
  return (
    <div className={`filter${wide ? " wide" : ""}`}>
      <label htmlFor={id}>{label}</label>
      <input
        id={id}
        type="search"
        value={text}
        list={list ? `${id}-list` : undefined}
        placeholder={placeholder}
        autoComplete="off"
        spellCheck={false}
        onChange={(event) => setText(event.target.value)}
      />
      {list && (
        <datalist id={`${id}-list`}>
          {list.map((option) => (
            <option key={option} value={option} />
          ))}
        </datalist>
      )}
    </div>
  );
}

interface SelectProps {
  label: string;
  value: string | undefined;
  set: (value: string) => void;
  choices: readonly Choice[];
  any?: string;
}

export function FilterSelect({ label, value, set, choices, any = "any" }: SelectProps) {
  const id = useId();
  return (
    <div className="filter">
      <label htmlFor={id}>{label}</label>
      <select id={id} value={value ?? ""} onChange={(event) => set(event.target.value)}>
        <option value="">{any}</option>
        {choices.map((choice) => {
          const [of, text] = typeof choice === "string" ? [choice, choice] : choice;
          return (
            <option key={of} value={of}>
              {text}
            </option>
          );
        })}
      </select>
    </div>
  );
}

const PERIODS: readonly Choice[] = [
  ["1h", "last hour"],
  ["24h", "last day"],
  ["7d", "last 7 days"],
  ["30d", "last 30 days"],
];

const PERIOD_MS: Readonly<Record<string, number>> = { "1h": 3.6e6, "24h": 8.64e7, "7d": 6.048e8, "30d": 2.592e9 };

export function FilterPeriod({ value, set }: { value: string | undefined; set: (value: string) => void }) {
  return <FilterSelect label="Time" value={value} set={set} choices={PERIODS} any="any time" />;
}

/** When a period began, to the minute so that what is asked for stays the same for a while. */
export function periodStart(period: string | undefined, now: number): string | undefined {
  const ms = PERIOD_MS[period ?? ""];
  return ms === undefined ? undefined : new Date(Math.floor((now - ms) / 60_000) * 60_000).toISOString();
}
