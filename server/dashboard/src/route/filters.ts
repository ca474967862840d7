import { currentSearch } from "./search";
import { navigate, useHashSearch } from "./hash";
import { split } from "./split";

/** One value of the query; `null` if it is not there. */
export function useSearchValue(name: string): string | null {
  return new URLSearchParams(useHashSearch()).get(name);
}

/** The values of the query that have these names, and a way to change some of them. */
export function useFilters<N extends string>(
  names: readonly N[],
): [Partial<Record<N, string>>, (change: Partial<Record<N, string | null>>) => void] {
  const query = new URLSearchParams(useHashSearch());
  const values: Partial<Record<N, string>> = {};
  for (const name of names) {
    const value = query.get(name);
    if (value) values[name] = value;
  }
  return [values, change];
}

/** A number in the address; `undefined` for what is none. */
export function numberOf(text: string | undefined): number | undefined {
  return text && Number.isFinite(Number(text)) ? Number(text) : undefined;
}

/** Writes filters to the address. Each state of them is not a step of the history. */
function change(values: Readonly<Record<string, string | null | undefined>>): void {
  const query = currentSearch();
  for (const [name, value] of Object.entries(values)) {
    if (value) query.set(name, value);
    else query.delete(name);
  }
  const text = query.toString();
  navigate(split(location.hash).path + (text ? `?${text}` : ""), { replace: true });
}

/** An address within the page. The tenant goes along unless another is given. */
export function to(path: string, values: Readonly<Record<string, string | number | null | undefined>> = {}): string {
  const query = new URLSearchParams();
  const tenant = "tenant" in values ? values.tenant : currentSearch().get("tenant");
  for (const [name, value] of Object.entries(values)) {
    if (name !== "tenant" && value !== null && value !== undefined && value !== "") query.set(name, String(value));
  }
  if (tenant) query.set("tenant", String(tenant));
  const text = query.toString();
  return path + (text ? `?${text}` : "");
}
