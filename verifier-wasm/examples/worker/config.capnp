# For workerd alone: `workerd serve config.capnp`. Wrangler finds these modules by itself.
using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [(name = "main", worker = .worker)],
  sockets = [(name = "http", address = "127.0.0.1:3000", http = (), service = "main")],
);

const worker :Workerd.Worker = (
  compatibilityDate = "2025-09-01",
  bindings = [(name = "WEBHOOK_SECRET", fromEnvironment = "WEBHOOK_SECRET")],
  modules = [
    (name = "worker.mjs", esModule = embed "worker.mjs"),
    (name = "@postrider/verifier", esModule = embed "node_modules/@postrider/verifier/dist/esm/workerd.js"),
    (name = "@postrider/shared.js", esModule = embed "node_modules/@postrider/verifier/dist/esm/shared.js"),
    (name = "@postrider/verifier/next", esModule = embed "node_modules/@postrider/verifier/dist/esm/next.js"),
    (name = "core.wasm", wasm = embed "node_modules/@postrider/verifier/dist/core.wasm"),
  ],
);
