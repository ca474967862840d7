import react from "@vitejs/plugin-react";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";

const file = (path: string) => fileURLToPath(new URL(path, import.meta.url));

/** The built package of the verifier, where `npm run verifier` has put it. */
const VERIFIER = file("./verifier/esm/full-web.js");

/** What most views use and the first one does not. */
const SHARED = /src\/parts\/(rows|dialog|delivery-columns|retry-now|wait|payload|attempt-view|lane-card|of-tenant|timeline|endpoint-ref|report)|src\/form\/json|node_modules\/virtua\//;

/** What the first view needs. */
const FIRST = /src\/(api|session|route|time|live|parts\/(?!rows|dialog|delivery-columns|retry-now|wait|payload|attempt-view|lane-card|of-tenant|timeline|endpoint-ref|report)|shell|views\/(overview|tail))|node_modules\/(?!virtua)|vite\/preload-helper/;

/** Views that are opened after each other: together they are smaller than one by one. */
const SETUP = /src\/views\/(event-type|source|template|endpoint-defaults|keys|tenants|portal-link|audit|system)/;
const ENDPOINTS = /src\/(form\/|views\/endpoint)/;
const EVENTS = /src\/views\/(event|why-not|delivery|attempt|dead-letter|chosen|bulk|replays|lanes)/;

export default defineConfig({
  // Every address is relative to the page, so that it works below any path.
  base: "./",
  plugins: [react()],
  resolve: {
    alias: { "@postrider/verifier/full": existsSync(VERIFIER) ? VERIFIER : file("./src/debug/no-verifier.ts") },
  },
  build: {
    target: "es2023",
    // A `data:` address would need a line in the policy of the page.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    rolldownOptions: {
      output: {
        codeSplitting: {
          // Fewer and larger files: what begins is one, what most views share is another.
          groups: [
            { name: "shared", test: SHARED, priority: 4 },
            { name: "main", test: FIRST, priority: 5 },
            { name: "setup", test: SETUP, priority: 1 },
            { name: "endpoints", test: ENDPOINTS, priority: 2 },
            { name: "events", test: EVENTS, priority: 3 },
          ],
        },
      },
    },
  },
});
