import type { Custom } from "../api/types";
import { objectOf } from "./json";

/** How a provider signs that is none of the known ones, as it is typed. */
export interface CustomDraft {
  scheme: string;
  /** Of the scheme `OWN`: the signature described, as JSON. */
  signature: string;
  signatureHeader: string;
  timestampHeader: string;
  idHeader: string;
  type: string;
  id: string;
}

/** None of the schemes: it is described. */
export const OWN = "own";

/** Nothing is signed. */
export const UNSIGNED = "none";

export const NEW_CUSTOM: CustomDraft = {
  scheme: "timestamped-sha256",
  signature: '{\n  "algorithm": "hmac-sha256",\n  "header": "x-acme-signature",\n  "signed": "{body}"\n}',
  signatureHeader: "",
  timestampHeader: "",
  idHeader: "",
  type: "",
  id: "",
};

/** A place in the body begins with a slash; anything else is the name of a header. */
function placed(name: "type" | "id", text: string): Record<string, string> {
  const where = text.trim();
  if (!where) return {};
  return { [`${name}_${where.startsWith("/") ? "pointer" : "header"}`]: where };
}

/** What the API takes. */
export function customOf(draft: CustomDraft): Custom {
  const places = { ...placed("type", draft.type), ...placed("id", draft.id) };
  if (draft.scheme === OWN) return { signature: objectOf(draft.signature).value as Custom["signature"], ...places };
  if (draft.scheme === UNSIGNED) return { scheme: UNSIGNED, ...places };
  const headers = { signature_header: draft.signatureHeader, timestamp_header: draft.timestampHeader, message_id_header: draft.idHeader };
  const named = Object.entries(headers).map(([name, text]) => [name, text.trim()] as const);
  return { scheme: draft.scheme, ...Object.fromEntries(named.filter(([, text]) => text)), ...places };
}
