import { AreaField, SelectField, TextField } from "../parts/fields";
import { OWN, UNSIGNED, type CustomDraft } from "./custom-draft";
import { objectOf } from "./json";

const SCHEMES = ["timestamped-sha256", "timestamped-v1", "body-hex", "standard", "svix", "stripe", "github", "shopify", "slack", "postrider", [OWN, "none of these: I describe it"], [UNSIGNED, "nothing is signed"]] as const;

/** The fields for it. */
export function CustomFields({ draft, set }: { draft: CustomDraft; set: (draft: CustomDraft) => void }) {
  const put = (name: keyof CustomDraft) => (value: string) => set({ ...draft, [name]: value });
  const { scheme } = draft;
  return (
    <>
      <SelectField
        label="Scheme"
        value={scheme}
        set={put("scheme")}
        choices={SCHEMES}
        hint={scheme === UNSIGNED ? "Whoever reaches it is believed: name the networks below. The server has to allow it (unsigned_sources)." : "How its signatures are made."}
      />
      {scheme === OWN && (
        <AreaField
          label="How it is signed"
          value={draft.signature}
          set={put("signature")}
          error={objectOf(draft.signature).wrong}
          rows={6}
          hint="algorithm (hmac-sha1, -sha256, -sha512, ed25519, ecdsa-p256, token), header or field, prefix, separator, encoding, key, timestamp; signed is a text with {body}, {timestamp}, {id}, {method}, {url}, {form}."
        />
      )}
      {scheme !== OWN && scheme !== UNSIGNED && (
        <>
          <div className="pair">
            <TextField label="Header of the signature" value={draft.signatureHeader} set={put("signatureHeader")} mono hint="Empty for the scheme's own." placeholder="x-acme-signature" />
            <TextField label="Header of the time" value={draft.timestampHeader} set={put("timestampHeader")} mono hint="Empty for the scheme's own." />
          </div>
          <TextField label="Header of the message's id" value={draft.idHeader} set={put("idHeader")} mono hint="Empty for the scheme's own." />
        </>
      )}
      <div className="pair">
        <TextField label="Where the type is" value={draft.type} set={put("type")} mono hint="A place such as /event/kind, or the name of a header. Empty: /type, or else /event." />
        <TextField label="Where the id is" value={draft.id} set={put("id")} mono hint="A place or a header. Empty: what is signed, or else /id." />
      </div>
    </>
  );
}
