import { useState } from "react";
import { bytes } from "../time/format";
import { Copy } from "./copy";

/**
 * Spaces and line ends around the tokens of a JSON text, which are left as they are: numbers keep their
 * digits and repeated names stay. `null` if the text is not bracketed as JSON is.
 */
export function indented(text: string): string | null {
  let out = "";
  let depth = 0;
  for (let at = 0; at < text.length; at += 1) {
    const c = text.charAt(at);
    if (c === '"') {
      const end = endOfText(text, at);
      if (end < 0) return null;
      out += text.slice(at, end + 1);
      at = end;
    } else if (c === "{" || c === "[") {
      const closing = /^[{[]\s*([}\]])/.exec(text.slice(at, at + 64));
      if (closing) {
        out += c + (closing[1] ?? "");
        at += closing[0].length - 1;
      } else {
        depth += 1;
        out += `${c}\n${"  ".repeat(depth)}`;
      }
    } else if (c === "}" || c === "]") {
      depth -= 1;
      if (depth < 0) return null;
      out += `\n${"  ".repeat(depth)}${c}`;
    } else if (c === ",") out += `,\n${"  ".repeat(depth)}`;
    else if (c === ":") out += ": ";
    else if (!/\s/.test(c)) out += c;
  }
  return depth === 0 && out !== "" ? out : null;
}

function endOfText(text: string, from: number): number {
  for (let at = from + 1; at < text.length; at += 1) {
    if (text[at] === "\\") at += 1;
    else if (text[at] === '"') return at;
  }
  return -1;
}

/** As much is shown; the rest is in what is copied and saved. */
const SHOWN_MAX = 200_000;

interface Props {
  text: string;
  label: string;
  /** How many bytes it has, where the text is not all of it. */
  size?: number;
  note?: string;
  save?: () => void;
}

/** A body: as it is, or with its JSON indented. Always text, whatever is in it. */
export function Payload({ text, label, size, note, save }: Props) {
  const [raw, setRaw] = useState(false);
  const pretty = text.length <= SHOWN_MAX ? indented(text) : null;
  const shown = raw || pretty === null ? text : pretty;
  return (
    <div className="payload">
      <div className="bar">
        <span className="dim">
          {bytes(size ?? new TextEncoder().encode(text).length)}
          {note && ` · ${note}`}
        </span>
        {pretty !== null && pretty !== text && (
          <button type="button" className="small" aria-pressed={raw} onClick={() => setRaw(!raw)}>
            As sent
          </button>
        )}
        {save && (
          <button type="button" className="small" onClick={save}>
            Save
          </button>
        )}
        <Copy text={text} label={`Copy ${label}`}>
          Copy
        </Copy>
      </div>
      <pre tabIndex={0} aria-label={label}>
        {shown.slice(0, SHOWN_MAX)}
        {shown.length > SHOWN_MAX && "\n…"}
      </pre>
    </div>
  );
}

/** Hands bytes to the person as a file. */
export function saveBytes(data: BlobPart, name: string): void {
  const address = URL.createObjectURL(new Blob([data], { type: "application/octet-stream" }));
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}
