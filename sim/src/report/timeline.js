// The timeline: rows of marks on one canvas, as wide as the window and as long as it is scrolled.

const { rows, marks, lines } = data;
const broken = data.violation;
const stage = by("stage"), canvas = by("timeline"), axis = by("axis"), tip = by("tip");
const pen = canvas.getContext("2d"), axisPen = axis.getContext("2d");

/** How tall a track of a row is, and how tall its marks are. */
const TRACK = { sender: [14, 10], disk: [6, 4], fault: [11, 7], receiver: [7, 5], endpoint: [14, 9], lane: [13, 9] };
const PADS = { fault: 3.5 };
const padOf = (row) => PADS[row.kind] ?? 5;

/** What each kind of mark is called, how it is painted, and in which colour. */
const KINDS = {
  shade: { paint: "shade", ink: "fault" },
  life: { paint: "bar", ink: "life", said: true },
  drain: { paint: "hatch", ink: "life", said: true },
  crash: { paint: "cross", ink: "ink" },
  stop: { paint: "tick", ink: "soft" },
  durable: { paint: "bar", ink: "disk" },
  unwritten: { paint: "hatch", ink: "lost" },
  refused: { paint: "bar", ink: "retried" },
  read: { paint: "frame", ink: "disk" },
  fault: { paint: "bar", ink: "fault" },
  answered: { paint: "bar", ink: "delivered" },
  refusing: { paint: "bar", ink: "retried" },
  silent: { paint: "frame", ink: "soft" },
  held: { paint: "hatch", ink: "lost", said: true },
  off: { paint: "bar", ink: "lost", said: true },
  breaker: { paint: "hatch", ink: "retried", said: true },
  made: { paint: "seed", ink: "faint" },
  resent: { paint: "ring", ink: "accent" },
  wait: { paint: "wait", ink: "faint" },
  delivered: { paint: "bar", ink: "delivered" },
  retried: { paint: "bar", ink: "retried" },
  failed: { paint: "ended", ink: "failed" },
  lost: { paint: "hatch", ink: "lost" },
  open: { paint: "frame", ink: "soft" },
  discarded: { paint: "cross", ink: "soft" },
};
const LEGEND = [
  ["delivered", "delivered"], ["retried", "failed, retried"], ["failed", "dead letter"],
  ["lost", "cancelled or lost"], ["open", "no answer"], ["wait", "backoff"], ["resent", "resend"],
  ["fault", "fault"],
];

const view = { scale: null, from: 0, to: 1, width: 0, height: 0, squeezes: false };
const chosen = { mark: -1, about: "", line: -1, row: -1 };
let ink = {};

let tall = 0;
for (const row of rows) {
  const [pitch] = TRACK[row.kind];
  row.top = tall;
  row.height = row.tracks * pitch + 2 * padOf(row);
  row.marks = [];
  tall += row.height;
}
marks.forEach((mark, at) => rows[mark.row].marks.push(at));
for (const row of rows) row.marks.sort((a, b) => marks[a].from - marks[b].from);

