import type { ReactNode } from "react";
import { BASE } from "../api/client";
import { toDo, type Problem } from "../api/problem";
import { Copy } from "./copy";
import { Icon } from "./icon";

/** Grey lines where something will be. */
export function Loading({ lines = 6, what = "Loading" }: { lines?: number; what?: string }) {
  return (
    <div className="loading" role="status">
      <span className="unseen">{what}…</span>
      {Array.from({ length: lines }, (_, at) => (
        <div key={at} className={`bone w${at % 4}`} aria-hidden="true" />
      ))}
    </div>
  );
}

/** A problem, what it means and what to do. */
export function Failure({ problem, again }: { problem: Problem; again?: () => void }) {
  const advice = toDo(problem);
  return (
    <div className="failure" role="alert">
      <Icon name="warn" />
      <div>
        <strong>{problem.title}</strong>
        {problem.detail && <p>{problem.detail}</p>}
        {problem.places.length > 0 && (
          <ul>
            {problem.places.map(({ pointer, detail }) => (
              <li key={pointer + detail}>
                <code>{pointer || "/"}</code> {detail}
              </li>
            ))}
          </ul>
        )}
        {advice && <p>{advice}</p>}
        <p className="dim">
          <code>{problem.code}</code>
          {problem.status > 0 && ` · HTTP ${problem.status}`}
          {problem.requestId && (
            <>
              {" · request "}
              <code>{problem.requestId}</code>
            </>
          )}
        </p>
        {again && (
          <button type="button" onClick={again}>
            <Icon name="retry" /> Try again
          </button>
        )}
      </div>
    </div>
  );
}

interface EmptyProps {
  title: string;
  children?: ReactNode;
  /** A line that works when it is pasted, but for the key. */
  curl?: string | undefined;
  act?: ReactNode;
}

/** There is nothing yet, and this is how to make something. */
export function Empty({ title, children, curl, act }: EmptyProps) {
  return (
    <div className="empty">
      <h2>{title}</h2>
      {children && <p>{children}</p>}
      {act && <p>{act}</p>}
      {curl && (
        <div className="curl">
          <pre tabIndex={0}>{curl}</pre>
          <Copy text={curl} label="Copy the command" />
        </div>
      )}
    </div>
  );
}

export function NoMatch({ clear }: { clear: () => void }) {
  return (
    <div className="empty">
      <h2>Nothing matches these filters</h2>
      <button type="button" onClick={clear}>
        Clear the filters
      </button>
    </div>
  );
}

/** A line for a shell. The key stays out of it, as pages and histories are read by others. */
export function curl(method: string, path: string, body?: unknown, tenant?: string | null): string {
  const quote = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`;
  const lines = [`curl -X ${method} ${quote(BASE + path)}`, `  -H "Authorization: Bearer $POSTRIDER_API_KEY"`];
  if (tenant) lines.push(`  -H ${quote(`Postrider-Tenant: ${tenant}`)}`);
  if (body !== undefined) {
    lines.push(`  -H 'Content-Type: application/json'`, `  -d ${quote(JSON.stringify(body))}`);
  }
  return lines.join(" \\\n");
}
