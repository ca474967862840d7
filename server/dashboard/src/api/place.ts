/**
 * Where the API is: everything before `/ui/` in the page's own address, whatever that is. The page is
 * at `…/ui/`, since its routes are in the fragment.
 */
export function apiBase(page: string): string {
  const url = new URL(page);
  const path = url.pathname;
  const at = path.lastIndexOf("/ui/");
  return url.origin + (at < 0 ? "" : path.slice(0, at));
}
