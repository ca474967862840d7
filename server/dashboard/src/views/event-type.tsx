import { useState } from "react";
import { useLocation, useParams } from "wouter";
import { useAct, useAsk } from "../api/ask";
import type { EventType } from "../api/types";
import { jsonOf, objectOf } from "../form/json";
import { Confirm, Dialog } from "../parts/dialog";
import { AreaField } from "../parts/fields";
import { Facts, Panel } from "../parts/facts";
import { Icon } from "../parts/icon";
import { View } from "../parts/page";
import { Payload } from "../parts/payload";
import { curl, Failure, Loading } from "../parts/states";
import { to } from "../route/filters";
import { useMay, useOneTenant, useWho } from "../session/who";
import { When } from "../time/show";
import { Copy } from "../parts/copy";

export default function EventTypePage() {
  const params = useParams<{ name: string }>();
  const name = decodeURIComponent(params.name ?? "");
  const asked = useAsk(["event-type", name], (api, signal) => api.GET("/v1/event-types/{name}", { params: { path: { name } }, signal }), { one: true });
  const mayManage = useMay("manage");
  const [asks, setAsks] = useState<"version" | "delete" | null>(null);
  const type = asked.data;
  const acts = mayManage && type && (
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
    <View title={name} back={["/event-types", "Event types"]} acts={acts}>
      {asked.error && <Failure problem={asked.error} again={() => void asked.refetch()} />}
      {asked.isPending && <Loading />}
      {type && <About type={type} />}
      {type && asks === "version" && <NewVersion type={type} close={() => setAsks(null)} />}
      {type && asks === "delete" && <Delete type={type} close={() => setAsks(null)} />}
    </View>
  );
}

function About({ type }: { type: EventType }) {
  const who = useWho();
  const tenant = useOneTenant();
  const newest = type.versions.at(-1);
  const line = curl("POST", "/v1/events", { type: type.name, payload: newest?.example ?? {} }, who.tenant === null ? tenant : null);
  return (
    <>
      <Panel title="About it">
        <Facts
          of={[
            ["Description", type.description || "none"],
            ["Payloads", type.validate ? "are checked against the newest schema" : "are not checked"],
            ["Added", <When key="a" at={type.created_at} />],
          ]}
        />
        <div className="curl">
          <pre tabIndex={0}>{line}</pre>
          <Copy text={line} label="Copy the command" />
        </div>
      </Panel>
      {[...type.versions].reverse().map(({ version, created_at, schema, example }) => (
        <Panel key={version} title={`Version ${version}`} aside={<span className="dim"><When at={created_at} /></span>}>
          <div className="halves">
            <section>
              <h3>Schema</h3>
              {schema ? <Payload label={`Schema of version ${version}`} text={JSON.stringify(schema, null, 2)} /> : <p className="dim">None.</p>}
            </section>
            <section>
              <h3>Example</h3>
              {example !== undefined && example !== null ? <Payload label={`Example of version ${version}`} text={JSON.stringify(example, null, 2)} /> : <p className="dim">None.</p>}
            </section>
          </div>
        </Panel>
      ))}
    </>
  );
}

function NewVersion({ type, close }: { type: EventType; close: () => void }) {
  const newest = type.versions.at(-1);
  const [schema, setSchema] = useState(newest?.schema ? JSON.stringify(newest.schema, null, 2) : "");
  const [example, setExample] = useState(newest?.example ? JSON.stringify(newest.example, null, 2) : "");
  const act = useAct({ quiet: true });
  const [s, e] = [objectOf(schema), jsonOf(example)];
  const run = async () => {
    const body = { ...(s.value ? { schema: s.value } : {}), ...(e.value === undefined ? {} : { example: e.value }) };
    const made = await act.run((api) => api.POST("/v1/event-types/{name}/versions", { params: { path: { name: type.name } }, body }), "The version is added.");
    if (made) close();
  };
  return (
    <Dialog title={`New version of ${type.name}`} close={close} wide>
      <p className="dim">Versions stay as they are. Payloads are checked against the newest one.</p>
      <div className="pair">
        <AreaField label="JSON Schema" value={schema} set={setSchema} error={s.wrong} rows={12} />
        <AreaField label="Example" value={example} set={setExample} error={e.wrong} rows={12} />
      </div>
      {act.problem && <Failure problem={act.problem} />}
      <footer>
        <button type="button" onClick={close}>
          Cancel
        </button>
        <button type="button" className="primary" disabled={act.busy || !!s.wrong || !!e.wrong} onClick={() => void run()}>
          Add it
        </button>
      </footer>
    </Dialog>
  );
}

function Delete({ type, close }: { type: EventType; close: () => void }) {
  const act = useAct({ quiet: true });
  const [, go] = useLocation();
  const run = () =>
    act.run(
      (api) => api.DELETE("/v1/event-types/{name}", { params: { path: { name: type.name } } }),
      () => (go(to("/event-types")), "Taken out of the catalogue."),
    );
  return (
    <Confirm title={`Delete ${type.name}?`} act="Delete" danger busy={act.busy} problem={act.problem} onAct={() => void run()} close={close}>
      <p>It goes from the catalogue with its schemas and examples. Events of this type can still be published, unchecked, and endpoints keep getting them.</p>
    </Confirm>
  );
}
