import { memo, useEffect, useMemo, useRef, type CSSProperties, type ReactNode } from "react";
import { WindowVirtualizer } from "virtua";
import type { Pages } from "../api/ask";
import { Icon } from "./icon";
import { Failure, Loading, NoMatch } from "./states";
import "../style/rows.css";

export interface Column<T> {
  head: string;
  cell: (row: T) => ReactNode;
  /** A track of a CSS grid. */
  width: string;
  /** Where it goes when the page is narrow: into the first line, to its end, below, or away. */
  narrow?: "lead" | "end" | "sub" | "hide";
  number?: boolean;
}

interface Props<T> {
  label: string;
  columns: readonly Column<T>[];
  pages: Pages<T>;
  rowKey: (row: T) => string;
  empty: ReactNode;
  /** Whether filters are set, and how to take them away. */
  filtered?: boolean;
  clear?: () => void;
  rowClass?: (row: T) => string;
}

/** A list that may be long: only what is in sight is in the page. */
export function Rows<T>({ label, columns, pages, rowKey, empty, filtered = false, clear, rowClass }: Props<T>) {
  if (pages.error && pages.rows.length === 0) return <Failure problem={pages.error} again={pages.again} />;
  if (pages.isPending) return <Loading lines={8} what={label} />;
  if (pages.rows.length === 0 && !pages.hasMore) {
    return filtered ? <NoMatch clear={clear ?? (() => {})} /> : empty;
  }
  return (
    <>
      {pages.error && <Failure problem={pages.error} again={pages.again} />}
      <Grid label={label} columns={columns} rows={pages.rows} rowKey={rowKey} more={pages.hasMore} rowClass={rowClass} />
      <More pages={pages} />
    </>
  );
}

interface GridProps<T> {
  label: string;
  columns: readonly Column<T>[];
  rows: readonly T[];
  rowKey: (row: T) => string;
  more?: boolean;
  rowClass?: ((row: T) => string) | undefined;
}

/** So many rows are put into the page as they are. */
const PLAIN_MAX = 40;

export function Grid<T>({ label, columns, rows, rowKey, more = false, rowClass }: GridProps<T>) {
  const template = useMemo(() => ({ "--cols": columns.map(({ width }) => width).join(" ") }) as CSSProperties, [columns]);
  const line = (row: T, index: number) => (
    <Line key={rowKey(row)} row={row} index={index} columns={columns as readonly Column<unknown>[]} more={rowClass?.(row) ?? ""} />
  );
  return (
    <div role="table" aria-label={label} aria-rowcount={more ? -1 : rows.length + 1} className="rows" style={template}>
      <div role="rowgroup" className="head">
        <div role="row" aria-rowindex={1} className="row">
          {columns.map(({ head, number }) => (
            <div role="columnheader" key={head} className={`cell${number ? " number" : ""}`}>
              {head}
            </div>
          ))}
        </div>
      </div>
      <div role="rowgroup">
        {rows.length <= PLAIN_MAX ? (
          rows.map(line)
        ) : (
          <WindowVirtualizer data={rows} itemSize={37}>
            {line}
          </WindowVirtualizer>
        )}
      </div>
    </div>
  );
}

interface LineProps {
  row: unknown;
  index: number;
  columns: readonly Column<unknown>[];
  more: string;
}

/** A row. While somebody scrolls, those that stay in sight are not rendered again. */
const Line = memo(function Line({ row, index, columns, more }: LineProps) {
  return (
    <div role="row" aria-rowindex={index + 2} className={`row ${more}`}>
      {columns.map(({ head, cell, narrow, number }) => (
        <div role="cell" key={head} className={`cell c-${narrow ?? "sub"}${number ? " number" : ""}`}>
          {cell(row)}
        </div>
      ))}
    </div>
  );
});

/** Asks for the next page when its end comes into sight; the button is for keyboards and readers. */
function More<T>({ pages }: { pages: Pages<T> }) {
  const end = useRef<HTMLDivElement>(null);
  const { hasMore, isLoadingMore, more, rows } = pages;
  const count = rows.length;
  useEffect(() => {
    if (!hasMore || isLoadingMore || !end.current) return;
    const seen = (entries: readonly IntersectionObserverEntry[]) => entries.at(-1)?.isIntersecting && more();
    const watch = new IntersectionObserver(seen, { rootMargin: "600px" });
    watch.observe(end.current);
    return () => watch.disconnect();
  }, [hasMore, isLoadingMore, more, count]);
  return (
    <div className="more" ref={end}>
      {hasMore ? (
        <button type="button" onClick={more} disabled={isLoadingMore} className="small">
          <Icon name="down" /> {isLoadingMore ? "Loading…" : count === 0 ? "Nothing yet: look further" : "More"}
        </button>
      ) : (
        <span className="dim">{count === 1 ? "1 row" : `${count.toLocaleString("en-US")} rows`}</span>
      )}
    </div>
  );
}
