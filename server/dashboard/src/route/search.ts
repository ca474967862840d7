import { split } from "./split";

/** The query of the address, now. */
export function currentSearch(): URLSearchParams {
  return new URLSearchParams(split(location.hash).query);
}
