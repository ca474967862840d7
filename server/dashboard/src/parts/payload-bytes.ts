/** As many bytes are shown of what is no text. */
export const BYTES_SHOWN = 256;

/** The text that these bytes are; `null` if they are none. A byte order mark stays where it is. */
export function textOf(data: AllowSharedBufferSource): string | null {
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(data);
    return text.includes("\0") ? null : text;
  } catch {
    return null;
  }
}

/** The first bytes in hexadecimal digits, sixteen to a line. */
export function digits(data: ArrayBuffer): string {
  const bytes = [...new Uint8Array(data, 0, Math.min(data.byteLength, BYTES_SHOWN))];
  const pairs = bytes.map((byte) => byte.toString(16).padStart(2, "0"));
  return pairs.map((pair, at) => pair + (at % 16 === 15 ? "\n" : " ")).join("").trimEnd();
}

/** What the name of a file with such a payload ends with. */
export function ending(mediaType: string, coding: string | null | undefined): string {
  if (coding) return coding === "gzip" ? "gz" : "bin";
  const named = /[/+](json|xml|csv|html)\b/.exec(mediaType)?.[1];
  return named ?? (mediaType.startsWith("text/") ? "txt" : "bin");
}
