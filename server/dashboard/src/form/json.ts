/** What a text is made into, or what is wrong with it; neither for an empty one. */
export interface Read<T> {
  value?: T;
  wrong?: string;
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Any JSON. */
export function jsonOf(text: string): Read<unknown> {
  if (!text.trim()) return {};
  try {
    return { value: JSON.parse(text) as unknown };
  } catch (error) {
    return { wrong: `Not JSON: ${error instanceof Error ? error.message : String(error)}` };
  }
}

/** JSON that is an object. */
export function objectOf(text: string): Read<Record<string, unknown>> {
  const { value, wrong } = jsonOf(text);
  if (wrong !== undefined) return { wrong };
  if (value === undefined) return {};
  return isObject(value) ? { value } : { wrong: "It has to be an object in JSON: {…}." };
}
