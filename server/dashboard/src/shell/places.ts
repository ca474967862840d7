import type { Whoami } from "../api/types";
import type { IconName } from "../parts/icon";
import { may } from "../session/who";

export interface Place {
  path: string;
  text: string;
  icon: IconName;
}

interface Group {
  name: string;
  places: Place[];
}

const OVERVIEW: Place = { path: "/", text: "Overview", icon: "overview" };
const EVENTS: Place = { path: "/events", text: "Events", icon: "events" };
const ENDPOINTS: Place = { path: "/endpoints", text: "Endpoints", icon: "endpoints" };
const LANES: Place = { path: "/lanes", text: "Lanes", icon: "lanes" };
const DEAD: Place = { path: "/dead-letters", text: "Dead letters", icon: "dead" };
const DEBUGGER: Place = { path: "/debugger", text: "Signature debugger", icon: "debug" };

/** Where one can go. What a key may not see is not offered. */
export function places(who: Whoami, hasPlayground = false): Group[] {
  if (who.portal) {
    return [{ name: "Webhooks", places: [OVERVIEW, ENDPOINTS, EVENTS, DEAD, DEBUGGER] }];
  }
  const manage = may(who, "manage");
  const all = may(who, "all_tenants");
  const only = (shown: boolean, place: Place) => (shown ? [place] : []);
  return [
    {
      name: "Delivery",
      places: [OVERVIEW, EVENTS, ENDPOINTS, LANES, DEAD, { path: "/replays", text: "Replays", icon: "replays" }],
    },
    {
      name: "Set up",
      places: [
        { path: "/event-types", text: "Event types", icon: "types" },
        { path: "/templates", text: "Templates", icon: "template" },
        { path: "/sources", text: "Sources", icon: "sources" },
        { path: "/endpoint-defaults", text: "Endpoint defaults", icon: "settings" },
        DEBUGGER,
        ...only(hasPlayground, { path: "/playground", text: "Playground", icon: "play" }),
      ],
    },
    {
      name: "Administration",
      places: [
        ...only(manage, { path: "/keys", text: "Keys", icon: "key" }),
        ...only(all, { path: "/tenants", text: "Tenants", icon: "tenants" }),
        { path: "/audit", text: "Audit", icon: "audit" },
        ...only(all, { path: "/system", text: "System", icon: "system" }),
      ],
    },
  ];
}
