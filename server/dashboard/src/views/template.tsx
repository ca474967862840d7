import { useState } from "react";
import { useLocation, useParams } from "wouter";
import { useAct, useAsk } from "../api/ask";
import type { Template } from "../api/types";
import { jsonOf } from "../form/json";
import { Confirm } from "../parts/dialog";
import { Panel } from "../parts/facts";
import { AreaField, TextField } from "../parts/fields";
import { Icon } from "../parts/icon";
import { OfTenant } from "../parts/of-tenant";
import { View } from "../parts/page";
import { Payload } from "../parts/payload";
import { Failure, Loading } from "../parts/states";
import { to, useFilters } from "../route/filters";
import { useMay } from "../session/who";
import { When } from "../time/show";
import { TemplateDialog } from "./templates";
import "../style/attempt.css";

export default function TemplatePage() {
  const params = useParams<{ name: string }>();
  const name = decodeURIComponent(params.name ?? "");
  const asked = useAsk(["template", name], (api, signal) => api.GET("/v1/templates/{name}", { params: { path: { name } }, signal }), { one: true });
  const mayManage = useMay("manage");
  const [asks, setAsks] = useState<"version" | "delete" | null>(null);
  const template = asked.data;
  const acts = mayManage && template && (
    <>
      <button type="button" onClick={() => setAsks("version")}>
        <Icon name="plus" /> New version
      </button>
      <button type="button" onClick={() => setAsks("delete")}>
        <Icon name="bin" /> Delete
      </button>
    </>
  );
  return (
    <View title={name} back={["/templates", "Templates"]} acts={acts} beside={<OfTenant />}>
      {asked.error && <Failure problem={asked.error} again={() => void asked.refetch()} />}
      {asked.isPending && <Loading />}
      {template && <Versions template={template} />}
      {template && asks === "version" && <TemplateDialog of={template} close={() => setAsks(null)} />}
      {template && asks === "delete" && <Delete template={template} close={() => setAsks(null)} />}
    </View>
  );
}

/** The versions, one of which is shown and tried. */
function Versions({ template: { name, versions } }: { template: Template }) {
  const [{ version: chosen }, set] = useFilters(["version"]);
  const shown = versions.find(({ version }) => version === Number(chosen)) ?? versions.at(-1);
  if (!shown) return null;
  return (
    <>
      <Panel title={`Version ${shown.version} of ${versions.length}`} aside={<When at={shown.created_at} exact />}>
        {versions.length > 1 && (
          <ol className="attempt-choice" aria-label="Versions">
            {versions.map(({ version }) => (
              <li key={version}>
                <button type="button" aria-pressed={version === shown.version} onClick={() => set({ version: String(version) })}>
                  version {version}
                </button>
              </li>
            ))}
          </ol>
        )}
        <Payload label="The template" text={JSON.stringify(shown.template)} />
      </Panel>
      <Panel title="Try it out">
        <Try key={shown.version} name={name} version={shown.version} />
      </Panel>
    </>
  );
}

/** What a version makes of an event. */
function Try({ name, version }: { name: string; version: number }) {
  const [type, setType] = useState("payment.succeeded");
  const [payload, setPayload] = useState('{\n  "amount": 4200\n}');
  const [made, setMade] = useState<{ body: string; content_type: string } | null>(null);
  const act = useAct({ quiet: true });
  const { wrong } = jsonOf(payload);
  const run = async () => {
    setMade(null);
    // The payload goes as it was written, so that its numbers keep their digits.
    const text = `{"template":${JSON.stringify({ name, version })},"event_type":${JSON.stringify(type.trim())},"payload":${payload}}`;
    const body = { template: { name, version }, event_type: type, payload: null };
    const tried = await act.run((api) => api.POST("/v1/templates/try", { body, bodySerializer: () => text }), "");
    if (tried) setMade(tried);
  };
  return (
    <>
      <TextField label="Event type" value={type} set={setType} mono required />
      <AreaField label="Payload to try" value={payload} set={setPayload} error={wrong} rows={6} />
      <p>
        <button type="button" disabled={act.busy || wrong !== undefined || !payload.trim() || !type.trim()} onClick={() => void run()}>
          <Icon name="play" /> Try the template
        </button>
      </p>
      {act.problem && <Failure problem={act.problem} />}
      {made && <Payload label="What a receiver gets" text={made.body} note={made.content_type} />}
    </>
  );
}

function Delete({ template: { name }, close }: { template: Template; close: () => void }) {
  const act = useAct({ quiet: true });
  const [, go] = useLocation();
  const run = () =>
    act.run(
      (api) => api.DELETE("/v1/templates/{name}", { params: { path: { name } } }),
      () => (go(to("/templates")), "The template is deleted."),
    );
  return (
    <Confirm title={`Delete ${name}?`} act="Delete" danger busy={act.busy} problem={act.problem} onAct={() => void run()} close={close}>
      <p>With all its versions. Endpoints that have one keep the text that they have.</p>
    </Confirm>
  );
}
