import { useEffect, useRef, type ReactNode } from "react";
import { Link } from "wouter";
import { to, useSearchValue } from "../route/filters";

/** Whether the first view has been shown: the focus moves with the views that follow it. */
let begun = false;

interface Props {
  title: string;
  /** What follows the title in its line. */
  beside?: ReactNode;
  back?: readonly [path: string, text: string];
  acts?: ReactNode;
  children: ReactNode;
}

/** A view: its title, its acts, and what it shows. */
export function View({ title, beside, back, acts, children }: Props) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    document.title = `${title} · Postrider`;
  }, [title]);
  useEffect(() => {
    if (begun) {
      heading.current?.focus({ preventScroll: true });
      scrollTo(0, 0);
    }
    begun = true;
  }, []);
  return (
    <>
      <div className="title">
        <div>
          {back && (
            <p className="back">
              <Link href={to(back[0])}>{back[1]}</Link>
            </p>
          )}
          <h1 ref={heading} tabIndex={-1}>
            {title}
          </h1>
          {beside}
        </div>
        {acts && <div className="acts">{acts}</div>}
      </div>
      {children}
    </>
  );
}

interface TabsProps {
  label: string;
  path: string;
  tabs: readonly (readonly [name: string, text: string, count?: number])[];
}

/** Parts of a view, each with an address of its own. */
export function Tabs({ label, path, tabs }: TabsProps) {
  const shown = useSearchValue("tab") ?? tabs[0]?.[0];
  return (
    <nav className="tabs" aria-label={label}>
      {tabs.map(([name, text, count]) => (
        <Link key={name} href={to(path, { tab: name === tabs[0]?.[0] ? null : name })} replace aria-current={shown === name ? "page" : undefined}>
          {text}
          {count !== undefined && count > 0 && <span className="count">{count.toLocaleString("en-US")}</span>}
        </Link>
      ))}
    </nav>
  );
}
