import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";

const NAMES = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"];

/** Where a browser is. */
export function browserPath() {
  const places = (process.env.PATH ?? "").split(delimiter);
  const found = NAMES.flatMap((name) => places.map((place) => join(place, name))).find((path) => existsSync(path));
  if (!found) throw new Error(`no browser: none of ${NAMES.join(", ")} is in the PATH; on Debian: apt-get install chromium`);
  return found;
}
