//! Which faults have met which states: a matrix, and the cells that stay empty.
//!
//! There are three kinds of rows. Faults of the sender's world (its disk, its clocks, its power)
//! strike whatever there is at the moment: a column is a state that something was in. What becomes
//! of a single request meets the one delivery that it belongs to: a column is a state of that
//! delivery, its lane or its endpoint when the engine is told. And what somebody asks for by hand
//! finds a delivery in some state.

use crate::book::Book;
use crate::by_id::ById;
use crate::plan::FaultKind;
use crate::trace::{Line, What, Wish};
use postrider_engine::{
    DeliveryId, DeliveryState, EndpointStatus, FailureKind, Ordering, Outcome, Phase,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Faults of the sender's world.
const STRIKES: &[&str] = &[
    "kill",
    "power_loss",
    "disk_full",
    "write_error",
    "read_error",
    "slow_disk",
    "wall_jump",
    "latency",
    "receiver_crash",
    "storm",
];

/// States that something may be in when they strike.
const PRESENT: &[&str] = &[
    "quiet",
    "committing",
    "sending",
    "retrying",
    "backlog",
    "stopped",
    "paused",
    "disabled",
    "breaker_open",
    "draining",
];

/// What may become of a single request.
const OUTCOMES: &[&str] = &[
    "ok",
    "rejection",
    "gone",
    "redirect",
    "too_many_requests",
    "server_error",
    "retry_after",
    "late",
    "hang",
    "drip",
    "reset",
    "reset_in_body",
    "malformed",
    "endless_head",
    "endless_body",
    "refused",
    "unreachable",
    "no_name",
    "private_address",
    "bad_tls",
    "lose_response",
    "delay_response",
    "reset_response",
    "panic",
    "forget",
    "repeat_outcome",
];

/// States that its delivery, its lane or its endpoint may be in.
const MET: &[&str] = &[
    "first_attempt",
    "retry",
    "last_attempt",
    "resent",
    "alone",
    "backlog",
    "unordered",
    "keyed",
    "paused",
    "disabled",
    "deleted",
    "moved",
    "breaker_open",
    "draining",
];

/// What is asked for by hand.
const ASKED: &[&str] = &["retry_now"];

/// States that the delivery, its lane or its endpoint may be in then.
const FOUND: &[&str] = &[
    "ended",
    "sending",
    "waiting",
    "behind",
    "stopped",
    "unordered",
    "paused",
    "disabled",
    "breaker_open",
];

/// Cells that cannot be met, each with the reason.
const UNREACHABLE: &[(&str, &str, &str)] = &[];

/// A cell: what happened, and the state that it met.
type Cell = (&'static str, &'static str);

/// How often each fault has met each state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "BTreeMap<String, u64>", try_from = "BTreeMap<String, u64>")]
pub struct Coverage {
    cells: BTreeMap<Cell, u64>,
    /// What was done to a request that is under way, by its delivery.
    done: ById<DeliveryId, &'static str>,
    /// The request that the last line was about.
    subject: Option<DeliveryId>,
    committing: u64,
}

/// What a sweep reports.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Cells that can be met.
    pub reachable: usize,
    /// Cells that were.
    pub hit: usize,
    /// Cells that were not: `fault × state`.
    pub never: Vec<String>,
}

