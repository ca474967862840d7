// The list of lines: as many elements as are in sight, however many lines there are.

const LINE = 22;
const list = by("lines"), listed = by("lines-all");
const filter = { words: [], who: new Set(), about: "" };
const lower = lines.text.map((text) => text.toLowerCase());
let shown = [];

function matches(at) {
  if (filter.who.size && !filter.who.has(lines.who[at])) return false;
  if (filter.about && !lines.about[at].includes(filter.about)) return false;
  return filter.words.every((word) => lower[at].includes(word) || clock(lines.at[at]).startsWith(word));
}

function refilter() {
  shown = [];
  for (let at = 0; at < lines.text.length; at += 1) if (matches(at)) shown.push(at);
  listed.style.height = `${shown.length * LINE}px`;
  const [some, all] = [shown.length.toLocaleString("en"), lines.text.length.toLocaleString("en")];
  by("count").textContent = shown.length === lines.text.length ? `${all} lines` : `${some} of ${all} lines`;
  const only = by("only");
  only.hidden = !filter.about;
  only.textContent = filter.about ? `${filter.about} only ✕` : "";
  only.setAttribute("aria-label", `Lines about ${filter.about} only; show all`);
  scrollToLine(chosen.line);
  fillLines();
}

/** The lines in sight and a few around them. */
function fillLines() {
  const first = Math.max(0, Math.floor(list.scrollTop / LINE) - 6);
  const last = Math.min(shown.length, Math.ceil((list.scrollTop + list.clientHeight) / LINE) + 6);
  const rows_ = [];
  for (let place = first; place < last; place += 1) rows_.push(lineElement(place));
  listed.replaceChildren(...rows_);
  const now = chosen.line >= 0 ? shown.indexOf(chosen.line) : -1;
  if (now >= first && now < last) list.setAttribute("aria-activedescendant", `line-${chosen.line}`);
  else list.removeAttribute("aria-activedescendant");
}

function lineElement(place) {
  const at = shown[place];
  const element = make("div", "line");
  element.id = `line-${at}`;
  element.dataset.line = at;
  element.setAttribute("role", "option");
  element.setAttribute("aria-selected", String(at === chosen.line));
  element.setAttribute("aria-posinset", place + 1);
  element.setAttribute("aria-setsize", shown.length);
  if (broken && broken.line === at) element.classList.add("broke");
  if (chosen.about && lines.about[at].includes(chosen.about)) element.classList.add("kin");
  element.style.transform = `translateY(${place * LINE}px)`;
  element.append(...lineParts(at));
  return element;
}

/** Number, time, who and what of a line. */
function lineParts(at) {
  const who = data.who[lines.who[at]], text = lines.text[at];
  // The text begins with who speaks, and that has a column of its own.
  const said_ = text.startsWith(who) ? text.slice(who.length).trimStart() : text;
  return [
    make("span", "number", at.toLocaleString("en")),
    make("time", "", clock(lines.at[at])),
    make("span", `who ${who}`, who),
    make("span", "text", said_.replace(/\s+/g, " ")),
  ];
}

function scrollToLine(at) {
  const place = at < 0 ? -1 : lowerBound(shown, at);
  if (place < 0 || shown[place] !== at) return;
  const y = place * LINE;
  if (y < list.scrollTop || y + LINE > list.scrollTop + list.clientHeight) {
    list.scrollTop = Math.max(0, y - list.clientHeight / 2);
  }
}

function onlyAbout(about) {
  filter.about = about;
  refilter();
}

function listHands() {
  list.addEventListener("scroll", fillLines);
  listed.addEventListener("click", (event) => {
    const element = event.target.closest("[data-line]");
    if (element) chooseLine(Number(element.dataset.line));
  });
  list.addEventListener("keydown", (event) => {
    const page = Math.max(1, Math.floor(list.clientHeight / LINE) - 1);
    const by_ = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity }[event.key];
    if (by_ === undefined || !shown.length) return;
    event.preventDefault();
    const here = chosen.line < 0 ? -1 : lowerBound(shown, chosen.line);
    chooseLine(shown[Math.min(Math.max(here + by_, 0), shown.length - 1)]);
  });
  by("search").addEventListener("input", (event) => {
    filter.words = event.target.value.toLowerCase().split(/\s+/).filter(Boolean);
    refilter();
  });
  by("only").onclick = () => onlyAbout("");
  const counts = data.who.map((_, who) => lines.who.filter((known) => known === who).length);
  data.who.forEach((name, who) => {
    if (!counts[who]) return;
    const chip = make("button", `chip ${name}`, name);
    chip.type = "button";
    chip.title = `${counts[who].toLocaleString("en")} lines`;
    chip.setAttribute("aria-pressed", "false");
    chip.onclick = () => {
      const on = !filter.who.delete(who);
      if (on) filter.who.add(who);
      chip.setAttribute("aria-pressed", String(on));
      refilter();
    };
    by("who").append(chip);
  });
}
