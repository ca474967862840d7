// Short names for what `docs/openapi.json` describes: all of it is in `schema.d.ts`, which is made.
import type { components } from "./schema";

export type Schemas = components["schemas"];

/** A page of any list. */
export interface Page<T> {
  data: T[];
  next?: string | null;
}

export type Attempt = Schemas["AttemptView"];
export type AuditRow = Schemas["AuditView"];
export type BackfillForm = Schemas["BackfillForm"];
export type BulkFilter = Schemas["LetterFilter"];
export type BulkForm = Schemas["LetterBulk"];
export type Counts = Schemas["EndpointCountsView"];
export type Custom = Schemas["Custom"];
export type DeadLetterGroup = Schemas["DeadLetterGroup"];
export type Delivery = Schemas["DeliveryView"];
export type DryRun = Schemas["DryRun"];
export type Endpoint = Schemas["EndpointView"];
export type EndpointDefaults = Schemas["EndpointDefaults"];
export type EndpointForm = Schemas["NewEndpoint"];
/** A row of `view=names`. */
export type EndpointName = Schemas["Page_EndpointName"]["data"][number];
export type EndpointPatch = Schemas["EndpointPatch"];
export type EventDetail = Schemas["EventDetail"];
export type EventRow = Schemas["EventView"];
export type EventType = Schemas["EventTypeView"];
export type HandshakeKind = Schemas["HandshakeKind"];
export type Hour = Schemas["HourView"];
export type Key = Schemas["KeyView"];
export type Lane = Schemas["WaitingLaneView"];
export type Phases = Schemas["PhasesView"];
export type PlaygroundReceiver = Schemas["PlaygroundReceiver"];
export type PortalAct = Schemas["PortalAct"];
export type PortalLink = Schemas["LinkView"];
export type Provider = Schemas["Provider"];
export type Reason = Schemas["LetterReason"];
export type Receipt = Schemas["Receipt"];
export type Replay = Schemas["ReplayView"];
export type Scheduled = Schemas["ScheduledView"];
export type Scope = Schemas["Scope"];
export type ShortDelivery = Schemas["ShortDelivery"];
export type Source = Schemas["SourceView"];
export type SourceForm = Schemas["SourceForm"];
export type Stats = Schemas["TenantStats"];
export type System = Schemas["System"];
export type Template = Schemas["TemplateView"];
export type Tenant = Schemas["Tenant"];
export type Wait = Schemas["WaitView"];
export type Whoami = Schemas["WhoAmI"];