impl Coverage {
    /// Sees a line; `book` holds what was before it.
    pub fn see(&mut self, line: &Line, book: &Book) {
        match &line.what {
            What::Started { .. } => {
                self.committing = 0;
                self.done.clear();
            }
            What::CommitAsked { .. } => self.committing += 1,
            What::Durable { .. } | What::NotDurable { .. } => {
                self.committing = self.committing.saturating_sub(1);
            }
            What::Called {
                wish: Wish::RetryNow(delivery),
                ..
            } => self.asked(*delivery, book),
            What::Sent(wire) => self.subject = Some(wire.delivery),
            What::Responded {
                delivery, answer, ..
            } => {
                self.subject = Some(*delivery);
                self.done.entry(*delivery).or_insert(answer.name());
            }
            What::Fault { kind, .. } => self.strike(kind, book),
            What::Outcome {
                delivery,
                number,
                outcome,
            } => {
                let name = self
                    .done
                    .swap_remove(delivery)
                    .unwrap_or_else(|| of(outcome));
                self.meet(name, *delivery, *number, book);
            }
            // The engine itself ends what its host has forgotten.
            What::Cancelled { delivery, number }
                if self.done.swap_remove(delivery) == Some("forget") =>
            {
                self.meet("forget", *delivery, *number, book);
            }
            _ => (),
        }
    }

    fn strike(&mut self, kind: &FaultKind, book: &Book) {
        match kind {
            FaultKind::LoseResponse
            | FaultKind::DelayResponse { .. }
            | FaultKind::ResetResponse
            | FaultKind::Panic
            | FaultKind::Forget
            | FaultKind::RepeatOutcome => {
                if let Some(delivery) = self.subject {
                    self.done.insert(delivery, kind.name());
                }
            }
            FaultKind::Storm { .. } => self.present("storm", book),
            // The sender knows nothing of it: nothing there meets it.
            FaultKind::ClientWay { .. } => (),
            kind => self.present(kind.name(), book),
        }
    }

    fn hit(&mut self, row: &'static str, column: &'static str) {
        *self.cells.entry((row, column)).or_default() += 1;
    }

    /// Something strikes whatever there is.
    fn present(&mut self, row: &'static str, book: &Book) {
        let mut quiet = true;
        if self.committing > 0 {
            quiet = false;
            self.hit(row, "committing");
        }
        if !book.in_flight.is_empty() {
            quiet = false;
            self.hit(row, "sending");
        }
        let mut seen = [false; 6];
        for (id, lane) in &book.lanes {
            let Some((_, first)) = lane.pending.first_key_value() else {
                continue;
            };
            quiet = false;
            let state = book.deliveries.get(first).map(|delivery| delivery.state);
            seen[0] |= matches!(state, Some(DeliveryState::Retrying { .. }));
            seen[1] |= lane.pending.len() > book.plan.bounds.window_deliveries_max;
            seen[2] |= lane.stopped_at.is_some();
            let Some(page) = book.endpoints.get(&id.endpoint) else {
                continue;
            };
            seen[3] |= page.told.status == EndpointStatus::Paused;
            seen[4] |= matches!(page.told.status, EndpointStatus::Disabled(_));
            seen[5] |= breaker_is_open(page);
        }
        let names = [
            "retrying",
            "backlog",
            "stopped",
            "paused",
            "disabled",
            "breaker_open",
        ];
        for (name, seen) in names.into_iter().zip(seen) {
            if seen {
                self.hit(row, name);
            }
        }
        if book.draining.is_some() {
            self.hit(row, "draining");
        }
        if quiet {
            self.hit(row, "quiet");
        }
    }

    /// The engine is told what became of a request.
    fn meet(&mut self, row: &'static str, id: DeliveryId, number: u32, book: &Book) {
        let (Some(delivery), Some(page)) = (book.deliveries.get(&id), book.endpoint_of(id)) else {
            return;
        };
        let spec = &page.told.spec;
        self.hit(
            row,
            match number {
                number if number > spec.retry.retries() => "last_attempt",
                1 => "first_attempt",
                _ => "retry",
            },
        );
        if delivery.resend_of.is_some() {
            self.hit(row, "resent");
        }
        if spec.ordering == Ordering::None {
            self.hit(row, "unordered");
        }
        if delivery.lane.key.get().is_some() {
            self.hit(row, "keyed");
        }
        let waiting = book
            .lanes
            .get(&delivery.lane)
            .map_or(0, |lane| lane.pending.len());
        self.hit(row, if waiting > 1 { "backlog" } else { "alone" });
        if page.deleted {
            self.hit(row, "deleted");
        } else {
            match page.told.status {
                EndpointStatus::Active => (),
                EndpointStatus::Paused => self.hit(row, "paused"),
                EndpointStatus::Disabled(_) => self.hit(row, "disabled"),
            }
        }
        let flight = book.in_flight.get(&id);
        if flight.is_some_and(|flight| flight.wire.url != spec.url) {
            self.hit(row, "moved");
        }
        if breaker_is_open(page) {
            self.hit(row, "breaker_open");
        }
        if book.draining.is_some() {
            self.hit(row, "draining");
        }
    }

