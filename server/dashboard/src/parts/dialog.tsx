import { useEffect, useId, useRef, type ReactNode } from "react";
import type { Problem } from "../api/problem";
import { Icon } from "./icon";
import { Failure } from "./states";

interface Props {
  title: string;
  close: () => void;
  children: ReactNode;
  wide?: boolean;
}

/** The browser's own modal dialog: it keeps the focus in, closes by Escape, and gives the focus back. */
export function Dialog({ title, close, children, wide = false }: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  const name = useId();
  useEffect(() => {
    const shown = dialog.current;
    const before = document.activeElement;
    if (shown && !shown.open) shown.showModal();
    return () => {
      shown?.close();
      if (before instanceof HTMLElement && before.isConnected) before.focus();
    };
  }, []);
  return (
    <dialog
      ref={dialog}
      className={wide ? "wide" : undefined}
      aria-labelledby={name}
      onCancel={(event) => {
        event.preventDefault();
        close();
      }}
    >
      <header>
        <h2 id={name}>{title}</h2>
        <button type="button" className="plain" aria-label="Close" onClick={close}>
          <Icon name="close" />
        </button>
      </header>
      <div className="body">{children}</div>
    </dialog>
  );
}

interface ConfirmProps {
  title: string;
  /** What it will do. */
  children: ReactNode;
  /** The name of the act, on the button. */
  act: string;
  danger?: boolean;
  busy: boolean;
  problem?: Problem | null;
  onAct: () => void;
  close: () => void;
}

/** Says what an act will do before it does it. */
export function Confirm({ title, children, act, danger = false, busy, problem, onAct, close }: ConfirmProps) {
  return (
    <Dialog title={title} close={close}>
      {children}
      {problem && <Failure problem={problem} />}
      <footer>
        <button type="button" onClick={close}>
          Cancel
        </button>
        <button type="button" className={danger ? "danger" : "primary"} disabled={busy} onClick={onAct}>
          {busy ? "Working…" : act}
        </button>
      </footer>
    </Dialog>
  );
}
