import { useEffect } from "react";
import type { Whoami } from "../api/types";

/** The tenant's own colour, in the portal. Only plain colours: nothing else gets into a style. */
export function useColour(who: Whoami): void {
  const colour = who.portal?.color ?? null;
  useEffect(() => {
    const root = document.documentElement;
    if (!colour || !/^#[0-9a-f]{6}$/i.test(colour)) return;
    root.style.setProperty("--brand", colour);
    root.classList.add("branded");
    return () => {
      root.style.removeProperty("--brand");
      root.classList.remove("branded");
    };
  }, [colour]);
}

/** The tenant's logo, if it is at an address that may be asked. */
export function logoOf(who: Whoami): string | null {
  const url = who.portal?.logo_url;
  return url && /^https:\/\//i.test(url) ? url : null;
}
