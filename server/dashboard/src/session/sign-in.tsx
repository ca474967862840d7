import { useState, type FormEvent } from "react";
import { BASE } from "../api/client";
import type { Problem } from "../api/problem";
import { TextField } from "../parts/fields";
import { Failure } from "../parts/states";
import { reason, signIn, type Reason } from "./key";
import "../style/sign-in.css";

const WHY: Readonly<Record<Reason, string | null>> = {
  none: null,
  refused: "You were signed out: the server does not accept this key any more. It was revoked, it has expired, or it was never valid.",
  left: "You are signed out. The key is no longer in this tab.",
  expired: "You were signed out: the key has expired.",
};

/** Asks for a key. */
export function SignIn() {
  const [text, setText] = useState("");
  const why = WHY[reason()];
  const enter = (event: FormEvent) => {
    event.preventDefault();
    const key = text.trim();
    if (key) signIn(key);
  };
  return (
    <main className="sign-in" id="main">
      <form onSubmit={enter}>
        <Mark />
        <h1>Postrider</h1>
        <p className="dim">Webhooks, in order. Sign in to {new URL(BASE).host}.</p>
        {why && (
          <p className="why" role="alert">
            {why}
          </p>
        )}
        <TextField label="Key of the API" type="password" mono value={text} set={setText} required hint="key_… It stays in this tab and is gone when you close it." />
        <button type="submit" className="primary">
          Sign in
        </button>
        <p className="dim small-print">
          To make a key: <code>postrider keys create --scope manage NAME</code>. To try things out: <code>postrider dev</code> opens this page
          signed in.
        </p>
      </form>
    </main>
  );
}

/** The key could not be looked up. */
export function NoAnswer({ problem, again, leave }: { problem: Problem; again: () => void; leave: () => void }) {
  return (
    <main className="sign-in" id="main">
      <div>
        <h1>Postrider</h1>
        <Failure problem={problem} again={again} />
        <button type="button" onClick={leave}>
          Sign out
        </button>
      </div>
    </main>
  );
}

export function Mark() {
  return (
    <svg className="mark" viewBox="0 0 32 32" width="28" height="28" aria-hidden="true" focusable="false">
      <rect width="32" height="32" rx="8" />
      <path d="M7 11h11M7 16h7M7 21h11M18 10l7 6-7 6" />
    </svg>
  );
}
