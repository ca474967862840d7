import { useState } from "react";
import { Icon } from "./icon";
import { tell } from "./told";

/** Puts a text on the clipboard; pages without https have none, so there a field is selected. */
export async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const field = document.createElement("textarea");
    field.value = text;
    field.className = "offscreen";
    (document.querySelector("dialog[open]") ?? document.body).append(field);
    field.select();
    const done = document.execCommand("copy");
    field.remove();
    return done;
  }
}

export function Copy({ text, label, children }: { text: string; label: string; children?: string }) {
  const [done, setDone] = useState(false);
  const copy = async () => {
    if (!(await copyText(text))) return tell("The browser did not allow it: select the text and copy it.", "bad");
    setDone(true);
    setTimeout(() => setDone(false), 1_500);
  };
  return (
    <button type="button" className={children ? "small" : "plain copy"} onClick={() => void copy()} aria-label={children ? undefined : label}>
      <Icon name={done ? "check" : "copy"} />
      {children}
      <span className="unseen" aria-live="polite">
        {done ? "Copied" : ""}
      </span>
    </button>
  );
}
