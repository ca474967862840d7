import { ALL } from "../api/client";
import { useOneTenant, useTenant } from "../session/who";

/** Says whose things are shown, where there is no list over all tenants. */
export function OfTenant() {
  const all = useTenant() === ALL;
  const tenant = useOneTenant();
  if (!all) return null;
  return <p className="dim lede">Of the tenant {tenant}. Choose another one at the top of the page.</p>;
}
