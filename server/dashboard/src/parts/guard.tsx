import { Component, type ReactNode } from "react";
import { Problem } from "../api/problem";
import { Failure } from "./states";

/** A view that fails to load or to render takes nothing else with it. */
export class Guard extends Component<{ children: ReactNode }, { error: unknown }> {
  override state: { error: unknown } = { error: null };

  static getDerivedStateFromError(error: unknown) {
    return { error };
  }

  override render() {
    const { error } = this.state;
    if (error === null) return this.props.children;
    const detail = error instanceof Error ? error.message : String(error);
    const problem = new Problem({ code: "page_failed", title: "This part of the page failed.", detail });
    // A part that was not loaded is asked for anew only with the page.
    return <Failure problem={problem} again={() => location.reload()} />;
  }
}
