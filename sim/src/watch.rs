//! Watches a run: writes the trace, keeps the book, asks the checkers.

use crate::book::Book;
use crate::checker::{Checker, Violation};
use crate::coverage::Coverage;
use crate::plan::{Plan, Tier};
use crate::trace::{Line, Trace, What};
use postrider_engine::{DeliveryState, Footprint, Now, Reason};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What both simulators tell everything to.
pub struct Watch {
    book: Book,
    checkers: Vec<Box<dyn Checker>>,
    /// `None` if nobody will look at it.
    trace: Option<Trace>,
    coverage: Coverage,
    violation: Option<Violation>,
    lines: u64,
    kept: Option<Vec<Line>>,
    at_ms: u64,
}

/// What is left of a run besides what it came to. Writing the trace is a quarter of a run's work,
/// and of thousands of runs only those that broke something are looked at, by running them again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// Nothing.
    Nothing,
    /// The hash of its trace.
    Hash,
    /// Its trace.
    Trace,
}

/// What a run came to.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Run {
    /// The seed.
    pub seed: u64,
    /// The tier.
    pub tier: Tier,
    /// All promises held.
    pub ok: bool,
    /// The first one that did not.
    pub violation: Option<Violation>,
    /// SHA-256 of the trace, if it was written.
    pub trace_hash: Option<String>,
    /// How long it took in the simulated world.
    pub simulated_ms: u64,
    /// Requests that were sent.
    pub attempts: u64,
    /// Deliveries that were delivered.
    pub delivered: u64,
    /// Deliveries that failed.
    pub failed: u64,
    /// Events that became durable.
    pub events: u64,
    /// Faults that met states.
    pub coverage: Coverage,
    /// The lines, if they were kept.
    #[serde(skip)]
    pub lines: Vec<Line>,
    /// Their text, with what only the text has, if it was kept.
    #[serde(skip)]
    pub text: Vec<String>,
}

impl Watch {
    /// Watches a run of this plan.
    #[must_use]
    pub fn new(plan: &Arc<Plan>, checkers: Vec<Box<dyn Checker>>, keep: Keep) -> Self {
        let keeps = keep == Keep::Trace;
        Self {
            book: Book::new(Arc::clone(plan)),
            checkers,
            trace: (keep != Keep::Nothing).then(|| Trace::new(keeps)),
            coverage: Coverage::default(),
            violation: None,
            lines: 0,
            kept: keeps.then(Vec::new),
            at_ms: 0,
        }
    }

    /// What the trace has shown.
    #[must_use]
    pub fn book(&self) -> &Book {
        &self.book
    }

    /// Whether a promise has broken.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.violation.is_some()
    }

    /// This happened.
    pub fn note(&mut self, at_ms: u64, now: Now, what: What) {
        self.at_ms = at_ms;
        let line = Line {
            number: self.lines,
            at_ms,
            now,
            what,
        };
        self.lines += 1;
        if let Some(trace) = &mut self.trace {
            trace.add(&line);
        }
        self.coverage.see(&line, &self.book);
        for checker in &mut self.checkers {
            if self.violation.is_some() {
                break;
            }
            if let Err(said) = checker.see(&line, &self.book) {
                self.violation = Some(violation(checker.promise(), &line, said));
            }
        }
        self.book.take(&line);
        if let Some(kept) = &mut self.kept {
            kept.push(line);
        }
    }

    /// A packet on a simulated network: for the trace alone.
    pub fn packet(&mut self, at_ms: u64, text: std::fmt::Arguments<'_>) {
        if let Some(trace) = &mut self.trace {
            trace.add_text(at_ms, text);
        }
    }

    /// The engine holds so much after a turn.
    pub fn weigh(&mut self, footprint: &Footprint) {
        self.ask(|checker, book| checker.weigh(footprint, book));
    }

    /// The engine has nothing more to do after a turn, for this reason.
    pub fn rest(&mut self, reason: Reason, footprint: &Footprint) {
        self.ask(|checker, book| checker.rest(reason, footprint, book));
    }

    fn ask(&mut self, question: impl Fn(&mut dyn Checker, &Book) -> Result<(), String>) {
        for checker in &mut self.checkers {
            if self.violation.is_none()
                && let Err(said) = question(checker.as_mut(), &self.book)
            {
                let promise = checker.promise().to_owned();
                self.violation = Some(Violation {
                    promise,
                    at_ms: self.at_ms,
                    line: self.lines,
                    said,
                });
            }
        }
    }

    /// Something broke that no checker watches: a panic, a simulator that goes round in circles.
    pub fn broke(&mut self, promise: &str, said: String) {
        if self.violation.is_none() {
            self.violation = Some(Violation {
                promise: promise.to_owned(),
                at_ms: self.at_ms,
                line: self.lines,
                said,
            });
        }
    }

    /// The run is over.
    #[must_use]
    pub fn finish(mut self, simulated_ms: u64) -> Run {
        for checker in &mut self.checkers {
            if self.violation.is_none()
                && let Err(said) = checker.end(&self.book)
            {
                self.violation = Some(Violation {
                    promise: checker.promise().to_owned(),
                    at_ms: simulated_ms,
                    line: self.lines,
                    said,
                });
            }
        }
        let ended = |wanted: fn(DeliveryState) -> bool| {
            let states = self.book.deliveries.values().map(|delivery| delivery.state);
            states.filter(|state| wanted(*state)).count() as u64
        };
        Run {
            seed: self.book.plan.seed,
            tier: self.book.plan.tier,
            ok: self.violation.is_none(),
            trace_hash: self.trace.as_ref().map(Trace::hash),
            simulated_ms,
            attempts: self.book.attempts,
            delivered: ended(|state| state == DeliveryState::Delivered),
            failed: ended(|state| matches!(state, DeliveryState::Failed(_))),
            events: self.book.events.len() as u64,
            violation: self.violation,
            coverage: self.coverage,
            lines: self.kept.unwrap_or_default(),
            text: self.trace.and_then(Trace::into_text).unwrap_or_default(),
        }
    }
}

fn violation(promise: &str, line: &Line, said: String) -> Violation {
    Violation {
        promise: promise.to_owned(),
        at_ms: line.at_ms,
        line: line.number,
        said,
    }
}
