// Some lists have two forms, and the description says that the answer is one of both. `short` and `whole`
// take the rows of the form that was asked for, and so their type.
import type { Answer } from "./client";
import type { Delivery, Endpoint, EndpointName, Page, ShortDelivery } from "./types";

type Listed<T> = Promise<Answer<Page<T>>>;

async function only<R, T extends R>(listed: Listed<R>, is: (row: R) => row is T): Listed<T> {
  const { data, ...rest } = await listed;
  return data ? { ...rest, data: { data: data.data.filter(is), next: data.next } } : rest;
}

/** Of deliveries with `view=short`. */
export function short(listed: Listed<Delivery | ShortDelivery>): Listed<ShortDelivery> {
  return only(listed, (row): row is ShortDelivery => "attempt_count" in row);
}

/** Of endpoints without a `view`. */
export function whole(listed: Listed<Endpoint | EndpointName>): Listed<Endpoint> {
  return only(listed, (row): row is Endpoint => "revision" in row);
}

/** Of bytes. The client leaves out a body that is empty. */
export async function bytesOf(asked: Promise<Answer<ArrayBuffer>>): Promise<Answer<ArrayBuffer>> {
  const { data, ...rest } = await asked;
  return rest.response.ok ? { ...rest, data: data ?? new ArrayBuffer(0) } : rest;
}
