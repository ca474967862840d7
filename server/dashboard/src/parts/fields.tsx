import { useEffect, useId, useState, type ReactNode } from "react";

interface FieldProps {
  label: string;
  hint?: ReactNode;
  error?: string | undefined;
  children: (ids: { id: string; "aria-describedby": string | undefined; "aria-invalid": boolean | undefined }) => ReactNode;
}

/** A labelled field of a form. */
export function Field({ label, hint, error, children }: FieldProps) {
  const id = useId();
  const about = `${id}-about`;
  const described = hint || error ? about : undefined;
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      {children({ id, "aria-describedby": described, "aria-invalid": error ? true : undefined })}
      {described && (
        <p id={about} className={error ? "wrong" : "hint"}>
          {error ?? hint}
        </p>
      )}
    </div>
  );
}

interface TextProps {
  label: string;
  value: string;
  set: (value: string) => void;
  hint?: ReactNode;
  error?: string | undefined;
  type?: "text" | "url" | "number" | "password" | "datetime-local";
  placeholder?: string;
  required?: boolean;
  list?: string;
  mono?: boolean;
}

export function TextField({ label, value, set, hint, error, mono, ...more }: TextProps) {
  return (
    <Field label={label} hint={hint} error={error}>
      {(ids) => (
        <input
          {...ids}
          {...more}
          className={mono ? "mono" : undefined}
          value={value}
          autoComplete="off"
          spellCheck={false}
          onChange={(event) => set(event.target.value)}
        />
      )}
    </Field>
  );
}

interface AreaProps extends Omit<TextProps, "type" | "list"> {
  rows?: number;
}

export function AreaField({ label, value, set, hint, error, mono = true, rows = 5, ...more }: AreaProps) {
  return (
    <Field label={label} hint={hint} error={error}>
      {(ids) => (
        <textarea
          {...ids}
          {...more}
          rows={rows}
          className={mono ? "mono" : undefined}
          value={value}
          spellCheck={false}
          onChange={(event) => set(event.target.value)}
        />
      )}
    </Field>
  );
}

export type Choice = string | readonly [value: string, text: string];

interface SelectProps {
  label: string;
  value: string;
  set: (value: string) => void;
  choices: readonly Choice[];
  hint?: ReactNode;
}

export function SelectField({ label, value, set, choices, hint }: SelectProps) {
  return (
    <Field label={label} hint={hint}>
      {(ids) => (
        <select {...ids} value={value} onChange={(event) => set(event.target.value)}>
          {choices.map((choice) => {
            const [of, text] = typeof choice === "string" ? [choice, choice] : choice;
            return (
              <option key={of} value={of}>
                {text}
              </option>
            );
          })}
        </select>
      )}
    </Field>
  );
}

export function CheckField({ label, value, set }: { label: ReactNode; value: boolean; set: (value: boolean) => void }) {
  return (
    <label className="check">
      <input type="checkbox" checked={value} onChange={(event) => set(event.target.checked)} />
      <span>{label}</span>
    </label>
  );
}

/** A text that is handed on when the person has paused. */
export function useSlow(value: string, set: (value: string) => void, ms = 300): [string, (value: string) => void] {
  const [text, setText] = useState(value);
  useEffect(() => setText(value), [value]);
  useEffect(() => {
    if (text === value) return;
    const timer = setTimeout(() => set(text), ms);
    return () => clearTimeout(timer);
  });
  return [text, setText];
}
