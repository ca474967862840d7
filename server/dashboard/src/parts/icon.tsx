// Icons as paths in a box of 16: each state has a shape of its own, so that colour is not needed.

const PATHS = {
  check: "M3 8.5l3.2 3.2L13 5",
  cross: "M4 4l8 8M12 4l-8 8",
  close: "M4.5 4.5l7 7M11.5 4.5l-7 7",
  clock: "M8 4.5V8l2.4 1.6M8 2a6 6 0 100 12A6 6 0 008 2z",
  retry: "M13 8a5 5 0 11-1.6-3.7M13 2.5v3h-3",
  dash: "M4 8h8",
  pause: "M5.5 3.5v9M10.5 3.5v9",
  off: "M8 2.5v5M4.6 4.8a5 5 0 106.8 0",
  stop: "M5 2.5h6L13.5 5v6L11 13.5H5L2.5 11V5z M8 5.2v3.4 M8 10.8v.01",
  play: "M5 3.5l7.5 4.5L5 12.5z",
  bin: "M3 4.5h10M6 4.5V3h4v1.5M4.5 4.5l.6 8.5h5.8l.6-8.5",
  copy: "M6 6h7v7H6zM3 10V3h7",
  search: "M7 2.5a4.5 4.5 0 100 9 4.5 4.5 0 000-9zM10.5 10.5L14 14",
  menu: "M2.5 4.5h11M2.5 8h11M2.5 11.5h11",
  sun: "M8 5.2a2.8 2.8 0 100 5.6 2.8 2.8 0 000-5.6zM8 1.5v1.3M8 13.2v1.3M1.5 8h1.3M13.2 8h1.3M3.4 3.4l.9.9M11.7 11.7l.9.9M12.6 3.4l-.9.9M4.3 11.7l-.9.9",
  moon: "M13 9.6A5.5 5.5 0 016.4 3 5.5 5.5 0 1013 9.6z",
  half: "M8 2a6 6 0 100 12A6 6 0 008 2zM8 2v12",
  right: "M6 3.5L10.5 8 6 12.5",
  down: "M3.5 6L8 10.5 12.5 6",
  plus: "M8 3v10M3 8h10",
  key: "M10 2.5a3.5 3.5 0 100 7 3.5 3.5 0 000-7zM7.5 8.5L2.5 13.5M4.5 11.5l1.8 1.8",
  overview: "M2.5 13.5v-5h3v5M6.5 13.5v-11h3v11M10.5 13.5v-7h3v7",
  events: "M2.5 4h11M2.5 8h11M2.5 12h7",
  endpoints: "M2.5 8h6M8.5 3.5h5v9h-5zM6 5.5L8.5 8 6 10.5",
  lanes: "M2 4h12M2 8h12M2 12h12M5 2.5v3M9 6.5v3M6.5 10.5v3",
  dead: "M3 3h10v10H3zM6 6l4 4M10 6l-4 4",
  replays: "M3 8a5 5 0 105-5H4.5M6.5 1L4.3 3l2.2 2.2",
  types: "M2.5 4.5h5M2.5 8h11M2.5 11.5h8",
  debug: "M8 2l5 2v4c0 3-2 5-5 6-3-1-5-3-5-6V4zM5.8 8l1.6 1.6 2.9-3.1",
  sources: "M7.5 8h6M2.5 3.5h5v9h-5zM11 5.5L13.5 8 11 10.5",
  tenants: "M5.5 3a2 2 0 100 4 2 2 0 000-4zM2 13c0-2.5 1.5-4 3.5-4S9 10.5 9 13M10.5 4.5a1.7 1.7 0 100 3.4M11 9.5c1.8.2 3 1.5 3 3.5",
  template: "M4 2h8v12H4zM6.5 5h3M6.5 8h3M6.5 11h1.5",
  settings: "M2.5 4.5h7M12.5 4.5h1M2.5 11.5h1M6.5 11.5h7M11 3v3M5 10v3",
  audit: "M4 2h6l3 3v9H4zM6.5 7h4M6.5 9.5h4M6.5 12h2.5",
  system: "M2.5 3.5h11v4h-11zM2.5 8.5h11v4h-11zM5 5.5h.01M5 10.5h.01",
  out: "M6 2.5H3v11h3M7 8h6.5M10.5 5l3 3-3 3",
  live: "M8 7a1 1 0 100 2 1 1 0 000-2zM5 5a4.2 4.2 0 000 6M11 5a4.2 4.2 0 010 6M3 3a7 7 0 000 10M13 3a7 7 0 010 10",
  warn: "M8 2.5l6 11H2zM8 6.5v3M8 11.6v.01",
  dot: "M8 6.5a1.5 1.5 0 100 3 1.5 1.5 0 000-3z",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name }: { name: IconName }) {
  return (
    <svg className="icon" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} />
    </svg>
  );
}