    /// Somebody asks that a delivery be sent at once.
    fn asked(&mut self, id: DeliveryId, book: &Book) {
        let row = "retry_now";
        let (Some(delivery), Some(page)) = (book.deliveries.get(&id), book.endpoint_of(id)) else {
            return;
        };
        if delivery.state.is_end() {
            return self.hit(row, "ended");
        }
        match page.told.status {
            EndpointStatus::Active => (),
            EndpointStatus::Paused => self.hit(row, "paused"),
            EndpointStatus::Disabled(_) => self.hit(row, "disabled"),
        }
        if breaker_is_open(page) {
            self.hit(row, "breaker_open");
        }
        let lane = book.lanes.get(&delivery.lane);
        if lane.is_some_and(|lane| lane.stopped_at.is_some()) {
            self.hit(row, "stopped");
        }
        let is_ordered = page.told.spec.ordering == Ordering::Fifo;
        if !is_ordered {
            self.hit(row, "unordered");
        }
        let head = lane.and_then(|lane| lane.pending.values().next());
        if book.in_flight.contains_key(&id) {
            self.hit(row, "sending");
        } else if is_ordered && head != Some(&id) {
            self.hit(row, "behind");
        } else if matches!(delivery.state, DeliveryState::Retrying { .. }) {
            self.hit(row, "waiting");
        }
    }

    /// Adds what another run has met.
    pub fn add(&mut self, other: &Self) {
        for (cell, count) in &other.cells {
            *self.cells.entry(*cell).or_default() += count;
        }
    }

    /// How often this fault has met this state.
    #[must_use]
    pub fn count(&self, fault: &str, state: &str) -> u64 {
        let found = known(fault, state).and_then(|cell| self.cells.get(&cell));
        found.copied().unwrap_or(0)
    }

    /// Every cell that can be met.
    pub fn reachable() -> impl Iterator<Item = (&'static str, &'static str)> {
        all().filter(|cell| why_never(*cell).is_none())
    }

    /// What was met, in short.
    #[must_use]
    pub fn summary(&self) -> Summary {
        let never = Self::reachable().filter(|cell| !self.cells.contains_key(cell));
        let never: Vec<String> = never
            .map(|(row, column)| format!("{row} × {column}"))
            .collect();
        let reachable = Self::reachable().count();
        Summary {
            reachable,
            hit: reachable - never.len(),
            never,
        }
    }

    /// The matrices as text: a row per fault, a column per state; `·` was never met, `-` cannot be.
    #[must_use]
    pub fn table(&self) -> String {
        let mut text = String::new();
        for (rows, columns) in [(STRIKES, PRESENT), (OUTCOMES, MET), (ASKED, FOUND)] {
            text.push_str(&format!("{:16}", ""));
            for column in columns {
                text.push_str(&format!(" {column:>13}"));
            }
            text.push('\n');
            for row in rows {
                text.push_str(&format!("{row:16}"));
                for column in columns {
                    let shown = match self.cells.get(&(*row, *column)) {
                        Some(count) => count.to_string(),
                        None if why_never((*row, *column)).is_some() => "-".to_owned(),
                        None => "·".to_owned(),
                    };
                    text.push_str(&format!(" {shown:>13}"));
                }
                text.push('\n');
            }
            text.push('\n');
        }
        for (row, column, reason) in UNREACHABLE {
            text.push_str(&format!("{row} × {column} cannot be: {reason}\n"));
        }
        text
    }
}

