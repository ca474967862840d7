import { useQueryClient } from "@tanstack/react-query";
import { useId, useState, type FormEvent } from "react";
import { useAsk } from "../api/ask";
import { isProblem } from "../api/client";
import type { EventType, PlaygroundReceiver } from "../api/types";
import type { Problem } from "../api/problem";
import { jsonOf } from "../form/json";
import { AreaField, TextField } from "../parts/fields";
import { Icon } from "../parts/icon";
import { OfTenant } from "../parts/of-tenant";
import { View } from "../parts/page";
import { Empty, Failure, Loading } from "../parts/states";
import { tell } from "../parts/told";
import { send } from "../play/send";
import { usePlayground } from "../play/use-playground";
import { Watched } from "../play/watched";
import { useFilters } from "../route/filters";
import { useMay, useOneTenant, useTenant } from "../session/who";
import "../style/form.css";
import "../style/play.css";

const ABOUT = "An event to a receiver of this server, which behaves as you choose: see what becomes of it.";

export default function Playground() {
  const asked = usePlayground();
  const mayPublish = useMay("publish");
  const mayMake = useMay("endpoints");
  return (
    <View title="Playground" beside={<><p className="dim lede">{ABOUT}</p><OfTenant /></>}>
      {asked.error && <Failure problem={asked.error} again={() => void asked.refetch()} />}
      {asked.isPending && <Loading />}
      {asked.data && (!mayPublish || !mayMake) && (
        <Empty title="This key cannot send">The playground makes an endpoint and publishes to it. Sign in with a key that has the scopes publish and manage.</Empty>
      )}
      {asked.data && mayPublish && mayMake && <Bench receivers={asked.data} />}
    </View>
  );
}

/** The example of the newest version, as text. */
function exampleOf(type: EventType | undefined): string | null {
  const example = type?.versions.at(-1)?.example;
  return example === undefined || example === null ? null : JSON.stringify(example, null, 2);
}

const NOTHING = '{\n  "hello": "world"\n}';

function Bench({ receivers }: { receivers: readonly PlaygroundReceiver[] }) {
  const [filters, set] = useFilters(["type", "behaviour", "delivery"]);
  const { behaviour, delivery } = filters;
  const [type, setType] = useState(filters.type ?? "playground.tried");
  const catalogue = useAsk(["event-types", "names"], (api, signal) => api.GET("/v1/event-types", { params: { query: { limit: 250 } }, signal }), { one: true });
  const types = catalogue.data?.data ?? [];
  // As long as nobody has written one, the payload is the example of the type.
  const [written, setWritten] = useState<string | null>(null);
  const payload = written ?? exampleOf(types.find(({ name }) => name === type)) ?? NOTHING;
  const receiver = receivers.find((it) => it.behaviour === behaviour) ?? receivers[0];
  const { busy, problem, run } = useSend((sent) => set({ delivery: sent }));
  const wrong = payload.trim() ? jsonOf(payload).wrong : "A payload is JSON: null is one, too.";
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (receiver && !wrong) void run(receiver, type.trim(), payload);
  };
  const names = useId();
  return (
    <>
      <form className="form" noValidate onSubmit={submit}>
        <TextField label="Event type" value={type} set={(type) => (setType(type), set({ type }))} mono required list={names} hint="One of the catalogue, whose example is the payload, or any other." />
        <datalist id={names}>
          {types.map(({ name }) => (
            <option key={name} value={name} />
          ))}
        </datalist>
        <AreaField label="Payload" value={payload} set={setWritten} error={wrong} rows={7} />
        <Behaviours receivers={receivers} chosen={receiver?.behaviour} choose={(behaviour) => set({ behaviour })} />
        {problem && <Failure problem={problem} />}
        <div className="acts end">
          {written !== null && (
            <button type="button" onClick={() => setWritten(null)}>
              The example again
            </button>
          )}
          <button type="submit" className="primary" disabled={busy || !receiver || !type.trim() || wrong !== undefined}>
            <Icon name="play" /> {busy ? "Sending…" : "Send it"}
          </button>
        </div>
      </form>
      {delivery && <Watched key={delivery} id={delivery} />}
    </>
  );
}

interface ChoiceProps {
  receivers: readonly PlaygroundReceiver[];
  chosen: string | undefined;
  choose: (behaviour: string) => void;
}

function Behaviours({ receivers, chosen, choose }: ChoiceProps) {
  const name = useId();
  return (
    <fieldset className="play-choice">
      <legend>The receiver</legend>
      {receivers.map(({ behaviour, description }) => (
        <label key={behaviour}>
          <input type="radio" name={name} value={behaviour} checked={behaviour === chosen} onChange={() => choose(behaviour)} />
          <span className="text">
            <span>{behaviour.replaceAll("_", " ")}</span>
            <span className="dim">{description}</span>
          </span>
        </label>
      ))}
    </fieldset>
  );
}

/** Sends, and says what is in the way. */
function useSend(done: (delivery: string | null) => void) {
  const shown = useTenant();
  const one = useOneTenant();
  const client = useQueryClient();
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);
  const run = async (receiver: PlaygroundReceiver, type: string, payload: string) => {
    setBusy(true);
    setProblem(null);
    try {
      const sent = await send(shown === null ? null : one, receiver, type, payload);
      tell("The event is accepted.");
      done(sent.delivery);
      void client.invalidateQueries();
    } catch (error) {
      if (!isProblem(error)) throw error;
      setProblem(error);
    } finally {
      setBusy(false);
    }
  };
  return { busy, problem, run };
}
