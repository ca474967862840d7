import { useMemo, useState } from "react";
import { bytes } from "../time/format";
import { Copy } from "./copy";
import { indented } from "./indent";
import { BYTES_SHOWN, digits, textOf } from "./payload-bytes";

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

interface BodyProps {
  data: ArrayBuffer;
  label: string;
  note?: string;
  save: () => void;
}

/** A body of any kind: text as text, and what is none as bytes. */
export function Body({ data, label, note, save }: BodyProps) {
  const text = useMemo(() => textOf(data), [data]);
  if (text !== null) return <Payload text={text} label={label} size={data.byteLength} save={save} {...(note ? { note } : {})} />;
  const size = data.byteLength;
  return (
    <div className="payload">
      <div className="bar">
        <span className="dim">
          {bytes(size)}
          {note && ` · ${note}`} · no text{size > BYTES_SHOWN && `, the first ${BYTES_SHOWN} bytes`}
        </span>
        <button type="button" className="small" onClick={save}>
          Save
        </button>
      </div>
      <pre tabIndex={0} aria-label={label}>
        {digits(data)}
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
