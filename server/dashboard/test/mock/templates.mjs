// Templates and the defaults of endpoints, as the mock keeps them.

const time = () => new Date().toISOString();
const templates = [
  {
    name: "slack-message",
    versions: [
      { version: 1, created_at: "2026-01-01T00:00:00Z", template: { text: "{{type}}" } },
      { version: 2, created_at: "2026-02-01T00:00:00Z", template: { text: "{{type}}: {{data.amount}}" } },
    ],
  },
];
let defaults = { timeout_ms: 15_000 };

const notFound = () => ({ status: 404, type: "application/problem+json", body: { type: "/problems#not_found", title: "There is nothing here.", status: 404, code: "not_found", detail: "no such template" } });

function add({ body: { name, template } }) {
  const known = templates.find((it) => it.name === name) ?? { name, versions: [] };
  if (known.versions.length === 0) templates.push(known);
  known.versions.push({ version: known.versions.length + 1, created_at: time(), template });
  return { status: 201, body: known };
}

/** Texts such as `{{data.amount}}` become what is there. */
function render(template, event) {
  const at = (path) => path.split(".").reduce((value, part) => value?.[part], event);
  return JSON.stringify(template).replace(/\{\{([\w.]+)\}\}/g, (_, path) => String(at(path) ?? ""));
}

function tried({ body }) {
  const known = templates.find(({ name }) => name === body.template.name);
  const version = known?.versions.find((it) => it.version === body.template.version);
  if (!version) return notFound();
  return { status: 200, body: { body: render(version.template, { type: body.event_type, data: body.payload }), content_type: "application/json" } };
}

function remove({ params }) {
  const at = templates.findIndex(({ name }) => name === params.name);
  if (at < 0) return notFound();
  templates.splice(at, 1);
  return { status: 204 };
}

export const TEMPLATES = [
  ["GET", "/v1/templates", ({ data }) => ({ data: data.endpoints.length === 0 ? [] : templates, next: null })],
  ["POST", "/v1/templates", add],
  ["POST", "/v1/templates/try", tried],
  ["GET", "/v1/templates/:name", ({ params }) => templates.find(({ name }) => name === params.name) ?? notFound()],
  ["DELETE", "/v1/templates/:name", remove],
  ["GET", "/v1/endpoint-defaults", () => defaults],
  ["PUT", "/v1/endpoint-defaults", ({ body }) => (defaults = body)],
];
