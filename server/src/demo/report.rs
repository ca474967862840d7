//! What the demo found out, for people and for programs.

use super::Args;
use super::check::{Broken, End, check};
use super::plan::{Behaviour, TIMEOUT, TIMEOUT_OF_HANGING};
use super::run::{BREAKER, EGRESS, EndpointRan, FIRST_DELAY, RETRIES, Ran, Repeats, Stopped};
use postrider::{Drained, Ledger};
use serde::Serialize;
use std::fmt::Display;

/// The counts, under the names that programs know them by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Counts {
    /// Events that were accepted; each goes to one endpoint.
    accepted: u64,
    delivered: u64,
    /// Dead letters: answered with 4xx.
    failed_rejected: u64,
    /// Dead letters: all attempts used up.
    failed_exhausted: u64,
    pending: u64,
    /// Attempts on record.
    attempts: u64,
    order_violations: u64,
    invalid_signatures: u64,
    lost: u64,
    elapsed_ms: u64,
}

/// Everything that was found out.
pub(super) struct Report {
    counts: Counts,
    rows: Vec<Row>,
    promises: Vec<Promise>,
}

/// The endpoints of one behaviour.
struct Row {
    behaviour: Behaviour,
    endpoints: u64,
    counts: Counts,
}

struct Promise {
    is_kept: bool,
    text: String,
}

/// What is summed up over all endpoints for the promises.
#[derive(Default)]
struct Sums {
    counts: Counts,
    broken: Broken,
    ledger: Ledger,
    repeats: Repeats,
    lanes: u64,
    requests: u64,
}

impl Report {
    pub(super) fn of(ran: &Ran) -> Self {
        let mut rows = Behaviour::ALL.map(Row::new);
        let mut sums = Sums::default();
        for endpoint in &ran.endpoints {
            let counts = Counts::of(endpoint);
            let row = &mut rows[endpoint.plan.behaviour as usize];
            row.endpoints += 1;
            row.counts.add(&counts);
            sums.add(endpoint, &counts, ran.kills);
        }
        let counts = Counts {
            order_violations: sums.broken.order,
            invalid_signatures: sums.broken.signature,
            lost: sums.broken.lost,
            elapsed_ms: u64::try_from(ran.elapsed.as_millis()).unwrap_or(u64::MAX),
            ..sums.counts
        };
        Self {
            counts,
            rows: rows.into_iter().filter(|row| row.endpoints > 0).collect(),
            promises: sums.promises(ran.drained),
        }
    }

    pub(super) fn is_kept(&self) -> bool {
        self.promises.iter().all(|promise| promise.is_kept)
    }

    /// The counts in one line; before it, a line for each promise that was broken.
    pub(super) fn json(&self) -> Result<String, serde_json::Error> {
        let broken = self.promises.iter().filter(|promise| !promise.is_kept);
        let mut lines: Vec<String> = broken.map(Promise::line).collect();
        lines.push(serde_json::to_string(&self.counts)?);
        Ok(lines.join("\n") + "\n")
    }

    pub(super) fn text(&self, args: &Args) -> String {
        let promises = self.promises.iter();
        let seconds = Seconds(self.counts.elapsed_ms);
        let attempts = grouped(self.counts.attempts);
        let kept = if self.is_kept() { "All" } else { "NOT all" };
        let mut lines = settings(args);
        lines.extend([String::new(), Row::head()]);
        lines.extend(self.rows.iter().map(Row::text));
        lines.push("\nPromises, checked by what the receivers saw against the record:".into());
        lines.extend(promises.map(|promise| format!("  {}", promise.line())));
        lines.push(format!(
            "\n{kept} kept, over {attempts} attempts in {seconds}."
        ));
        lines.push(format!(
            "Again:    {} demo --events {} --endpoints {} --seed {}",
            crate::program::name(),
            args.events,
            args.endpoints,
            args.seed
        ));
        lines.push("Embed it: let postrider = Postrider::builder().start().await?;".into());
        lines.join("\n") + "\n"
    }
}

