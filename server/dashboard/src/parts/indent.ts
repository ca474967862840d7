/** A token, after white space: a text, a bracket or separator, a number or a word. */
const TOKEN = /\s*(?:("(?:[^"\\]|\\[^])*")|([{}[\],:])|(true|false|null|-?\d[-+.\deE]*))/y;

const CLOSES: Readonly<Record<string, string>> = { "}": "{", "]": "[" };

type Next = "value" | "name" | "colon" | "more";

/**
 * Spaces and line ends around the tokens of a JSON text, which are left as they are: numbers keep their
 * digits and repeated names stay. `null` if the text is no JSON: its white space may mean something.
 */
export function indented(text: string): string | null {
  const open: string[] = [];
  let out = "";
  let next: Next = "value";
  let isEmpty = false;
  const line = () => `\n${"  ".repeat(open.length)}`;
  TOKEN.lastIndex = 0;
  for (;;) {
    const at = TOKEN.lastIndex;
    const token = TOKEN.exec(text);
    if (!token) return next === "more" && open.length === 0 && text.slice(at).trim() === "" ? out : null;
    const [, string, mark, word] = token;
    const opener = CLOSES[mark ?? ""];
    if (opener) {
      if (open.at(-1) !== opener || !(isEmpty || next === "more")) return null;
      open.pop();
      out += isEmpty ? mark : line() + mark;
      next = "more";
    } else if (mark === "," || mark === ":") {
      if (next !== (mark === "," ? "more" : "colon") || open.length === 0) return null;
      out += mark === "," ? `,${line()}` : ": ";
      next = mark === "," && open.at(-1) === "{" ? "name" : "value";
    } else {
      if (isEmpty) out += line();
      if (next === "name" ? string === undefined : next !== "value") return null;
      out += string ?? mark ?? word;
      if (mark) open.push(mark);
      next = mark ? (mark === "{" ? "name" : "value") : next === "name" ? "colon" : "more";
      isEmpty = mark !== undefined;
      continue;
    }
    isEmpty = false;
  }
}
