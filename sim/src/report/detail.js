// The panel beside the list: what is chosen, and its lines.

const detail = by("detail");
const DETAIL_LINES_MAX = 400;

/** Lines around a line. */
function around(at, before = 12, after = 8) {
  const from = Math.max(0, at - before), to = Math.min(lines.text.length - 1, at + after);
  return Array.from({ length: Math.max(0, to - from + 1) }, (_, place) => from + place);
}

const linesAbout = (about) => lines.text.map((_, at) => at).filter((at) => lines.about[at].includes(about));

/** A heading, facts, buttons, and lines of which some stand out. */
function tell({ kind, title, note, facts = [], about = [], of, these, strong = () => false }) {
  const head = make("div", `head of-${kind}`);
  head.append(make("h2", "", title));
  if (note) head.append(make("p", "", note));
  const parts = [head];
  if (facts.length) {
    const grid = make("dl", "facts");
    for (const [name, value] of facts) grid.append(make("dt", "", name), make("dd", "", value));
    parts.push(grid);
  }
  if (about.length) {
    const chips = make("div", "about");
    chips.append(make("span", "", "only lines about"));
    for (const name of about) {
      const chip = make("button", "chip", name);
      chip.type = "button";
      chip.onclick = () => onlyAbout(name);
      chips.append(chip);
    }
    parts.push(chips);
  }
  const block = make("ol", "told");
  block.setAttribute("aria-label", of);
  // What stands out is among those that are shown.
  const start = Math.max(0, Math.min(these.findIndex(strong) - 100, these.length - DETAIL_LINES_MAX));
  for (const at of these.slice(start, start + DETAIL_LINES_MAX)) block.append(toldLine(at, strong(at)));
  parts.push(make("h3", "", `${of} (${these.length.toLocaleString("en")})`), block);
  if (these.length > DETAIL_LINES_MAX) {
    parts.push(make("p", "more", `${DETAIL_LINES_MAX} of them; all are in the list.`));
  }
  detail.replaceChildren(...parts);
  detail.scrollTop = 0;
  const first = block.querySelector("li.strong");
  if (first) block.scrollTop = first.offsetTop - block.clientHeight / 2;
}

function toldLine(at, strong) {
  const item = make("li", strong ? "strong" : "");
  if (broken && broken.line === at) item.classList.add("broke");
  const button = make("button", "");
  button.type = "button";
  button.onclick = () => chooseLine(at);
  button.append(make("time", "", clock(lines.at[at])), make("span", "text", lines.text[at].replace(/\s+/g, " ")));
  item.append(button);
  return item;
}

function chosenNow(mark, about, line, row = -1) {
  Object.assign(chosen, { mark, about, line });
  if (row >= 0) chosen.row = row;
  for (const label of by("rows").children) {
    label.classList.toggle("chosen", Number(label.dataset.row) === chosen.row && mark >= 0);
  }
  scrollToLine(line);
  fillLines();
}

function chooseMark(at, byKey = false) {
  const mark = marks[at], row = rows[mark.row];
  const [first, last] = mark.lines;
  chosenNow(at, mark.about.startsWith("d") ? mark.about : "", first, mark.row);
  by("spoken").textContent = said(at);
  const lane = row.kind === "lane" ? `${row.note}/${row.name}` : row.name;
  const facts = [["where", lane], ["from", clock(mark.from)]];
  if (mark.to > mark.from) facts.push(["to", clock(mark.to)], ["took", duration(mark.to - mark.from)]);
  let these = mark.about ? linesAbout(mark.about) : [];
  if (!these.length) these = first === last ? around(first, 3, 3) : [first, last];
  const own = (line) => (mark.attempt && mark.kind !== "wait"
    ? lines.attempt[line] === mark.attempt && line >= first && line <= last + 40
    : line === first || line === last);
  const subjects = [...new Set([mark.about, ...lines.about[first]])].filter(Boolean);
  const of = mark.about ? `Lines about ${mark.about}` : "Its lines";
  tell({ kind: mark.kind, title: mark.label, note: mark.note, facts, about: subjects, of, these, strong: own });
  reveal(mark.from, mark.row);
  if (byKey) detail.focus();
}

function chooseLine(at) {
  const own = marks.findIndex((mark) => mark.attempt && mark.kind !== "wait" && mark.lines.includes(at));
  const about = lines.about[at].find((name) => name.startsWith("d")) ?? "";
  chosenNow(own, about, at, own >= 0 ? marks[own].row : -1);
  const facts = [["when", clock(lines.at[at])], ["line", at.toLocaleString("en")]];
  if (lines.clocks[at]) {
    const [mono, wall] = lines.clocks[at].split(" ").map(Number);
    facts.push(["its clocks", `${mono.toLocaleString("en")} ms · ${new Date(wall).toISOString()}`]);
  }
  const title = broken && broken.line === at ? `Broke here: ${broken.promise}` : "Line";
  tell({
    kind: broken && broken.line === at ? "broken" : "line",
    title,
    note: lines.text[at].replace(/\s+/g, " "),
    facts,
    about: lines.about[at],
    of: "Lines around it",
    these: around(at, 6, 8),
    strong: (line) => line === at,
  });
  reveal(lines.at[at], own >= 0 ? marks[own].row : -1);
}

function chooseBroken() {
  const at = broken.line ?? -1;
  const own = marks.findIndex((mark) => mark.attempt && mark.kind !== "wait" && mark.lines.includes(at));
  chosenNow(own, "", at, own >= 0 ? marks[own].row : -1);
  by("spoken").textContent = `Broke: ${broken.promise}: ${broken.said}. At ${clock(broken.at)}`;
  tell({
    kind: "broken",
    title: `Broke: ${broken.promise}`,
    note: broken.said,
    facts: [["when", clock(broken.at)]],
    about: at >= 0 ? lines.about[at] : [],
    of: "Lines around it",
    these: at >= 0 ? around(at) : [],
    strong: (line) => line === at,
  });
  reveal(broken.at, own >= 0 ? marks[own].row : -1);
}

function chooseRow(at) {
  const row = rows[at];
  const these = row.about
    ? linesAbout(row.about)
    : lines.text.map((_, line) => line).filter((line) => data.who[lines.who[line]] === (row.kind === "disk" ? "store" : "sender"));
  chosen.row = at;
  chosenNow(-1, "", -1, at);
  tell({ kind: row.kind, title: row.name, note: row.note, about: row.about ? [row.about] : [], of: "Its lines", these });
  draw();
}

function chooseNothing() {
  if (broken) { chooseBroken(); return; }
  chosenNow(-1, "", -1);
  const count = (kind) => rows.filter((row) => row.kind === kind).length;
  tell({
    kind: "held",
    title: "All promises held",
    note: "Choose a mark, a row or a line to see what belongs to it.",
    facts: [["faults", count("fault")], ["receivers", count("receiver")], ["endpoints", count("endpoint")], ["lanes", count("lane")]],
    of: "The last lines",
    these: around(lines.text.length - 1, 10, 0),
  });
  draw();
}
