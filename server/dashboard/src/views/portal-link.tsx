import { useState } from "react";
import { useAct } from "../api/ask";
import type { PortalAct, PortalLink, Tenant } from "../api/types";
import { Copy } from "../parts/copy";
import { Dialog } from "../parts/dialog";
import { CheckField, SelectField, TextField } from "../parts/fields";
import { Failure } from "../parts/states";
import { now } from "../time/clock";
import { When } from "../time/show";

const ACTS = [
  ["retry", "retry deliveries and dead letters"],
  ["test", "send tests"],
  ["manage_endpoints", "make and change endpoints, and see their secrets"],
] as const;

const HOURS = [
  ["1", "in an hour"],
  ["24", "in a day"],
  ["168", "in a week"],
] as const;

/** Makes a link by which a customer signs in once, to the endpoints and events of one tenant. */
export function PortalLinkDialog({ of, close }: { of: Tenant; close: () => void }) {
  const [acts, setActs] = useState<readonly PortalAct[]>(["retry"]);
  const [form, setForm] = useState({ hours: "1", color: "", logo: "" });
  const [link, setLink] = useState<PortalLink | null>(null);
  const act = useAct({ quiet: true, tenant: of.name });
  const put = (name: keyof typeof form) => (value: string) => setForm({ ...form, [name]: value });
  const run = async () => {
    const theme = { ...(form.color.trim() ? { color: form.color.trim() } : {}), ...(form.logo.trim() ? { logo_url: form.logo.trim() } : {}) };
    const body = { acts: [...acts], expires_at: new Date(now() + Number(form.hours) * 3_600_000).toISOString(), theme };
    const made = await act.run((api) => api.POST("/v1/portal-links", { body }), "The link is made.");
    if (made) setLink(made);
  };
  if (link) {
    return (
      <Dialog title={`A link for ${of.name}`} close={close}>
        <p className="revealed">
          <code>{link.url}</code>
          <Copy text={link.url} label="Copy the link" />
        </p>
        <p className="dim">
          It signs in once, until <When at={link.expires_at} />, and is shown this once.
        </p>
        <footer>
          <button type="button" className="primary" onClick={close}>
            Done
          </button>
        </footer>
      </Dialog>
    );
  }
  return (
    <Dialog title={`A link for ${of.name}`} close={close}>
      <p className="dim">Who opens it sees the endpoints, events and deliveries of {of.name}, and nothing else. It never makes keys.</p>
      <fieldset className="row-of-checks">
        <legend>Besides reading, it may</legend>
        {ACTS.map(([name, text]) => (
          <CheckField key={name} label={text} value={acts.includes(name)} set={(on) => setActs(on ? [...acts, name] : acts.filter((other) => other !== name))} />
        ))}
      </fieldset>
      <SelectField label="It can be opened until" value={form.hours} set={put("hours")} choices={HOURS} />
      <div className="two-fields">
        <TextField label="Colour" value={form.color} set={put("color")} mono placeholder="#1d4ed8" />
        <TextField label="Address of the logo" type="url" value={form.logo} set={put("logo")} mono placeholder="https://…" />
      </div>
      {act.problem && <Failure problem={act.problem} />}
      <footer>
        <button type="button" onClick={close}>
          Cancel
        </button>
        <button type="button" className="primary" disabled={act.busy} onClick={() => void run()}>
          Make the link
        </button>
      </footer>
    </Dialog>
  );
}
