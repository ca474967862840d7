import { webhook } from "@postrider/verifier";
import { webhookRoute } from "@postrider/verifier/next";

let route;

export default {
  async fetch(request, env) {
    const { pathname } = new URL(request.url);
    if (request.method !== "POST") return new Response(null, { status: 405 });
    if (pathname === "/json") return Response.json({ got: await request.json() });
    route ??= webhookRoute(
      webhook({ scheme: "standard", secrets: env.WEBHOOK_SECRET.split(",") }),
      ({ id, keyIndex, payload }) => Response.json({ id, keyIndex, type: payload.type }),
    );
    return route(request);
  },
};
