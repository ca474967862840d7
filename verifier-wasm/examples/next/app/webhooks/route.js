import { webhook } from "@postrider/verifier";
import { webhookRoute } from "@postrider/verifier/next";

// Made at the first request: while the app is built there is no secret.
let route;

export function POST(request) {
  route ??= webhookRoute(
    webhook({ scheme: "standard", secrets: process.env.WEBHOOK_SECRET.split(",") }),
    ({ id, keyIndex, payload }) => Response.json({ id, keyIndex, type: payload.type }),
  );
  return route(request);
}
