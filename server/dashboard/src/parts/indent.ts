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
