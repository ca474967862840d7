import { split } from "./hash";

/** The query of the address, now. */
export function currentSearch(): URLSearchParams {
  return new URLSearchParams(split(location.hash).query);
}
