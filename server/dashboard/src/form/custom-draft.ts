/** How a provider signs that is none of the known ones, as it is typed. */
export interface CustomDraft {
  scheme: string;
  signatureHeader: string;
  timestampHeader: string;
  idHeader: string;
  type: string;
  id: string;
}

export const NEW_CUSTOM: CustomDraft = { scheme: "timestamped-sha256", signatureHeader: "", timestampHeader: "", idHeader: "", type: "", id: "" };

/** A place in the body begins with a slash; anything else is the name of a header. */
function placed(name: "type" | "id", text: string): Record<string, string> {
  const where = text.trim();
  if (!where) return {};
  return { [`${name}_${where.startsWith("/") ? "pointer" : "header"}`]: where };
}

/** What the API takes. */
export function customOf(draft: CustomDraft): { scheme: string } & Record<string, string> {
  const headers = { signature_header: draft.signatureHeader, timestamp_header: draft.timestampHeader, message_id_header: draft.idHeader };
  const named = Object.entries(headers).map(([name, text]) => [name, text.trim()] as const);
  return { scheme: draft.scheme, ...Object.fromEntries(named.filter(([, text]) => text)), ...placed("type", draft.type), ...placed("id", draft.id) };
}
