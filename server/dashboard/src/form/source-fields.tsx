import type { Provider } from "../api/types";
import { AreaField, CheckField, SelectField, TextField } from "../parts/fields";
import { SIGNS_URL } from "./providers";
import { HANDSHAKES, type SourceDraft } from "./source-draft";

interface Props {
  draft: SourceDraft;
  set: (draft: SourceDraft) => void;
  provider: Provider;
  /** Whether it is made by this: what is left empty is as usual then. */
  isNew?: boolean;
  /** Whether a token is on record, which is not shown. */
  hasToken?: boolean;
}

const KINDS = Object.entries(HANDSHAKES);

/** What few sources need: the URL, the answer, the handshake, the bounds. */
export function SourceFields({ draft, set, provider, isNew = false, hasToken = false }: Props) {
  const put = <N extends keyof SourceDraft>(name: N) => (value: SourceDraft[N]) => set({ ...draft, [name]: value });
  const { kind } = draft;
  const asks = (own: Provider, of: SourceDraft["kind"]) => kind === of || (kind === "" && provider === own);
  const usual = [["", "as is usual there"]] as const;
  return (
    <>
      <TextField
        label="URL as it was entered there"
        type="url"
        mono
        value={draft.url}
        set={put("url")}
        placeholder="https://hooks.example.com/in/src_…"
        hint={SIGNS_URL.includes(provider) ? "It is signed, so it is needed to the letter; its id is known once the source is made. Empty: the server's public_url." : "Only where it is signed, too."}
      />
      <div className="pair">
        <TextField label="Status of the answer" type="number" value={draft.status} set={put("status")} placeholder="200" />
        <TextField label="Its media type" mono value={draft.mediaType} set={put("mediaType")} placeholder="by the body" />
      </div>
      <AreaField label="Body of the answer" value={draft.body} set={put("body")} rows={2} hint="All three empty: what is usual there." />
      <div className="pair">
        <SelectField label="Handshake" value={kind} set={(value) => set({ ...draft, kind: value as SourceDraft["kind"] })} choices={[...(isNew ? usual : []), ...KINDS]} hint="How it is asked whether the source is there." />
        <SelectField
          label="Unsigned pings"
          value={draft.pings}
          set={(value) => set({ ...draft, pings: value as SourceDraft["pings"] })}
          choices={[...(isNew ? usual : []), ["yes", "answered with 200"], ["no", "refused"]]}
          hint="Requests that say nothing, before the first webhook."
        />
      </div>
      {asks("meta", "hub_challenge") && (
        <TextField label="Verify token" mono value={draft.token} set={put("token")} hint={hasToken ? "There is one. Type it again with any change of the handshake, or none is asked for." : "What hub.verify_token has to be. Empty: any."} />
      )}
      {asks("asana", "hook_secret") && <CheckField label="The next X-Hook-Secret brings the secret: whoever sends it first is believed" value={draft.learns} set={put("learns")} />}
      <div className="pair">
        <TextField label="Largest body, in MiB" type="number" value={draft.mib} set={put("mib")} placeholder="1" hint="25 at most." />
        <AreaField label="Networks that requests may come from" value={draft.networks} set={put("networks")} rows={2} hint="One a line. Empty for any." />
      </div>
    </>
  );
}