/// What there is when the demo was asked to end. Nothing is checked: what is pending can be neither
/// kept nor broken yet.
#[derive(Debug, Serialize)]
pub(super) struct StopReport {
    /// Always true: so it is told from a run that came to its end.
    stopped: bool,
    accepted: u64,
    delivered: u64,
    /// Dead letters.
    failed: u64,
    pending: u64,
    /// Requests that were given up at the deadline: receivers will see these again.
    cancelled: u32,
    elapsed_ms: u64,
    #[serde(skip)]
    is_drained: bool,
}

impl StopReport {
    pub(super) fn of(stopped: &Stopped) -> Self {
        let Stopped {
            account, drained, ..
        } = stopped;
        Self {
            stopped: true,
            accepted: account.accepted,
            delivered: account.delivered,
            failed: account.failed,
            pending: account.pending,
            cancelled: drained.map_or(0, |drained| drained.cancelled),
            elapsed_ms: u64::try_from(stopped.elapsed.as_millis()).unwrap_or(u64::MAX),
            is_drained: drained.is_some_and(|drained| !drained.store_failed),
        }
    }

    /// Whether everything that was under way has ended or is kept.
    pub(super) fn is_drained(&self) -> bool {
        self.is_drained
    }

    pub(super) fn json(&self) -> Result<String, serde_json::Error> {
        Ok(serde_json::to_string(self)? + "\n")
    }

    pub(super) fn text(&self, args: &Args) -> String {
        let [accepted, delivered] = [self.accepted, self.delivered].map(grouped);
        let [failed, pending] = [self.failed, self.pending].map(grouped);
        let seconds = Seconds(self.elapsed_ms);
        let how = if self.is_drained { "" } else { "NOT cleanly " };
        let mut lines = vec![format!(
            "Stopped {how}after {seconds}: {accepted} accepted = {delivered} delivered + {failed} \
             dead letters + {pending} pending"
        )];
        lines.push(format!("Requests given up: {}", self.cancelled));
        lines.push(match &args.data {
            Some(data) => format!(
                "Go on:   {} demo --events {} --endpoints {} --seed {} --data {}",
                crate::program::name(),
                args.events,
                args.endpoints,
                args.seed,
                data.display()
            ),
            None => "What is pending is gone: it was in memory. With --data it is kept.".to_owned(),
        });
        lines.join("\n") + "\n"
    }
}

/// What is run, and under which policies.
fn settings(args: &Args) -> Vec<String> {
    let delays = (0..RETRIES).map(|retry| (FIRST_DELAY * (1 << retry)).as_millis().to_string());
    let delays = delays.collect::<Vec<_>>().join(", ");
    let (events, endpoints) = (grouped(args.events as u64), grouped(args.endpoints as u64));
    let (seconds, hanging) = (TIMEOUT.as_secs(), TIMEOUT_OF_HANGING.as_millis());
    let (cooldown, most) = (
        BREAKER.cooldown.as_millis(),
        BREAKER.cooldown_max.as_millis(),
    );
    let failures = BREAKER.failures;
    let receivers = Behaviour::ALL.map(|it| format!("  {:9} {}", it.name(), it.story()));
    let mut lines = vec![format!(
        "{events} events to {endpoints} endpoints, seed {}",
        args.seed
    )];
    lines.push("\nReceivers".into());
    lines.extend(receivers);
    lines.push("\nPolicies, much faster than the defaults".into());
    lines.push(format!("  retries   {RETRIES}, after {delays} ms, ± 20 %"));
    lines.push(format!(
        "  time-out  {seconds} s; {hanging} ms where receivers hang"
    ));
    lines.push(format!(
        "  breaker   {failures} failures in a row open it for {cooldown} to {most} ms"
    ));
    lines.push(format!(
        "  egress    {EGRESS}, which is refused unless it is allowed"
    ));
    lines
}

