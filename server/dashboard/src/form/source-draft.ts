import type { HandshakeKind, Source, SourceForm } from "../api/types";

/** What can be changed of a source, as it is typed. */
export interface SourceDraft {
  networks: string;
  url: string;
  status: string;
  body: string;
  mediaType: string;
  kind: "" | HandshakeKind;
  token: string;
  learns: boolean;
  pings: "" | "yes" | "no";
  mib: string;
}

export const NEW_SOURCE: SourceDraft = { networks: "", url: "", status: "", body: "", mediaType: "", kind: "", token: "", learns: false, pings: "", mib: "" };

const MIB = 1_048_576;

/** How providers ask whether a source is there. */
export const HANDSHAKES: Readonly<Record<HandshakeKind, string>> = {
  none: "none",
  hub_challenge: "GET with hub.challenge (Meta, WebSub)",
  validation_token: "validationToken (Microsoft Graph)",
  challenge_query: "GET with challenge (Dropbox)",
  url_verification: "url_verification (Slack)",
  challenge_body: "challenge in the body (Twitch)",
  plain_token: "plainToken (Zoom)",
  ping: "ping (Discord)",
  hook_secret: "X-Hook-Secret (Asana)",
  subscribe_url: "SubscribeURL (Amazon SNS)",
};

/** What is on record, as a draft. The token is never shown. */
export function sourceDraftOf({ allowed_networks, url, answer, handshake, body_bytes_max }: Source): SourceDraft {
  return {
    networks: allowed_networks.join("\n"),
    url: url ?? "",
    status: answer.status == null ? "" : String(answer.status),
    body: answer.body ?? "",
    mediaType: answer.content_type ?? "",
    kind: handshake.kind,
    token: "",
    learns: handshake.learn_secret,
    pings: handshake.unsigned_pings ? "yes" : "no",
    mib: String(Math.round((body_bytes_max / MIB) * 100) / 100),
  };
}

/** Texts, one a line. */
export function linesOf(text: string): string[] {
  return text.split("\n").map((line) => line.trim()).filter(Boolean);
}

export type SourceChanges = Pick<SourceForm, "allowed_networks" | "url" | "answer" | "handshake" | "body_bytes_max">;

/** What the API takes of it, where it is another than before. An answer and a handshake go as a whole. */
export function changesOf(draft: SourceDraft, before: SourceDraft): SourceChanges {
  const differ = (...names: (keyof SourceDraft)[]) => names.some((name) => draft[name] !== before[name]);
  const changes: SourceChanges = {};
  if (differ("networks")) changes.allowed_networks = linesOf(draft.networks);
  if (differ("url")) changes.url = draft.url.trim();
  if (differ("status", "body", "mediaType")) changes.answer = answerOf(draft);
  if (differ("kind", "token", "learns", "pings")) changes.handshake = handshakeOf(draft);
  if (differ("mib") && Number(draft.mib) > 0) changes.body_bytes_max = Math.round(Number(draft.mib) * MIB);
  return changes;
}

function answerOf({ status, body, mediaType }: SourceDraft): NonNullable<SourceForm["answer"]> {
  return {
    ...(Number(status) > 0 ? { status: Number(status) } : {}),
    ...(body ? { body } : {}),
    ...(mediaType.trim() ? { content_type: mediaType.trim() } : {}),
  };
}

function handshakeOf({ kind, token, learns, pings }: SourceDraft): NonNullable<SourceForm["handshake"]> {
  return {
    ...(kind ? { kind } : {}),
    ...(token ? { verify_token: token } : {}),
    ...(learns ? { learn_secret: true } : {}),
    ...(pings ? { unsigned_pings: pings === "yes" } : {}),
  };
}
