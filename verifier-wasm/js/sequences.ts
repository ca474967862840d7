/** The first and the last number of a run. */
export type Run = readonly [first: number, last: number];

/** Where a message stands among those of its lane. A batch stands at several places. */
export interface Place {
  readonly lane: string;
  /** The life of the lane: a later one has a greater epoch, and begins at 1 again. */
  readonly epoch: number;
  readonly runs: readonly Run[];
}

/** What a message tells by its numbers. */
export interface Arrival {
  /** The id of the message without its place. */
  readonly id: string;
  /** `undefined` if the sender has not counted the message: a test, or a sender that counts nothing. */
  readonly place: Place | undefined;
  /** What has not come before it, and was not known to be missing. */
  readonly missing: readonly Run[];
  /** What was missing, and is in this message. */
  readonly filled: readonly Run[];
  /** What is in this message and had come before. */
  readonly repeated: readonly Run[];
  /** Nothing was known of the lane: what was before this message is not known to be missing. */
  readonly isFirst: boolean;
  /** The lane has begun anew. Whether anything is missing at the end of its life before is not known. */
  readonly isNewEpoch: boolean;
  /** It is of an earlier life of the lane, and was not counted. */
  readonly isOldEpoch: boolean;
}

/** The numbers that have come of each lane: finds gaps and repeats. */
export interface Sequences {
  /** Takes note of a verified message, and tells what its numbers say. */
  see(message: string | { readonly id?: string | undefined }): Arrival;
  /** What is missing of a lane. */
  missing(lane: string): readonly Run[];
  /** The last number that has come of each lane: what to ask the sender to go on from. */
  last(): Record<string, { epoch: number; number: number }>;
  /** All that is known, for `sequences(text)`: keep it with what you make of the messages. */
  toString(): string;
  /** The same, for `JSON.stringify`. */
  toJSON(): string;
}

interface Lane {
  epoch: number;
  last: number;
  missing: Run[];
}

type Told = { missing: Run[]; filled: Run[]; repeated: Run[] };

/** So many lanes are known; with one more, the one that was quiet for longest is forgotten. */
const LANES_MAX = 10_000;

/** So many runs of missing numbers are known of a lane; with one more the oldest is forgotten. */
const RUNS_MAX = 128;

const LANE = /^[0-9a-z]{1,64}$/;
const NUMBER = /^[0-9]+$/;

/** Decimal digits and nothing else. */
function number(text: string | undefined): number | undefined {
  const number = text !== undefined && NUMBER.test(text) ? Number(text) : NaN;
  return Number.isSafeInteger(number) ? number : undefined;
}

/** `5`, `5-9`, `5-9+12` */
function readRuns(text: string): Run[] | undefined {
  const runs: Run[] = [];
  for (const run of text.split("+")) {
    const ends = run.split("-");
    const first = number(ends[0]);
    const last = ends.length === 1 ? first : number(ends[1]);
    if (ends.length > 2 || !first || last === undefined || last < first || runs.length >= RUNS_MAX) {
      return undefined;
    }
    runs.push([first, last]);
  }
  return runs;
}

const written = (runs: readonly Run[]): string =>
  runs.map(([first, last]) => (first === last ? `${first}` : `${first}-${last}`)).join("+");

/** The place that an id has behind it, `{id}:{lane}:{epoch}:{numbers}`, and the id without it. */
export function splitId(id: string): { id: string; place: Place | undefined } {
  const [bare, lane, epochText, numbers, ...more] = id.split(":");
  const epoch = number(epochText);
  const runs = numbers === undefined || more.length > 0 ? undefined : readRuns(numbers);
  if (!bare || lane === undefined || !LANE.test(lane) || epoch === undefined || !runs) {
    return { id, place: undefined };
  }
  return { id: bare, place: { lane, epoch, runs } };
}

function forgetOldest(runs: Run[]): void {
  if (runs.length > RUNS_MAX) runs.shift();
}