impl Sums {
    fn add(&mut self, endpoint: &EndpointRan, counts: &Counts, kills: usize) {
        self.counts.add(counts);
        let broken = check(&endpoint.plan, &endpoint.log, &endpoint.records, kills);
        self.broken = self.broken.and(broken);
        self.broken.lost += endpoint.forgotten;
        let ledger = &endpoint.ledger;
        self.ledger.accepted += ledger.accepted;
        self.ledger.pending += ledger.pending;
        self.ledger.delivered += ledger.delivered;
        self.ledger.failed += ledger.failed;
        self.ledger.discarded += ledger.discarded;
        self.repeats.made += endpoint.repeats.made;
        self.repeats.wrong += endpoint.repeats.wrong;
        self.lanes += endpoint.plan.lanes as u64;
        self.requests += endpoint.log.requests();
    }

    fn promises(&self, drained: Option<Drained>) -> Vec<Promise> {
        let Self {
            counts,
            broken,
            repeats,
            ..
        } = self;
        let [accepted, delivered] = [counts.accepted, counts.delivered].map(grouped);
        let [rejected, exhausted] = [counts.failed_rejected, counts.failed_exhausted].map(grouped);
        let [pending, lost] = [counts.pending, broken.lost].map(grouped);
        let [lanes, order] = [self.lanes, broken.order].map(grouped);
        let [requests, invalid] = [self.requests, broken.signature].map(grouped);
        let [repeated, misnamed] = [broken.repeat, broken.id].map(grouped);
        let [twice, wrong] = [repeats.made, repeats.wrong].map(grouped);
        let promise = |is_kept, text| Promise { is_kept, text };
        let is_accounted_for = counts.is_balanced() && counts.agrees_with(&self.ledger);
        vec![
            promise(
                broken.lost == 0 && is_accounted_for,
                format!(
                    "nothing lost: {accepted} accepted = {delivered} delivered + {rejected} \
                     rejected + {exhausted} exhausted + {pending} pending; {lost} lost"
                ),
            ),
            promise(
                broken.order == 0,
                format!(
                    "in order: on {lanes} lanes, {order} events came before an earlier one's end"
                ),
            ),
            promise(
                broken.signature == 0,
                format!(
                    "signed: {requests} requests checked, as Standard Webhooks and as \
                     X-Signature; {invalid} invalid"
                ),
            ),
            promise(
                broken.repeat == 0 && broken.id == 0,
                format!(
                    "no repeat without a reason: {repeated} came after the end of their event, \
                     {misnamed} under another id"
                ),
            ),
            promise(
                repeats.wrong == 0,
                format!(
                    "one event for one idempotency key: {twice} were submitted twice, {wrong} \
                     accepted twice"
                ),
            ),
            Promise::of_shutdown(drained),
        ]
    }
}

impl Promise {
    fn of_shutdown(drained: Option<Drained>) -> Self {
        let is_kept = drained == Some(Drained::default());
        let text = match drained {
            Some(drained) => format!("shut down with {} pending", grouped(drained.pending)),
            None => "shut down: it had stopped before".into(),
        };
        Self { is_kept, text }
    }

    fn line(&self) -> String {
        format!("{} {}", if self.is_kept { '✓' } else { '✗' }, self.text)
    }
}

impl Counts {
    fn of(endpoint: &EndpointRan) -> Self {
        let mut counts = Self::default();
        for record in &endpoint.records {
            counts.accepted += 1;
            counts.attempts += record.attempts as u64;
            match record.end {
                End::Delivered => counts.delivered += 1,
                End::Rejected => counts.failed_rejected += 1,
                End::Exhausted => counts.failed_exhausted += 1,
                End::Pending => counts.pending += 1,
                End::Missing => {}
            }
        }
        counts
    }

    fn add(&mut self, other: &Self) {
        self.accepted += other.accepted;
        self.delivered += other.delivered;
        self.failed_rejected += other.failed_rejected;
        self.failed_exhausted += other.failed_exhausted;
        self.pending += other.pending;
        self.attempts += other.attempts;
    }

    fn failed(&self) -> u64 {
        self.failed_rejected + self.failed_exhausted
    }

    /// Whether every accepted event is in exactly one of the others.
    fn is_balanced(&self) -> bool {
        self.accepted == self.delivered + self.failed() + self.pending
    }

