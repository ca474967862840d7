/** Below these the page is served: the dashboard, and the portal, which may stand in a frame. */
const PAGES = ["/ui/", "/portal/"];

/**
 * Where the API is: everything before `/ui/` or `/portal/` in the page's own address, whatever that is.
 * The page is right there, since its routes are in the fragment.
 */
export function apiBase(page: string): string {
  const url = new URL(page);
  const path = url.pathname;
  const at = Math.max(...PAGES.map((part) => path.lastIndexOf(part)));
  return url.origin + (at < 0 ? "" : path.slice(0, at));
}
