import { SelectField, TextField } from "../parts/fields";
import type { CustomDraft } from "./custom-draft";

const SCHEMES = ["timestamped-sha256", "timestamped-v1", "body-hex", "standard", "svix", "stripe", "github", "shopify", "slack", "postrider"] as const;

/** The fields for it. */
export function CustomFields({ draft, set }: { draft: CustomDraft; set: (draft: CustomDraft) => void }) {
  const put = (name: keyof CustomDraft) => (value: string) => set({ ...draft, [name]: value });
  return (
    <>
      <SelectField label="Scheme" value={draft.scheme} set={put("scheme")} choices={SCHEMES} hint="How its signatures are made." />
      <div className="pair">
        <TextField label="Header of the signature" value={draft.signatureHeader} set={put("signatureHeader")} mono hint="Empty for the scheme's own." placeholder="x-acme-signature" />
        <TextField label="Header of the time" value={draft.timestampHeader} set={put("timestampHeader")} mono hint="Empty for the scheme's own." />
      </div>
      <TextField label="Header of the message's id" value={draft.idHeader} set={put("idHeader")} mono hint="Empty for the scheme's own." />
      <div className="pair">
        <TextField label="Where the type is" value={draft.type} set={put("type")} mono hint="A place such as /event/kind, or the name of a header. Empty: /type, or else /event." />
        <TextField label="Where the id is" value={draft.id} set={put("id")} mono hint="A place or a header. Empty: what is signed, or else /id." />
      </div>
    </>
  );
}
