import express from "express";
import { webhook } from "@postrider/verifier";
import { webhookHandler } from "@postrider/verifier/express";

const secrets = process.env.WEBHOOK_SECRET.split(",");
const wh = webhook({ scheme: "standard", secrets });
const app = express();

// Before express.json(): this route reads the bytes itself.
app.post("/webhooks", webhookHandler(wh, ({ id, keyIndex, payload }, request, response) => {
  response.json({ id, keyIndex, type: payload.type });
}));

app.use(express.json());
app.post("/json", (request, response) => response.json({ got: request.body }));

const server = app.listen(Number(process.env.PORT ?? 3000), "127.0.0.1", () => {
  console.log(`listening on http://127.0.0.1:${server.address().port}`);
});