fn all() -> impl Iterator<Item = Cell> {
    let pairs = |rows: &'static [&'static str], columns: &'static [&'static str]| {
        rows.iter()
            .flat_map(move |row| columns.iter().map(move |column| (*row, *column)))
    };
    pairs(STRIKES, PRESENT)
        .chain(pairs(OUTCOMES, MET))
        .chain(pairs(ASKED, FOUND))
}

fn known(fault: &str, state: &str) -> Option<Cell> {
    all().find(|(row, column)| *row == fault && *column == state)
}

fn why_never(cell: Cell) -> Option<&'static str> {
    let found = UNREACHABLE
        .iter()
        .find(|(row, column, _)| (*row, *column) == cell);
    found.map(|(_, _, reason)| *reason)
}

fn breaker_is_open(page: &crate::book::EndpointPage) -> bool {
    let policy = page.told.spec.breaker;
    policy.is_some_and(|policy| page.told.health.failures >= policy.failures)
}

/// The row of an outcome that no receiver has given.
fn of(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Response(_) => "ok",
        Outcome::Failure(failure) => match failure.kind {
            FailureKind::Dns => "no_name",
            FailureKind::BlockedAddress => "private_address",
            FailureKind::Connect => "refused",
            FailureKind::Tls => "bad_tls",
            FailureKind::Timeout(Phase::Connect) => "unreachable",
            FailureKind::Timeout(_) => "hang",
            FailureKind::Reset => "reset",
            FailureKind::Malformed => "malformed",
            FailureKind::TooLarge => "endless_head",
            FailureKind::Internal | FailureKind::Local => "panic",
        },
    }
}

/// What a matrix on file says.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is no cell of this matrix")]
pub struct NoSuchCell(String);

impl From<Coverage> for BTreeMap<String, u64> {
    fn from(coverage: Coverage) -> Self {
        let cells = coverage.cells.into_iter();
        cells
            .map(|((row, column), count)| (format!("{row} × {column}"), count))
            .collect()
    }
}

impl TryFrom<BTreeMap<String, u64>> for Coverage {
    type Error = NoSuchCell;

    fn try_from(cells: BTreeMap<String, u64>) -> Result<Self, NoSuchCell> {
        let mut coverage = Self::default();
        for (name, count) in cells {
            let cell = name
                .split_once(" × ")
                .and_then(|(row, column)| known(row, column));
            let Some(cell) = cell else {
                return Err(NoSuchCell(name));
            };
            coverage.cells.insert(cell, count);
        }
        Ok(coverage)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_matrix_reads_back_as_it_was_written() {
        let mut coverage = Coverage::default();
        coverage.hit("kill", "sending");
        coverage.hit("kill", "sending");
        coverage.hit("ok", "retry");
        let text = serde_json::to_string(&coverage).unwrap();
        let read: Coverage = serde_json::from_str(&text).unwrap();
        assert_eq!(read, coverage);
        assert_eq!(read.count("kill", "sending"), 2);
        assert!(serde_json::from_str::<Coverage>("{\"kill × nothing\":1}").is_err());
    }

    #[test]
    fn a_cell_that_was_never_met_is_named() {
        let mut coverage = Coverage::default();
        for (row, column) in Coverage::reachable() {
            coverage.hit(row, column);
        }
        assert_eq!(coverage.summary().never, Vec::<String>::new());
        coverage.cells.remove(&("ok", "moved"));
        assert_eq!(coverage.summary().never, ["ok × moved"]);
    }

    #[test]
    fn every_kind_of_fault_and_answer_has_its_row() {
        let answer = crate::plan::Answer::EndlessBody(200);
        assert!(OUTCOMES.contains(&answer.name()));
        for (row, column, _) in UNREACHABLE {
            assert!(known(row, column).is_some(), "{row} × {column}");
        }
    }
}