    /// Whether the accounts that Postrider keeps say the same.
    fn agrees_with(&self, ledger: &Ledger) -> bool {
        let own = Ledger {
            accepted: self.accepted,
            pending: self.pending,
            delivered: self.delivered,
            failed: self.failed(),
            discarded: 0,
        };
        own == *ledger
    }
}

impl Row {
    fn new(behaviour: Behaviour) -> Self {
        let counts = Counts::default();
        Self {
            behaviour,
            endpoints: 0,
            counts,
        }
    }

    fn head() -> String {
        let before = ["endpoints", "events", "delivered"];
        let after = ["rejected", "exhausted", "attempts", "retries"];
        line("behaviour", before.into_iter().chain(after))
    }

    fn text(&self) -> String {
        let counts = &self.counts;
        // Every event that has ended has had a first attempt.
        let retries = counts
            .attempts
            .saturating_sub(counts.accepted - counts.pending);
        let before = [self.endpoints, counts.accepted, counts.delivered];
        let failed = [counts.failed_rejected, counts.failed_exhausted];
        let numbers = before
            .into_iter()
            .chain(failed)
            .chain([counts.attempts, retries]);
        line(self.behaviour.name(), numbers.map(grouped))
    }
}

/// A line of the table.
fn line(name: &str, columns: impl Iterator<Item = impl Display>) -> String {
    columns.fold(format!("{name:9}"), |line, column| {
        format!("{line} {column:>9}")
    })
}

/// Milliseconds, shown as seconds to one place: `7.1 s`.
struct Seconds(u64);

impl Display for Seconds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{} s", self.0 / 1_000, self.0 % 1_000 / 100)
    }
}

/// `1,234,567`
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_numbers_are_grouped() {
        let numbers = [0, 12, 999, 1_000, 123_456, 1_234_567];
        let texts = ["0", "12", "999", "1,000", "123,456", "1,234,567"];
        assert_eq!(numbers.map(grouped), texts);
    }

    #[test]
    fn each_broken_promise_is_told_and_makes_the_answer_a_no() {
        let drained = Some(Drained::default());
        let broken = |broken: Broken| Sums {
            broken,
            ..Sums::default()
        };
        let kept = Broken::default();
        let repeats = Repeats { made: 1, wrong: 1 };
        let counts = Counts {
            accepted: 1,
            ..Counts::default()
        };
        for sums in [
            broken(Broken { order: 1, ..kept }),
            broken(Broken {
                signature: 1,
                ..kept
            }),
            broken(Broken { lost: 1, ..kept }),
            broken(Broken { repeat: 1, ..kept }),
            broken(Broken { id: 1, ..kept }),
            Sums {
                repeats,
                ..Sums::default()
            },
            Sums {
                counts,
                ..Sums::default()
            },
        ] {
            let promises = sums.promises(drained);
            let report = Report {
                counts: sums.counts,
                rows: Vec::new(),
                promises,
            };
            assert!(!report.is_kept());
            assert_eq!(report.json().unwrap().matches('✗').count(), 1);
        }
    }

    #[test]
    fn a_stop_is_drained_unless_the_store_has_failed() {
        let stopped = |drained| {
            StopReport::of(&Stopped {
                account: Ledger::default(),
                drained,
                elapsed: std::time::Duration::ZERO,
            })
        };
        let left = Drained {
            pending: 3,
            cancelled: 2,
            ..Drained::default()
        };
        let failed = Drained {
            store_failed: true,
            ..left
        };
        assert!(stopped(Some(left)).is_drained());
        assert!(!stopped(Some(failed)).is_drained());
        assert!(!stopped(None).is_drained());
        let json = stopped(Some(left)).json().unwrap();
        assert!(json.starts_with(r#"{"stopped":true,"#) && json.contains(r#""cancelled":2"#));
    }

    #[test]
    fn a_shutdown_that_left_something_is_told() {
        let left = Drained {
            pending: 1,
            ..Drained::default()
        };
        for (drained, is_kept) in [
            (Some(Drained::default()), true),
            (Some(left), false),
            (None, false),
        ] {
            assert_eq!(Promise::of_shutdown(drained).is_kept, is_kept);
        }
    }
}
