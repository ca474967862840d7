import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { Router } from "wouter";
import { isProblem } from "./api/client";
import { App } from "./app";
import { apply } from "./parts/settings";
import { useHashLocation, useHashSearch } from "./route/hash";
import { takeToken } from "./session/key";
import { enter } from "./session/enter";
import "./style/base.css";
import "./style/shell.css";
import "./style/parts.css";

apply();
// Before anything is rendered: the token must not stay in the address.
const token = takeToken();

const client = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 3_000,
      retry: (times, error) => times < 2 && isProblem(error) && error.passes,
      retryDelay: (times) => 500 * 2 ** times,
    },
  },
});

const root = document.getElementById("root");
if (root) {
  createRoot(root).render(
    <StrictMode>
      <QueryClientProvider client={client}>
        <Router hook={useHashLocation} searchHook={useHashSearch}>
          <App />
        </Router>
      </QueryClientProvider>
    </StrictMode>,
  );
}
if (token !== null) void enter(token);
