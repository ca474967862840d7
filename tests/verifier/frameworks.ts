// The adapters among the types of the frameworks themselves. It is compiled, never run.

import { createServer } from "node:http";
import Fastify from "fastify";
import { Hono } from "hono";
import { NextResponse } from "next/server.js";
import { webhook } from "@postrider/verifier";
import { webhookPlugin } from "@postrider/verifier/fastify";
import { webhookHandler } from "@postrider/verifier/hono";
import { webhookRoute } from "@postrider/verifier/next";
import { webhookListener } from "@postrider/verifier/node";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { NextRequest } from "next/server.js";

const wh = webhook<{ type: string }>({ scheme: "standard", secrets: ["a secret"] });

createServer(webhookListener(wh, ({ payload }, request, response) => {
  response.writeHead(200, { "x-from": request.socket.remoteAddress }).end(payload.type);
}));

Fastify().register(webhookPlugin(wh, "/webhooks", ({ payload }) => payload.type));
Fastify().register(webhookPlugin(wh, "/webhooks", (_, request: FastifyRequest, reply: FastifyReply) => {
  return reply.status(request.ip ? 200 : 202).send();
}));

new Hono().post("/webhooks", webhookHandler(wh, ({ payload }, c) => c.json({ type: payload.type })));

export const POST: (request: NextRequest) => Promise<Response> = webhookRoute(wh, ({ payload }, request: NextRequest) => {
  return NextResponse.json({ type: payload.type, path: request.nextUrl.pathname });
});
