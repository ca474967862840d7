import type { ReactNode } from "react";

/** Names and values, one beside the other. */
export function Facts({ of }: { of: readonly (readonly [string, ReactNode] | false | null)[] }) {
  return (
    <dl className="facts">
      {of.map(
        (fact) =>
          fact && (
            <div key={fact[0]}>
              <dt>{fact[0]}</dt>
              <dd>{fact[1]}</dd>
            </div>
          ),
      )}
    </dl>
  );
}

/** A figure with its name. */
export function Figure({ name, value, note, tone }: { name: string; value: ReactNode; note?: ReactNode; tone?: string | undefined }) {
  return (
    <div className={`figure ${tone ?? ""}`}>
      <dt>{name}</dt>
      <dd>
        <span className="value">{value}</span>
        {note && <span className="note">{note}</span>}
      </dd>
    </div>
  );
}

export function Panel({ title, aside, children, className }: { title: string; aside?: ReactNode; children: ReactNode; className?: string }) {
  return (
    <section className={`panel ${className ?? ""}`}>
      <header>
        <h2>{title}</h2>
        {aside}
      </header>
      {children}
    </section>
  );
}
