import { useQuery } from "@tanstack/react-query";
import { useId, useState, type FormEvent } from "react";
import { useLocation } from "wouter";
import { ALL, answer, apiFor } from "../api/client";
import { Icon } from "../parts/icon";
import { choose, useSetting } from "../parts/settings";
import { tell } from "../parts/told";
import { to, useFilters } from "../route/filters";
import { pageOf } from "../route/named";
import { signOut } from "../session/key";
import { useTenant, useWho } from "../session/who";
import { When } from "../time/show";
import { whose } from "./whose";

/** What is above every view. */
export function Bar() {
  const who = useWho();
  return (
    <>
      <Finder />
      {who.tenant === null && <TenantChoice />}
      <div className="spacer" />
      <Zone />
      <Theme />
      <Account />
    </>
  );
}

/** Opens what a pasted id names; any other text is looked for in events. */
function Finder() {
  const [text, setText] = useState("");
  const [, go] = useLocation();
  const all = useTenant() === ALL;
  const find = (event: FormEvent) => {
    event.preventDefault();
    const wanted = text.trim();
    if (!wanted) return;
    if (/^att_/.test(wanted)) return tell("An attempt is found with its delivery: paste the id of that (dlv_…).", "bad");
    setText("");
    const page = pageOf(wanted);
    if (page === null) return go(to("/events", { payload: wanted }));
    if (!all) return go(to(page));
    // What cannot be asked, for whatever reason, is opened as it is: the view says what is wrong.
    void whose(wanted)
      .catch(() => null)
      .then((tenant) => go(to(page, tenant ? { tenant } : {})));
  };
  return (
    <form className="finder" role="search" aria-label="Open an id" onSubmit={find}>
      <Icon name="search" />
      <input
        type="search"
        aria-label="Open an id, or look for a text in payloads"
        placeholder="Paste an id or a text"
        value={text}
        spellCheck={false}
        autoComplete="off"
        onChange={(event) => setText(event.target.value)}
      />
    </form>
  );
}

/** Which tenant is shown: a key for all of them can choose. */
function TenantChoice() {
  const shown = useTenant() ?? ALL;
  const [, set] = useFilters(["tenant"]);
  const { data } = useQuery({
    queryKey: [null, "tenants", "names"],
    staleTime: 60_000,
    queryFn: ({ signal }) => answer(apiFor(null).GET("/v1/tenants", { params: { query: { limit: 250 } }, signal })),
  });
  const names = new Set(["default", ...(data?.data.map(({ name }) => name) ?? [])]);
  if (shown !== ALL) names.add(shown);
  return (
    <label className="choice">
      <span>Tenant</span>
      <select value={shown} onChange={(event) => set({ tenant: event.target.value === ALL ? null : event.target.value })}>
        <option value={ALL}>all tenants</option>
        {[...names].sort().map((name) => (
          <option key={name}>{name}</option>
        ))}
      </select>
    </label>
  );
}

function Zone() {
  const zone = useSetting("zone");
  return (
    <button type="button" className="small" aria-pressed={zone === "utc"} onClick={() => choose("zone", zone === "utc" ? "local" : "utc")}>
      {zone === "utc" ? "UTC" : "Local"}
      <span className="unseen"> time</span>
    </button>
  );
}

const NEXT = { auto: "light", light: "dark", dark: "auto" } as const;
const THEME_ICON = { auto: "half", light: "sun", dark: "moon" } as const;

function Theme() {
  const theme = useSetting("theme");
  return (
    <button type="button" className="plain" title={`Theme: ${theme}`} aria-label={`Theme: ${theme}. Change it`} onClick={() => choose("theme", NEXT[theme])}>
      <Icon name={THEME_ICON[theme]} />
    </button>
  );
}

function Account() {
  const who = useWho();
  const id = useId();
  return (
    <>
      <button type="button" className="small account" popoverTarget={id} aria-label={`Key: ${who.name || who.key_id}`}>
        <Icon name="key" />
        <span className="clip">{who.name || who.key_id}</span>
      </button>
      <div popover="auto" id={id} className="menu" role="dialog" aria-label="The key">
        <p>
          <strong>{who.name || "This key"}</strong>
        </p>
        <dl>
          <dt>Key</dt>
          <dd className="mono">{who.key_id}</dd>
          <dt>May</dt>
          <dd>{who.scopes.join(", ")}</dd>
          <dt>Tenant</dt>
          <dd>{who.tenant ?? "all"}</dd>
          <dt>Ends</dt>
          <dd>{who.expires_at ? <When at={who.expires_at} /> : "never"}</dd>
        </dl>
        <button type="button" onClick={() => signOut("left")}>
          <Icon name="out" /> Sign out
        </button>
      </div>
    </>
  );
}
