import Fastify from "fastify";
import { webhook } from "@postrider/verifier";
import { webhookPlugin } from "@postrider/verifier/fastify";

const secrets = process.env.WEBHOOK_SECRET.split(",");
const wh = webhook({ scheme: "standard", secrets });
const app = Fastify();

// The plugin's parser is for its own route; all others have Fastify's.
app.register(webhookPlugin(wh, "/webhooks", async ({ id, keyIndex, payload }) => {
  return { id, keyIndex, type: payload.type };
}));

app.post("/json", async (request) => ({ got: request.body }));

console.log(`listening on ${await app.listen({ host: "127.0.0.1", port: Number(process.env.PORT ?? 3000) })}`);
