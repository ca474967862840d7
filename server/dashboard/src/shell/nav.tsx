import { Link, useLocation } from "wouter";
import { BASE } from "../api/client";
import { Icon } from "../parts/icon";
import { to } from "../route/filters";
import { usePlayground } from "../play/use-playground";
import { useWho } from "../session/who";
import { places } from "./places";

/** The ways to the views. */
export function Nav({ onGo }: { onGo?: () => void }) {
  const who = useWho();
  const hasPlayground = usePlayground().isSuccess;
  const [location] = useLocation();
  const isAt = (path: string) => (path === "/" ? location === "/" : location === path || location.startsWith(`${path}/`));
  const isEvents = location.startsWith("/deliveries/");
  return (
    <nav className="nav" aria-label="Views">
      {places(who, hasPlayground).map(({ name, places }) => (
        <div key={name} role="group" aria-label={name}>
          <p className="group">{name}</p>
          <ul>
            {places.map(({ path, text, icon }) => (
              <li key={path}>
                <Link href={to(path)} aria-current={isAt(path) || (isEvents && path === "/events") ? "page" : undefined} onClick={() => onGo?.()}>
                  <Icon name={icon} />
                  {text}
                </Link>
              </li>
            ))}
          </ul>
        </div>
      ))}
      {who.portal === null && (
        <p className="outside">
          <a href={`${BASE}/reference`} target="_blank" rel="noreferrer">
            The API
          </a>
        </p>
      )}
    </nav>
  );
}
