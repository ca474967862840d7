// node serve.mjs express|worker|…: starts this example, tells its address, and ends with its input.

import { startFile, startWorker } from "./servers.mjs";

const [name] = process.argv.slice(2);
const { url, stop } = await (name === "worker" ? startWorker({}) : startFile(`${name}.mjs`)({}));
console.log(url);
for await (const _ of process.stdin);
await stop();
