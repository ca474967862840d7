import { lazy, Suspense } from "react";
import { View } from "../parts/page";
import { Guard } from "../parts/guard";
import { Loading } from "../parts/states";

// The verifier fetches its WebAssembly when it is loaded, so it is a part of its own.
const Bench = lazy(() => import("../debug/bench"));

export default function Debugger() {
  return (
    <View title="Signature debugger" beside={<p className="dim lede">Paste a request as your receiver got it. It is checked in this page, by the code that signs: nothing is sent anywhere.</p>}>
      <Guard>
        <Suspense fallback={<Loading what="The verifier" />}>
          <Bench />
        </Suspense>
      </Guard>
    </View>
  );
}
