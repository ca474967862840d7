import { createServer } from "node:http";
import { json } from "node:stream/consumers";
import { webhook } from "@postrider/verifier";
import { webhookListener } from "@postrider/verifier/node";

const secrets = process.env.WEBHOOK_SECRET.split(",");
const wh = webhook({ scheme: "standard", secrets });

const answer = (response, value) => {
  response.setHeader("content-type", "application/json");
  response.end(JSON.stringify(value));
};

const webhooks = webhookListener(wh, ({ id, keyIndex, payload }, request, response) => {
  answer(response, { id, keyIndex, type: payload.type });
});

const routes = {
  "POST /webhooks": webhooks,
  "POST /json": async (request, response) => answer(response, { got: await json(request) }),
};

const server = createServer((request, response) => {
  const route = routes[`${request.method} ${request.url}`];
  if (!route) return response.writeHead(404).end();
  route(request, response).catch((error) => console.error(error));
});

server.listen(Number(process.env.PORT ?? 3000), "127.0.0.1", () => {
  console.log(`listening on http://127.0.0.1:${server.address().port}`);
});
