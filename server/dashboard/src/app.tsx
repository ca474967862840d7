import { useQueryClient } from "@tanstack/react-query";
import { lazy, Suspense, useEffect, useState } from "react";
import { Route, Switch, useLocation } from "wouter";
import { isProblem } from "./api/client";
import type { Whoami } from "./api/types";
import { Guard } from "./parts/guard";
import { Icon } from "./parts/icon";
import { Empty, Loading } from "./parts/states";
import { Told } from "./parts/told";
import { signOut, useKey } from "./session/key";
import { Mark, NoAnswer, SignIn } from "./session/sign-in";
import { may, useTenant, useWho, useWhoami, WhoProvider } from "./session/who";
import { Bar } from "./shell/bar";
import { Nav } from "./shell/nav";
import { logoOf, useColour } from "./shell/theme";
import { now } from "./time/clock";
import { Overview } from "./views/overview";

const VIEWS = {
  "/endpoints": lazy(() => import("./views/endpoints")),
  "/endpoints/new": lazy(() => import("./views/endpoint-new")),
  "/endpoints/:id": lazy(() => import("./views/endpoint")),
  "/lanes": lazy(() => import("./views/lanes")),
  "/events": lazy(() => import("./views/events")),
  "/events/:id": lazy(() => import("./views/event")),
  "/deliveries/:id": lazy(() => import("./views/delivery")),
  "/dead-letters": lazy(() => import("./views/dead-letters")),
  "/replays": lazy(() => import("./views/replays")),
  "/debugger": lazy(() => import("./views/debugger")),
  "/event-types": lazy(() => import("./views/event-types")),
  "/event-types/:name": lazy(() => import("./views/event-type")),
  "/sources": lazy(() => import("./views/sources")),
  "/sources/:id": lazy(() => import("./views/source")),
  "/templates": lazy(() => import("./views/templates")),
  "/templates/:name": lazy(() => import("./views/template")),
  "/endpoint-defaults": lazy(() => import("./views/endpoint-defaults")),
  "/playground": lazy(() => import("./views/playground")),
  "/keys": lazy(() => import("./views/keys")),
  "/tenants": lazy(() => import("./views/tenants")),
  "/audit": lazy(() => import("./views/audit")),
  "/system": lazy(() => import("./views/system")),
} as const;

export function App() {
  const key = useKey();
  const who = useWhoami();
  const client = useQueryClient();
  // What one key has seen is not there for the next.
  useEffect(() => {
    if (key === null) client.clear();
  }, [key, client]);
  if (key === null) {
    return (
      <>
        <SignIn />
        <Told />
      </>
    );
  }
  if (who.data) {
    return (
      <WhoProvider who={who.data}>
        <Shell who={who.data} />
      </WhoProvider>
    );
  }
  if (isProblem(who.error)) return <NoAnswer problem={who.error} again={() => void who.refetch()} leave={() => signOut("left")} />;
  return (
    <main className="sign-in" id="main">
      <Loading lines={3} what="Signing in" />
    </main>
  );
}

function Shell({ who }: { who: Whoami }) {
  const [open, setOpen] = useState(false);
  const [location] = useLocation();
  useColour(who);
  useEffect(() => setOpen(false), [location]);
  useEnd(who.expires_at);
  const skip = () => document.querySelector<HTMLElement>("h1")?.focus();
  return (
    <div className={`shell${who.portal ? " portal" : ""}`} onKeyDown={(event) => event.key === "Escape" && setOpen(false)}>
      <a className="skip" href="#main" onClick={(event) => (event.preventDefault(), skip())}>
        Skip to the content
      </a>
      <header className="bar">
        <button type="button" className="plain menu-button" aria-expanded={open} aria-controls="side" onClick={() => setOpen(!open)} aria-label="Menu">
          <Icon name={open ? "close" : "menu"} />
        </button>
        <Brand who={who} />
        <Bar />
      </header>
      <div className={`side${open ? " open" : ""}`} id="side">
        <Nav onGo={() => setOpen(false)} />
      </div>
      <main id="main">
        <Guard key={location}>
          <Suspense fallback={<Loading />}>{may(who, "read") ? <Views /> : <PublishOnly />}</Suspense>
        </Guard>
      </main>
      <Told />
    </div>
  );
}

function Brand({ who }: { who: Whoami }) {
  const logo = logoOf(who);
  const name = who.portal ? `Webhooks of ${who.acting_for}` : "Postrider";
  return (
    <span className="brand">
      {logo ? <img src={logo} alt="" height={24} referrerPolicy="no-referrer" /> : <Mark />}
      <span>{name}</span>
    </span>
  );
}

/** What belongs to the operator: no customer of a platform is shown it. */
const NOT_IN_PORTAL: ReadonlySet<string> = new Set(["/audit", "/playground"]);

function Views() {
  const { portal } = useWho();
  // Another tenant is another page: nothing of the one before stays.
  const tenant = useTenant();
  return (
    <Switch key={tenant}>
      <Route path="/" component={Overview} />
      {Object.entries(VIEWS)
        .filter(([path]) => !portal || !NOT_IN_PORTAL.has(path))
        .map(([path, view]) => (
          <Route key={path} path={path} component={view} />
        ))}
      <Route>
        <Empty title="There is no such page">The address names none of the views.</Empty>
      </Route>
    </Switch>
  );
}

function PublishOnly() {
  return <Empty title="This key publishes">It has no scope to read, so there is nothing that it could show. Sign in with one that reads or manages.</Empty>;
}

/** Signs out when the key ends. */
function useEnd(at: string | null | undefined): void {
  useEffect(() => {
    if (!at) return;
    const ms = Date.parse(at) - now();
    // Timers hold no more than 24 days.
    if (ms > 2e9) return;
    const timer = setTimeout(() => signOut("expired"), Math.max(0, ms));
    return () => clearTimeout(timer);
  }, [at]);
}
