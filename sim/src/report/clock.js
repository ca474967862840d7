// Time: how it is written, and where it stands on the screen.

const data = JSON.parse(document.getElementById("data").textContent);
const by = (id) => document.getElementById(id);

/** An element with a class and a text. Nothing of the data ever becomes markup. */
function make(tag, name, text) {
  const element = document.createElement(tag);
  if (name) element.className = name;
  if (text !== undefined) element.textContent = text;
  return element;
}

const SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE, DAY = 24 * HOUR;
const two = (number) => String(number).padStart(2, "0");

/** `2d 03:14:15.926`. */
function clock(ms) {
  const rest = String(ms % SECOND).padStart(3, "0");
  return `${clockOfSeconds(ms)}.${rest}`;
}

function clockOfSeconds(ms) {
  return `${clockOfMinutes(ms)}:${two(Math.floor(ms / SECOND) % 60)}`;
}

function clockOfMinutes(ms) {
  const days = Math.floor(ms / DAY);
  const time = `${two(Math.floor(ms / HOUR) % 24)}:${two(Math.floor(ms / MINUTE) % 60)}`;
  return days ? `${days}d ${time}` : time;
}

/** `850 ms`, `12.4 s`, `3 m 20 s`, `11 h 5 m`, `2 d 3 h`. */
function duration(ms) {
  if (ms < SECOND) return `${Math.round(ms)} ms`;
  if (ms < MINUTE) return `${+(ms / SECOND).toFixed(ms < 10 * SECOND ? 2 : 1)} s`;
  const pair = (big, bigName, small, smallName) => {
    const rest = Math.floor((ms % big) / small);
    return `${Math.floor(ms / big)} ${bigName}${rest ? ` ${rest} ${smallName}` : ""}`;
  };
  if (ms < HOUR) return pair(MINUTE, "m", SECOND, "s");
  if (ms < DAY) return pair(HOUR, "h", MINUTE, "m");
  return pair(DAY, "d", HOUR, "h");
}

/** The first place of a sorted list whose value is not below. */
function lowerBound(list, value) {
  let [low, high] = [0, list.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (list[middle] < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * From simulated milliseconds to units of the screen's width and back. One unit is a millisecond,
 * except where nothing happens: there, if asked for, it is more the longer nothing happens.
 */
class Scale {
  constructor(times, end, squeezes) {
    this.times = [0];
    this.units = [0];
    this.idle = []; // [from, to] in milliseconds
    const { longest, short } = squeezes ? Scale.idleness(times, end) : { longest: Infinity };
    let last = 0, unit = 0;
    const step = (time) => {
      const gap = time - last;
      if (gap <= 0) return;
      if (gap > longest) {
        this.add(last, unit);
        this.idle.push([last, time]);
        unit += short * (1 + 0.35 * Math.log10(gap / longest));
        this.add(time, unit);
      } else {
        unit += gap;
      }
      last = time;
    };
    for (const time of times) step(time);
    step(Math.max(end, last + 1, 1));
    this.add(last, unit);
    this.end = last;
    this.length = unit;
  }

  add(time, unit) {
    const at = this.times.length - 1;
    if (this.times[at] === time) return;
    this.times.push(time);
    this.units.push(unit);
  }

  /**
   * Idle is a gap that takes more than a twentieth of what would be left without it: from the
   * longest on, until what is left is dense. It becomes as short as a fortieth of that. What takes
   * a second or less is never idle.
   */
  static idleness(times, end) {
    const gaps = [];
    let last = 0;
    for (const time of [...times, end]) {
      if (time > last) gaps.push(time - last);
      last = Math.max(last, time);
    }
    gaps.sort((a, b) => b - a);
    let left = last, squeezed = 0;
    while (squeezed < gaps.length - 4 && gaps[squeezed] * 20 > left - gaps[squeezed]) {
      left -= gaps[squeezed];
      squeezed += 1;
    }
    return { longest: Math.max(gaps[squeezed] ?? 0, SECOND), short: left / 40 };
  }

  static between(from, to, value) {
    const at = Math.min(Math.max(lowerBound(from, value), 1), from.length - 1);
    const share = (value - from[at - 1]) / (from[at] - from[at - 1]);
    return to[at - 1] + share * (to[at] - to[at - 1]);
  }

  unit(time) { return Scale.between(this.times, this.units, time); }
  time(unit) { return Scale.between(this.units, this.times, unit); }
}
