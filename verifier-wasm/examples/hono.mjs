import { serve } from "@hono/node-server";
import { Hono } from "hono";
import { webhook } from "@postrider/verifier";
import { webhookHandler } from "@postrider/verifier/hono";

const secrets = process.env.WEBHOOK_SECRET.split(",");
const wh = webhook({ scheme: "standard", secrets });
const app = new Hono();

app.post("/webhooks", webhookHandler(wh, ({ id, keyIndex, payload }, c) => {
  return c.json({ id, keyIndex, type: payload.type });
}));

app.post("/json", async (c) => c.json({ got: await c.req.json() }));

serve({ fetch: app.fetch, hostname: "127.0.0.1", port: Number(process.env.PORT ?? 3000) }, ({ port }) => {
  console.log(`listening on http://127.0.0.1:${port}`);
});
