import { useState } from "react";
import { answer, apiFor, isProblem } from "../api/client";
import type { Attempt, Delivery } from "../api/types";
import { copyText } from "../parts/copy";
import { Icon } from "../parts/icon";
import { tell } from "../parts/told";
import { useMay, useTenant } from "../session/who";
import { curlOf } from "../debug/curl";

/** Copies a request as a line for a shell, signed now: the old signature has expired. */
export function CurlButton({ delivery, attempt }: { delivery: Delivery; attempt: Attempt }) {
  const [busy, setBusy] = useState(false);
  const maySign = useMay("endpoints");
  const shown = useTenant();
  if (!maySign || !attempt.url) return null;
  const copy = async () => {
    setBusy(true);
    try {
      const api = apiFor(shown === null ? null : delivery.tenant);
      const id = delivery.endpoint_id;
      const path = { id: delivery.id, number: attempt.number };
      const [{ secret }, endpoint, body] = await Promise.all([
        answer(api.GET("/v1/endpoints/{id}/secret", { params: { path: { id } } })),
        answer(api.GET("/v1/endpoints/{id}", { params: { path: { id } } })),
        answer(api.GET("/v1/deliveries/{id}/attempts/{number}/request-body", { params: { path }, parseAs: "arrayBuffer" })),
      ]);
      // The verifier's WebAssembly signs, too. It is loaded here only when somebody asks for this.
      const { signed } = await import("../debug/verifier");
      const scheme = endpoint.signatures?.[0]?.scheme ?? "postrider";
      const headers = await signed(scheme, secret, new Uint8Array(body), delivery.event_id, endpoint.signatures?.[0] ?? null);
      const text = curlOf(attempt, headers, new Uint8Array(body));
      if (await copyText(text)) tell("Copied. It is signed for now: most receivers take it for five minutes.");
      else tell("The browser did not allow it to be copied.", "bad");
    } catch (error) {
      tell(isProblem(error) ? `${error.title} ${error.detail}` : `It could not be signed: ${error instanceof Error ? error.message : String(error)}`, "bad");
    } finally {
      setBusy(false);
    }
  };
  return (
    <button type="button" className="small" disabled={busy} onClick={() => void copy()}>
      <Icon name="copy" /> {busy ? "Signing…" : "Copy as curl, signed now"}
    </button>
  );
}