function readInk() {
  const style = getComputedStyle(document.documentElement);
  const names = ["ink", "soft", "faint", "rule", "panel", "accent", "broke", "life", "disk", "fault",
    "delivered", "retried", "failed", "lost", "idle", "on-mark"];
  ink = Object.fromEntries(names.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
}

const across = (time) => ((view.scale.unit(time) - view.from) / (view.to - view.from)) * view.width;
const timeAt = (x) => view.scale.time(view.from + (x / view.width) * (view.to - view.from));

/** Where a mark stands on the canvas, whether or not that is in sight. */
function boxOf(at) {
  const mark = marks[at], row = rows[mark.row];
  const [pitch, height] = TRACK[row.kind];
  const x = across(mark.from), long = across(mark.to) - x;
  const y = row.top - stage.scrollTop + padOf(row) + mark.track * pitch + (pitch - height) / 2;
  return { x, y, width: Math.max(long, 2), height, long };
}

/** A little more than the run, so that what is at its ends can be seen. */
const edges = () => [-0.008 * view.scale.length, 1.025 * view.scale.length];
const within = (wide) => {
  const [low, high] = edges();
  return Math.min(Math.max(wide, Math.min(4, high - low)), high - low);
};

/** Shows these units, as far as there are so many. */
function show(from, to) {
  const [low, high] = edges(), wide = within(to - from);
  view.from = Math.min(Math.max(from - (wide - (to - from)) / 2, low), high - wide);
  view.to = view.from + wide;
  draw();
}

function zoom(factor, x = view.width / 2) {
  const wide = view.to - view.from, fixed = view.from + (x / view.width) * wide;
  const next = within(wide / factor);
  const from = fixed - (x / view.width) * next;
  show(from, from + next);
}

function pan(pixels) {
  const units = (pixels / view.width) * (view.to - view.from);
  show(view.from + units, view.to + units);
}

function fit() { show(...edges()); }

function squeeze(on) {
  const [low, high] = view.scale ? edges() : [0, 0];
  const whole = view.from <= low && view.to >= high;
  const before = view.scale && [view.scale.time(view.from), view.scale.time(view.to)];
  view.squeezes = on;
  view.scale = new Scale(lines.at, data.end, on);
  by("compress").setAttribute("aria-pressed", String(on));
  if (!before || whole) fit();
  else show(view.scale.unit(before[0]), view.scale.unit(before[1]));
}

/** Brings a time, and a row if one is named, into sight. */
function reveal(time, row = -1) {
  const unit = view.scale.unit(time), wide = view.to - view.from;
  if (row >= 0) {
    const { top, height } = rows[row];
    if (top < stage.scrollTop || top + height > stage.scrollTop + view.height) {
      stage.scrollTop = Math.max(0, top - view.height / 3);
    }
  }
  const margin = wide * 0.04;
  if (unit < view.from + margin || unit > view.to - margin) show(unit - wide / 2, unit + wide / 2);
  else draw();
}

let asked = 0;
function draw() {
  if (!asked) asked = requestAnimationFrame(() => { asked = 0; paint(); });
}

function sized(element, context, width, height) {
  const sharp = window.devicePixelRatio || 1;
  const [w, h] = [Math.round(width * sharp), Math.round(height * sharp)];
  if (element.width !== w || element.height !== h) {
    element.width = w;
    element.height = h;
    element.style.width = `${width}px`;
    element.style.height = `${height}px`;
  }
  context.setTransform(sharp, 0, 0, sharp, 0, 0);
  context.clearRect(0, 0, width, height);
}

function paint() {
  const font = getComputedStyle(document.body).fontFamily;
  sized(canvas, pen, view.width, view.height);
  pen.font = `10px ${font}`;
  pen.textBaseline = "middle";
  const top = stage.scrollTop;
  paintIdle();
  for (const row of rows) {
    if (row.top + row.height < top || row.top > top + view.height) continue;
    paintRow(row, row.top - top);
  }
  paintChosen();
  paintTime(broken && broken.at, ink.broke, 1.5);
  if (chosen.line >= 0 && !(broken && lines.at[chosen.line] === broken.at)) paintTime(lines.at[chosen.line], ink.accent, 1);
  paintAxis(font);
  const [first, last] = [timeAt(0), timeAt(view.width)].map((time) => Math.min(Math.max(time, 0), view.scale.end));
  by("span").textContent = `${duration(last - first)} in view`;
}

function paintIdle() {
  pen.fillStyle = ink.idle;
  for (const [from, to] of view.scale.idle) {
    const x = across(from), end = across(to);
    if (end > 0 && x < view.width) pen.fillRect(x, 0, end - x, view.height);
  }
}

function paintRow(row, y) {
  pen.fillStyle = ink.rule;
  pen.fillRect(0, Math.round(y + row.height) - 1, view.width, 1);
  const reach = {};
  for (const at of row.marks) {
    const mark = marks[at], kind = KINDS[mark.kind];
    const box = boxOf(at);
    if (box.x > view.width + 8) break;
    if (box.x + box.width < -8) continue;
    // What would be painted over what looks the same is left out: thousands of bars stay fluent.
    const same = `${mark.kind}/${mark.track}`;
    if (box.x + box.width <= reach[same]) continue;
    reach[same] = box.x + box.width;
    pen.fillStyle = pen.strokeStyle = ink[kind.ink];
    PAINT[kind.paint](box, mark, row, y);
    if (kind.said && box.long > 34) write(mark.label, box, kind.ink !== "life" && kind.paint === "bar");
  }
}

/** A label within its bar, cut to what fits; it stays in sight while its bar does. */
function write(text, box, onBar) {
  const x = Math.max(box.x, 0) + 5, room = Math.min(box.x + box.long, view.width) - x - 4;
  let shown = text;
  while (shown && pen.measureText(shown).width > room) shown = shown.slice(0, -1);
  if (shown.length < Math.min(3, text.length)) return;
  pen.fillStyle = onBar ? ink["on-mark"] : ink.ink;
  pen.fillText(shown, x, box.y + box.height / 2 + 0.5);
}

const PAINT = {
  bar({ x, y, width, height }) {
    pen.beginPath();
    pen.roundRect(x, y, width, height, Math.min(2, width / 3));
    pen.fill();
  },
  frame({ x, y, width, height }) {
    pen.lineWidth = 1;
    pen.strokeRect(x + 0.5, y + 0.5, Math.max(width - 1, 2), height - 1);
  },
  hatch(box) {
    const { x, y, width, height } = box;
    pen.save();
    pen.beginPath();
    pen.rect(x, y, Math.max(width, 3), height);
    pen.clip();
    pen.globalAlpha = 0.28;
    pen.fillRect(x, y, Math.max(width, 3), height);
    pen.globalAlpha = 1;
    pen.lineWidth = 1.2;
    pen.beginPath();
    const end = Math.min(x + width, view.width + 8);
    for (let at = Math.max(x - height, -16 + ((x - height) % 5)); at < end; at += 5) {
      pen.moveTo(at, y + height);
      pen.lineTo(at + height, y);
    }
    pen.stroke();
    pen.restore();
    PAINT.frame(box);
  },
  ended(box) {
    PAINT.bar(box);
    const x = box.x + box.width;
    pen.fillRect(x - 1, box.y - 2, 2.5, box.height + 4);
  },
  shade({ x, long }, mark, row, top) {
    pen.globalAlpha = 0.16;
    pen.fillRect(x, top, Math.max(long, 2), row.height - 1);
    pen.globalAlpha = 1;
  },
  tick({ x, y, height }) { pen.fillRect(x - 0.75, y - 2, 1.5, height + 4); },
  cross({ x, y, height }) {
    const middle = y + height / 2, arm = Math.min(4.5, height / 2 + 1);
    pen.lineWidth = 4.5;
    pen.save();
    pen.strokeStyle = ink.panel;
    crossed(x, middle, arm);
    pen.restore();
    pen.lineWidth = 1.8;
    crossed(x, middle, arm);
  },
  seed({ x }, mark, row, top) { pen.fillRect(x - 0.5, top + row.height - 5, 1.5, 4); },
  ring({ x, y, height }) {
    pen.lineWidth = 1.6;
    pen.beginPath();
    pen.arc(x - 5, y + height / 2, 3.2, 0.6, 5.6);
    pen.stroke();
    pen.beginPath();
    pen.moveTo(x - 4.2, y + height / 2 - 4.6);
    pen.lineTo(x - 1.2, y + height / 2 - 2);
    pen.lineTo(x - 4.8, y + height / 2 - 0.6);
    pen.fill();
  },
  wait({ x, y, long, height }, mark) {
    if (long < 3) return;
    const middle = Math.round(y + height / 2) + 0.5;
    pen.lineWidth = 1;
    pen.setLineDash([3, 3]);
    pen.beginPath();
    pen.moveTo(Math.max(x, -6), middle);
    pen.lineTo(Math.min(x + long, view.width + 6), middle);
    pen.stroke();
    pen.setLineDash([]);
    const text = duration(mark.to - mark.from), wide = pen.measureText(text).width;
    if (long < wide + 22) return;
    const at = x + long / 2 - wide / 2;
    pen.fillStyle = ink.panel;
    pen.fillRect(at - 4, middle - 6, wide + 8, 12);
    pen.fillStyle = ink.soft;
    pen.fillText(text, at, middle + 0.5);
  },
};

function crossed(x, y, arm) {
  pen.beginPath();
  pen.moveTo(x - arm, y - arm);
  pen.lineTo(x + arm, y + arm);
  pen.moveTo(x - arm, y + arm);
  pen.lineTo(x + arm, y - arm);
  pen.stroke();
}

/** The mark that is chosen, and the others of its delivery. */
function paintChosen() {
  const ring = (at, width, gap) => {
    const { x, y, width: wide, height } = boxOf(at);
    pen.lineWidth = width;
    pen.beginPath();
    pen.roundRect(x - gap, y - gap, wide + 2 * gap, height + 2 * gap, 3);
    pen.stroke();
  };
  pen.strokeStyle = ink.accent;
  if (chosen.about) {
    marks.forEach((mark, at) => {
      if (mark.about === chosen.about && mark.attempt && mark.kind !== "wait") ring(at, 1, 1.5);
    });
  }
  if (chosen.mark >= 0) ring(chosen.mark, 2, 2.5);
}

function paintTime(time, colour, width) {
  if (time === null || time === undefined) return;
  const x = across(time);
  pen.fillStyle = colour;
  if (x >= -1 && x <= view.width + 1) pen.fillRect(x - width / 2, 0, width, view.height);
}

const STEPS = [1, 2, 5, 10, 20, 50, 100, 200, 500, SECOND, 2 * SECOND, 5 * SECOND, 10 * SECOND, 15 * SECOND,
  30 * SECOND, MINUTE, 2 * MINUTE, 5 * MINUTE, 10 * MINUTE, 15 * MINUTE, 30 * MINUTE, HOUR, 2 * HOUR,
  3 * HOUR, 6 * HOUR, 12 * HOUR, DAY, 2 * DAY, 5 * DAY, 10 * DAY, 50 * DAY];

function paintAxis(font) {
  const height = 26;
  sized(axis, axisPen, view.width, height);
  axisPen.font = `11px ${font}`;
  axisPen.textBaseline = "middle";
  const perPixel = (view.to - view.from) / view.width;
  const step = STEPS.find((known) => known / perPixel >= 92) ?? 100 * DAY;
  const named = step < SECOND ? clock : step < MINUTE ? clockOfSeconds : clockOfMinutes;
  let free = 2;
  const label = (time, text, x, colour) => {
    const wide = axisPen.measureText(text).width;
    const at = Math.max(x + 4, 2);
    if (at < free || at + wide > view.width) return;
    axisPen.fillStyle = colour;
    axisPen.fillText(text, at, height / 2);
    free = at + wide + 10;
  };
  const stretches = [];
  let start = 0;
  for (const [from, to] of view.scale.idle) {
    stretches.push([start, from, false], [from, to, true]);
    start = to;
  }
  stretches.push([start, view.scale.end, false]);
  for (const [from, to, idle] of stretches) {
    const x = across(from), end = across(to);
    if (end < 0 || x > view.width) continue;
    if (idle) {
      free = paintIdleOfAxis(x, end, to - from, free, height);
      continue;
    }
    const first = Math.ceil(Math.max(from, timeAt(0), 0) / step) * step;
    if (view.scale.idle.length && x >= -1 && end - x > 20) label(from, clockOfSeconds(Math.floor(from)), x - 2, ink.soft);
    for (let time = first; time <= to; time += step) {
      const at = across(time);
      if (at > view.width) break;
      axisPen.fillStyle = ink.faint;
      axisPen.fillRect(Math.round(at), height - 6, 1, 6);
      label(time, named(time), at, ink.soft);
    }
  }
  if (data.healed !== null) {
    const x = across(data.healed);
    axisPen.fillStyle = ink.delivered;
    axisPen.fillRect(x - 1, height - 8, 2, 8);
  }
  placeFlag();
}

/** How long nothing happens, where there is room for it; returns where there is room again. */
function paintIdleOfAxis(x, end, ms, free, height) {
  axisPen.fillStyle = ink.idle;
  axisPen.fillRect(x, 0, end - x, height);
  const text = duration(ms), wide = axisPen.measureText(text).width;
  const at = (x + end) / 2 - wide / 2;
  if (end - x < wide + 6 || at < free) return Math.max(free, x + 2);
  axisPen.fillStyle = ink.faint;
  axisPen.fillText(text, at, height / 2);
  return at + wide + 4;
}

/** The flag where the promise broke; at the edge if that is out of sight. */
function placeFlag() {
  const flag = by("flag");
  if (!flag) return;
  const x = across(broken.at);
  const wide = flag.offsetWidth;
  flag.dataset.side = x < 0 ? "before" : x > view.width ? "after" : "";
  const left = Math.min(Math.max(x - wide / 2, 0), view.width - wide);
  flag.style.transform = `translateX(${left}px)`;
}

/** The mark at this place of the canvas; the narrowest of several. */
function markAt(x, y) {
  const row = rows.find((known) => y + stage.scrollTop >= known.top && y + stage.scrollTop < known.top + known.height);
  if (!row) return -1;
  let best = -1, least = Infinity;
  for (const at of row.marks) {
    const { x: left, y: top, width, height } = boxOf(at);
    if (left > x + 8) break;
    const beside = Math.max(left - x, x - left - width, 0);
    const above = Math.max(top - y, y - top - height, 0);
    const { paint } = KINDS[marks[at].kind];
    if (beside > 5) continue;
    const dull = paint === "shade" ? 1e6 : paint === "wait" || paint === "seed" ? 1e3 : 0;
    const cost = beside * 40 + above * 30 + Math.min(width, 900) / 10 + dull;
    if (cost < least) [best, least] = [at, cost];
  }
  return best;
}

/** A mark in words. */
function said(at) {
  const mark = marks[at], row = rows[mark.row];
  const took = mark.to > mark.from ? `, ${duration(mark.to - mark.from)}` : "";
  const where = row.kind === "lane" ? `${row.note}/${row.name}` : row.name;
  return `${mark.label}${mark.note ? `: ${mark.note}` : ""}. ${where}, at ${clock(mark.from)}${took}`;
}
