import { useSyncExternalStore } from "react";
import { Icon } from "./icon";

// What acts have come to: shown for some seconds, and read out.

interface Message {
  id: number;
  text: string;
  kind: "good" | "bad";
}

const SHOWN_MS = 7_000;
const SHOWN_BAD_MS = 20_000;
const MOST = 4;

let messages: readonly Message[] = [];
let last = 0;
const watchers = new Set<() => void>();

function set(next: readonly Message[]): void {
  messages = next;
  for (const watcher of watchers) watcher();
}

function drop(id: number): void {
  set(messages.filter((message) => message.id !== id));
}

export function tell(text: string, kind: Message["kind"] = "good"): void {
  last += 1;
  const id = last;
  set([...messages, { id, text: text.trim(), kind }].slice(-MOST));
  setTimeout(() => drop(id), kind === "bad" ? SHOWN_BAD_MS : SHOWN_MS);
}

function subscribe(watcher: () => void): () => void {
  watchers.add(watcher);
  return () => watchers.delete(watcher);
}

export function Told() {
  const shown = useSyncExternalStore(subscribe, () => messages);
  return (
    <div className="told" role="status" aria-live="polite">
      {shown.map(({ id, text, kind }) => (
        <p key={id} className={`note ${kind}`}>
          <Icon name={kind === "good" ? "check" : "cross"} />
          <span>{text}</span>
          <button type="button" className="plain" aria-label="Dismiss" onClick={() => drop(id)}>
            <Icon name="close" />
          </button>
        </p>
      ))}
    </div>
  );
}
