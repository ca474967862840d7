// Hands on the timeline: wheel, drag, pinch, keys and buttons.

function hands() {
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    const line = event.deltaMode === 1 ? 16 : 1;
    if (event.shiftKey) stage.scrollTop += (event.deltaY || event.deltaX) * line;
    else if (Math.abs(event.deltaX) > Math.abs(event.deltaY)) pan(event.deltaX * line);
    else zoom(Math.exp(-event.deltaY * line * 0.002), event.offsetX);
  }, { passive: false });
  by("zoom-in").onclick = () => zoom(1.8);
  by("zoom-out").onclick = () => zoom(1 / 1.8);
  by("fit").onclick = fit;
  by("compress").onclick = () => squeeze(!view.squeezes);
  canvas.addEventListener("keydown", keyed);
  canvas.addEventListener("blur", () => draw());
  stage.addEventListener("scroll", () => draw());
  dragged();
}

function dragged() {
  const fingers = new Map();
  let moved = 0, apart = 0;
  const spread = () => {
    const [a, b] = [...fingers.values()];
    return Math.abs(a.x - b.x);
  };
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    fingers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    canvas.setPointerCapture(event.pointerId);
    if (fingers.size === 1) moved = 0;
    if (fingers.size === 2) apart = spread();
  });
  canvas.addEventListener("pointermove", (event) => {
    const before = fingers.get(event.pointerId);
    if (!before) { hover(event); return; }
    const [dx, dy] = [event.clientX - before.x, event.clientY - before.y];
    moved += Math.abs(dx) + Math.abs(dy);
    fingers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    if (fingers.size === 2) {
      const now = spread();
      if (apart > 20 && now > 20) zoom(now / apart, event.offsetX);
      apart = now;
    } else if (moved > 4) {
      tip.hidden = true;
      canvas.classList.add("dragged");
      pan(-dx);
      if (event.pointerType === "mouse") stage.scrollTop -= dy;
    }
  });
  const lifted = (event) => {
    const clicked = fingers.size === 1 && fingers.has(event.pointerId) && moved <= 4;
    fingers.delete(event.pointerId);
    canvas.classList.remove("dragged");
    if (!clicked || event.type !== "pointerup") return;
    const mark = markAt(event.offsetX, event.offsetY);
    if (mark >= 0) chooseMark(mark);
    else if (broken && Math.abs(across(broken.at) - event.offsetX) < 6) chooseBroken();
    else chooseNothing();
  };
  canvas.addEventListener("pointerup", lifted);
  canvas.addEventListener("pointercancel", lifted);
  canvas.addEventListener("pointerleave", () => { tip.hidden = true; });
}

function hover(event) {
  const mark = markAt(event.offsetX, event.offsetY);
  canvas.classList.toggle("over", mark >= 0);
  tip.hidden = mark < 0 || event.pointerType === "touch";
  if (tip.hidden) return;
  const { label, note, from, to } = marks[mark];
  tip.replaceChildren(make("b", "", label), make("span", "", note), make("small", "", to > from ? `${clock(from)}, ${duration(to - from)}` : clock(from)));
  const wide = tip.offsetWidth, high = tip.offsetHeight;
  const x = Math.min(event.clientX + 14, innerWidth - wide - 8);
  const y = event.clientY + 18 + high > innerHeight ? event.clientY - high - 12 : event.clientY + 18;
  tip.style.transform = `translate(${Math.max(8, x)}px, ${y}px)`;
}

const KEYS = {
  ArrowLeft: () => pan(-view.width * 0.15),
  ArrowRight: () => pan(view.width * 0.15),
  ArrowUp: () => focusRow(-1),
  ArrowDown: () => focusRow(1),
  "+": () => zoom(1.5),
  "=": () => zoom(1.5),
  "-": () => zoom(1 / 1.5),
  "0": () => fit(),
  c: () => squeeze(!view.squeezes),
  ",": () => focusMark(-1),
  ".": () => focusMark(1),
  Enter: () => { if (chosen.mark >= 0) chooseMark(chosen.mark, true); },
  v: () => { if (broken) chooseBroken(); },
  Escape: () => chooseNothing(),
};

function keyed(event) {
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (event.ctrlKey || event.metaKey || event.altKey || !KEYS[key]) return;
  event.preventDefault();
  KEYS[key]();
}

/** Rings a mark and says what it is; Enter then shows its lines. */
function ring(at) {
  chosen.mark = at;
  chosen.row = marks[at].row;
  by("spoken").textContent = said(at);
  reveal(marks[at].from, marks[at].row);
}

function focusMark(by_) {
  const row = rows[Math.max(chosen.row, 0)];
  const list = row.marks.filter((at) => marks[at].kind !== "shade");
  if (!list.length) { focusRow(by_); return; }
  const here = list.indexOf(chosen.mark);
  const next = here < 0 ? (by_ > 0 ? 0 : list.length - 1) : here + by_;
  if (list[next] !== undefined) ring(list[next]);
}

/** The next row that has marks, and there the one nearest in time. */
function focusRow(by_) {
  const time = chosen.mark >= 0 ? marks[chosen.mark].from : timeAt(view.width / 2);
  let row = chosen.row < 0 ? (by_ > 0 ? 0 : rows.length - 1) : chosen.row + by_;
  while (rows[row] && !rows[row].marks.length) row += by_;
  if (!rows[row]) return;
  const near = (at) => Math.abs(marks[at].from - time);
  ring(rows[row].marks.reduce((best, at) => (near(at) < near(best) ? at : best)));
}