/** Numbers up to the last one that has come: each was missing, or is a repeat. */
function takeAgain(lane: Lane, [first, last]: Run, told: Told): void {
  const left: Run[] = [];
  let next = first;
  for (const [from, to] of lane.missing) {
    const begin = Math.max(from, first);
    const end = Math.min(to, last);
    if (begin > end) {
      left.push([from, to]);
      continue;
    }
    if (begin > next) told.repeated.push([next, begin - 1]);
    told.filled.push([begin, end]);
    next = end + 1;
    if (from < begin) left.push([from, begin - 1]);
    if (to > end) left.push([end + 1, to]);
  }
  if (next <= last) told.repeated.push([next, last]);
  lane.missing = left;
  forgetOldest(lane.missing);
}

function take(lane: Lane, run: Run, told: Told): void {
  const [first, last] = run;
  if (last <= lane.last) return takeAgain(lane, run, told);
  const before = lane.last;
  if (first > before + 1) {
    const gap: Run = [before + 1, first - 1];
    told.missing.push(gap);
    lane.missing.push(gap);
    forgetOldest(lane.missing);
  }
  lane.last = last;
  if (first <= before) takeAgain(lane, [first, before], told);
}

function readLine(line: string): [string, Lane] | undefined {
  const [name, epochText, lastText, runs, ...more] = line.split(":");
  const epoch = number(epochText);
  const last = number(lastText);
  const missing: Run[] | undefined = runs === "" ? [] : runs === undefined ? undefined : readRuns(runs);
  if (!name || !LANE.test(name) || epoch === undefined || last === undefined || !missing || more.length > 0) {
    return undefined;
  }
  const isSound = missing.every(([first], at) => first > (missing[at - 1]?.[1] ?? 0));
  return isSound && (missing.at(-1)?.[1] ?? -1) < last ? [name, { epoch, last, missing }] : undefined;
}

/**
 * Begins with nothing, or with what `toString` gave.
 *
 * ```js
 * const { missing, repeated } = seen.see(verified);
 * ```
 *
 * @throws TypeError if the text is not one of these.
 */
export function sequences(saved = ""): Sequences {
  // In the order in which they were seen last.
  const lanes = new Map<string, Lane>();
  for (const [at, line] of saved.split("\n").entries()) {
    if (!line) continue;
    const read = readLine(line);
    if (!read) throw new TypeError(`@postrider/verifier: line ${at + 1} says nothing of a lane`);
    lanes.set(...read);
  }

  const see = (message: string | { readonly id?: string | undefined }): Arrival => {
    const { id, place } = splitId(typeof message === "string" ? message : (message.id ?? ""));
    const told: Told = { missing: [], filled: [], repeated: [] };
    const flags = { isFirst: false, isNewEpoch: false, isOldEpoch: false };
    if (!place) return { id, place, ...told, ...flags };
    let lane = lanes.get(place.lane);
    flags.isFirst = !lane;
    lane ??= { epoch: place.epoch, last: place.runs[0]![0] - 1, missing: [] };
    lanes.delete(place.lane);
    lanes.set(place.lane, lane);
    if (lanes.size > LANES_MAX) lanes.delete(lanes.keys().next().value!);
    flags.isOldEpoch = place.epoch < lane.epoch;
    if (flags.isOldEpoch) return { id, place, ...told, ...flags };
    flags.isNewEpoch = place.epoch > lane.epoch;
    if (flags.isNewEpoch) {
      lane.epoch = place.epoch;
      lane.last = 0;
      lane.missing = [];
    }
    for (const run of place.runs) take(lane, run, told);
    return { id, place, ...told, ...flags };
  };

  const toString = () => {
    const line = ([name, { epoch, last, missing }]: [string, Lane]) => `${name}:${epoch}:${last}:${written(missing)}\n`;
    return [...lanes].map(line).join("");
  };
  return {
    see,
    missing: (lane) => lanes.get(lane)?.missing ?? [],
    last: () =>
      Object.fromEntries([...lanes].map(([name, { epoch, last }]) => [name, { epoch, number: last }])),
    toString,
    toJSON: toString,
  };
}
