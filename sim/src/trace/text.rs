//! Lines as text: short names for long ids, full ids where they first appear.

use super::{Line, Reply, Stop, What, Wire, Wish};
use crate::by_id::ById;
use postrider_engine::{
    AttemptResult, Change, DeliveryId, DeliveryState, EndpointId, EventId, Fact, LaneId, Outcome,
    Receipt,
};
use std::fmt::{self, Display, Write as _};
use std::hash::Hash;

/// Short names: `e0`, `e1`, … for events, `d0` for deliveries, `m0` for endpoints.
#[derive(Debug, Default)]
pub struct Names {
    events: ById<EventId, usize>,
    deliveries: ById<DeliveryId, usize>,
    endpoints: ById<EndpointId, usize>,
}

/// A short name; with the full id where it is new.
struct Name<T> {
    letter: char,
    number: usize,
    full: Option<T>,
}

impl<T: Display> Display for Name<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char(self.letter)?;
        f.write_str(digits(&mut [b' '; DIGITS_MAX], self.number as u64, 1))?;
        match &self.full {
            Some(full) => write!(f, "={full}"),
            None => Ok(()),
        }
    }
}

fn name<T: Hash + Eq + Copy>(known: &mut ById<T, usize>, letter: char, id: T) -> Name<T> {
    let next = known.len();
    let number = *known.entry(id).or_insert(next);
    Name {
        letter,
        number,
        full: (number == next).then_some(id),
    }
}

impl Names {
    /// The number in the short name of an event that the lines so far have named.
    pub(crate) fn number_of_event(&self, id: EventId) -> Option<usize> {
        self.events.get(&id).copied()
    }

    /// The number in the short name of a delivery.
    pub(crate) fn number_of_delivery(&self, id: DeliveryId) -> Option<usize> {
        self.deliveries.get(&id).copied()
    }

    /// The number in the short name of an endpoint.
    pub(crate) fn number_of_endpoint(&self, id: EndpointId) -> Option<usize> {
        self.endpoints.get(&id).copied()
    }

    fn event(&mut self, id: EventId) -> impl Display + use<> {
        name(&mut self.events, 'e', id)
    }

    fn delivery(&mut self, id: DeliveryId) -> impl Display + use<> {
        name(&mut self.deliveries, 'd', id)
    }

    fn endpoint(&mut self, id: EndpointId) -> impl Display + use<> {
        name(&mut self.endpoints, 'm', id)
    }

    fn lane(&mut self, id: &LaneId) -> impl Display + use<> {
        let endpoint = self.endpoint(id.endpoint);
        match id.key.get() {
            Some(key) => format!("{endpoint}/{key}"),
            None => endpoint.to_string(),
        }
    }
}

/// Writes a line without its end.
pub(super) fn write(line: &Line, names: &mut Names, out: &mut String) {
    number(out, line.at_ms, TIME_DIGITS);
    out.push(' ');
    // Writing to a string does not fail.
    let _ = what(&line.what, names, out);
    out.push_str(" [");
    number(out, line.now.mono.0, 1);
    out.push(' ');
    number(out, line.now.wall.0, 1);
    out.push(']');
}

/// The width of the first column.
const TIME_DIGITS: usize = 10;

/// Writes a number, right-aligned. Every line has three of them, and there are millions of lines:
/// by hand, because the formatter of the standard library takes several times as long.
fn number(out: &mut String, value: u64, width: usize) {
    out.push_str(digits(&mut [b' '; DIGITS_MAX], value, width));
}

/// The most digits that a number has.
const DIGITS_MAX: usize = 20;

/// The number at the end of a buffer that is blank.
fn digits(blank: &mut [u8; DIGITS_MAX], mut value: u64, width: usize) -> &str {
    let mut first = blank.len();
    loop {
        first -= 1;
        blank[first] = b'0' + u8::try_from(value % 10).unwrap_or(0);
        value /= 10;
        if value == 0 {
            break;
        }
    }
    let first = first.min(blank.len().saturating_sub(width));
    std::str::from_utf8(&blank[first..]).unwrap_or("?")
}

fn what(what: &What, names: &mut Names, out: &mut String) -> fmt::Result {
    match what {
        What::Started { life } => write!(out, "sender   starts, life {life}"),
        What::Stopped(stop) => write!(out, "sender   stops: {}", stopped(*stop)),
        What::Called { call, wish, .. } => {
            write!(out, "caller   c{} asks to ", call.0)?;
            wished(wish, names, out)
        }
        What::Answered { call, reply } => {
            write!(out, "caller   c{} hears ", call.0)?;
            replied(reply, names, out)
        }
        What::CommitAsked { batch, change } => {
            write!(out, "store    b{} is asked for: ", batch.0)?;
            asked(change, names, out)
        }
        What::Durable { change, receipt } => {
            write!(out, "store    durable: ")?;
            changed(change, names, out)?;
            received(receipt, names, out)
        }
        What::NotDurable { batch, error } => {
            write!(out, "store    b{} is not durable: {error}", batch.0)
        }
        What::LoadAsked(load) => {
            let lane = names.lane(&load.lane);
            write!(
                out,
                "store    reads {lane} after {}, at most {}",
                load.after.0, load.deliveries_max
            )
        }
        What::Loaded {
            lane,
            deliveries,
            through,
        } => {
            let lane = names.lane(lane);
            write!(
                out,
                "store    has read {deliveries} of {lane} through {}",
                through.0
            )
        }
        What::Sent(_)
        | What::Arrived { .. }
        | What::Responded { .. }
        | What::Outcome { .. }
        | What::Cancelled { .. } => exchanged(what, names, out),
        What::Fact(known) => fact(known, names, out),
        What::Fault { index, kind } => write!(out, "fault    f{index} strikes: {kind:?}"),
        What::FaultOver { index } => write!(out, "fault    f{index} is over"),
        What::Healed => write!(out, "fault    all is well again, but for what stays dead"),
        What::Audit(audit) => write!(
            out,
            "audit    {} deliveries, {} dead letters",
            audit.deliveries.len(),
            audit.dead.iter().map(|(_, dead)| dead.len()).sum::<usize>()
        ),
    }
}

/// A request, and what comes of it.
fn exchanged(what: &What, names: &mut Names, out: &mut String) -> fmt::Result {
    match what {
        What::Sent(wire) => {
            write!(out, "sender   sends ")?;
            wired(wire, names, out)?;
            write!(out, " to {} within {} ms", wire.url, wire.timeout_ms)?;
            match wire.header("webhook-signature") {
                Some(signature) => write!(out, " {signature}"),
                None => Ok(()),
            }
        }
        What::Arrived { receiver, wire } => {
            write!(out, "r{receiver:<7} gets ")?;
            wired(wire, names, out)
        }
        What::Responded {
            receiver,
            delivery,
            number,
            answer,
        } => {
            let delivery = names.delivery(*delivery);
            write!(
                out,
                "r{receiver:<7} answers {delivery} #{number}: {answer:?}"
            )
        }
        What::Outcome {
            delivery,
            number,
            outcome,
        } => {
            let delivery = names.delivery(*delivery);
            write!(out, "sender   hears of {delivery} #{number}: {outcome}")?;
            match &**outcome {
                Outcome::Response(response) => write!(out, " after {} ms", response.head_ms),
                Outcome::Failure(_) => Ok(()),
            }
        }
        What::Cancelled { delivery, number } => {
            let delivery = names.delivery(*delivery);
            write!(out, "sender   gives up {delivery} #{number}")
        }
        _ => Ok(()),
    }
}

fn stopped(stop: Stop) -> &'static str {
    match stop {
        Stop::Killed => "killed",
        Stop::PowerLost => "its power is lost",
        Stop::Drained => "drained",
        Stop::StoreFailed => "its store failed",
        Stop::End => "the run is over",
    }
}

fn wished(wish: &Wish, names: &mut Names, out: &mut String) -> fmt::Result {
    match wish {
        Wish::Publish(event) => {
            write!(
                out,
                "publish {} bytes of {}",
                event.payload.len(),
                event.event_type
            )?;
            if let Some(key) = event.ordering_key.get() {
                write!(out, " in {key}")?;
            }
            match &event.idempotency_key {
                Some(key) => write!(out, " as {key}"),
                None => Ok(()),
            }
        }
        Wish::Register(number) => write!(out, "register endpoint {number} of the plan"),
        Wish::Change(id, change) => {
            let endpoint = names.endpoint(*id);
            use postrider_engine::EndpointChange as Kind;
            match change {
                Kind::Pause => write!(out, "pause {endpoint}"),
                Kind::Resume => write!(out, "resume {endpoint}"),
                Kind::Disable => write!(out, "disable {endpoint}"),
                Kind::Enable => write!(out, "enable {endpoint}"),
                Kind::Spec(spec) => write!(out, "change {endpoint}, now {}", spec.url),
                Kind::RotateSecret { overlap, .. } => {
                    write!(
                        out,
                        "rotate the secret of {endpoint} within {} ms",
                        overlap.as_millis()
                    )
                }
                Kind::EndOverlap => write!(out, "end the overlap of the secrets of {endpoint}"),
            }
        }
        Wish::Delete(id) => write!(out, "delete {}", names.endpoint(*id)),
        Wish::Resend(id) => write!(out, "resend {}", names.delivery(*id)),
        Wish::Discard(id) => write!(out, "discard {}", names.delivery(*id)),
        Wish::RetryNow(id) => write!(out, "retry {} now", names.delivery(*id)),
        Wish::Drain { deadline_ms } => write!(out, "shut down by {deadline_ms}"),
    }
}

fn replied(reply: &Reply, names: &mut Names, out: &mut String) -> fmt::Result {
    match reply {
        Reply::Published(Ok(done)) => {
            let event = names.event(done.event);
            let repeat = if done.duplicate { ", a repeat" } else { "" };
            write!(
                out,
                "{event} is accepted, {} deliveries{repeat}",
                done.deliveries.len()
            )
        }
        Reply::Endpoint(Ok(endpoint)) => {
            let id = names.endpoint(endpoint.id);
            write!(
                out,
                "{id} is {:?}, revision {}",
                endpoint.status, endpoint.revision
            )
        }
        Reply::Resent(Ok(id)) => write!(out, "{} is made", names.delivery(*id)),
        Reply::Deleted(Ok(())) => write!(out, "it is deleted"),
        Reply::Discarded(Ok(())) => write!(out, "it is discarded"),
        Reply::RetriedNow(Ok(())) => write!(out, "it is due"),
        Reply::Drained(drained) => {
            let (pending, cancelled) = (drained.pending, drained.cancelled);
            let how = if drained.store_failed {
                "the store has failed"
            } else {
                "it has drained"
            };
            write!(out, "{how}: {pending} pending, {cancelled} given up")
        }
        Reply::Nothing(closed) => write!(out, "nothing: {closed}"),
        Reply::Published(Err(error)) => write!(out, "no: {error}"),
        Reply::Endpoint(Err(error)) | Reply::Deleted(Err(error)) => write!(out, "no: {error}"),
        Reply::Resent(Err(error)) => write!(out, "no: {error}"),
        Reply::Discarded(Err(error)) => write!(out, "no: {error}"),
        Reply::RetriedNow(Err(error)) => write!(out, "no: {error}"),
    }
}

/// The short form: the whole follows when it is durable.
fn asked(change: &Change, names: &mut Names, out: &mut String) -> fmt::Result {
    match change {
        Change::Publish(publish) => write!(out, "publish {}", names.event(publish.event.id)),
        Change::Attempted(end) => {
            let delivery = names.delivery(end.delivery);
            write!(out, "attempt {delivery} #{}", end.attempt.number)
        }
        other => changed(other, names, out),
    }
}

fn changed(change: &Change, names: &mut Names, out: &mut String) -> fmt::Result {
    match change {
        Change::Publish(publish) => {
            write!(out, "publish {}", names.event(publish.event.id))?;
            for delivery in publish.deliveries.iter() {
                let id = names.delivery(delivery.id);
                let full = ["", " (queue full)"][usize::from(delivery.queue_full)];
                write!(out, " {id} in {}{full}", names.lane(&delivery.lane))?;
            }
            Ok(())
        }
        Change::Attempted(end) => {
            let delivery = names.delivery(end.delivery);
            let attempt = &end.attempt;
            write!(
                out,
                "attempt {delivery} #{} of {} took {} ms, {} → ",
                attempt.number,
                names.lane(&end.lane),
                attempt.duration_ms,
                attempt.outcome
            )?;
            match end.state {
                DeliveryState::Retrying { due } => write!(out, "retry at {}", due.0)?,
                DeliveryState::Failed(reason) => write!(out, "failed, {reason}")?,
                state => write!(out, "{}", state.name())?,
            }
            if end.stop_lane {
                write!(out, ", the lane stops")?;
            }
            match end.disable {
                Some(reason) => write!(out, ", the endpoint is disabled: {reason:?}"),
                None => Ok(()),
            }
        }
        Change::AddEndpoint(endpoint) => {
            write!(
                out,
                "register {} at {}",
                names.endpoint(endpoint.id),
                endpoint.spec.url
            )
        }
        Change::ChangeEndpoint(update) => {
            write!(out, "change {}", names.endpoint(update.endpoint))?;
            if let Some(status) = update.status {
                write!(out, " to {status:?}")?;
            }
            if let Some(spec) = &update.spec {
                write!(out, " to {}", spec.url)?;
            }
            if update.due.is_some() {
                write!(out, ", what waits is due")?;
            }
            match &update.secrets {
                Some(secrets) => write!(out, ", {} secrets sign", secrets.len()),
                None => Ok(()),
            }
        }
        Change::DeleteEndpoint { endpoint, keep, .. } => {
            write!(
                out,
                "delete {}, keeping {}",
                names.endpoint(*endpoint),
                keep.len()
            )
        }
        Change::Resend { of, new, .. } => {
            let of = names.delivery(*of);
            write!(out, "resend {of} as {}", names.delivery(*new))
        }
        Change::Discard { delivery, .. } => write!(out, "discard {}", names.delivery(*delivery)),
        Change::RetryNow { delivery, .. } => write!(out, "due {}", names.delivery(*delivery)),
    }
}

fn received(receipt: &Receipt, names: &mut Names, out: &mut String) -> fmt::Result {
    match receipt {
        Receipt::Published(places) => {
            for place in places {
                write!(out, " @{}", place.seq.0)?;
            }
            Ok(())
        }
        Receipt::Duplicate(event) => write!(out, ": a repeat of {}", names.event(*event)),
        Receipt::KeyReused(event) => write!(out, ": the key was used by {}", names.event(*event)),
        Receipt::Applied => Ok(()),
        Receipt::Stale => write!(out, ": it had ended before"),
        Receipt::Resent(placed) => write!(out, " @{}", placed.seq.0),
        Receipt::Discarded { was_pending, .. } => {
            write!(
                out,
                ", was {}",
                if *was_pending { "pending" } else { "dead" }
            )
        }
        Receipt::Due(placed) => write!(out, " @{}", placed.seq.0),
        Receipt::Refused(refusal) => write!(out, ": refused, {refusal:?}"),
    }
}

fn wired(wire: &Wire, names: &mut Names, out: &mut String) -> fmt::Result {
    let delivery = names.delivery(wire.delivery);
    write!(
        out,
        "{delivery} #{} ({})",
        wire.number,
        names.event(wire.event)
    )
}

fn fact(known: &Fact, names: &mut Names, out: &mut String) -> fmt::Result {
    write!(out, "engine   ")?;
    match *known {
        Fact::Accepted { event, deliveries } => {
            write!(out, "accepted {} for {deliveries}", names.event(event))
        }
        Fact::AttemptStarted { .. } | Fact::AttemptPutBack { .. } | Fact::AttemptEnded { .. } => {
            fact_of_attempt(known, names, out)
        }
        Fact::RetryScheduled { of, due } => {
            write!(out, "retries {} at {}", names.delivery(of.delivery), due.0)
        }
        Fact::FiltersUndecided { event, undecided } => write!(
            out,
            "filters undecided on {}: {undecided:?}",
            names.event(event)
        ),
        Fact::Delivered { of, attempts } => {
            write!(
                out,
                "delivered {} in {attempts}",
                names.delivery(of.delivery)
            )
        }
        Fact::Failed {
            of,
            attempts,
            reason,
        } => write!(
            out,
            "failed {} in {attempts}: {reason}",
            names.delivery(of.delivery)
        ),
        Fact::Discarded { of } => write!(out, "discarded {}", names.delivery(of.delivery)),
        Fact::Resent { of, original } => {
            let original = names.delivery(original);
            write!(out, "resent {original} as {}", names.delivery(of.delivery))
        }
        Fact::EndpointChanged { .. }
        | Fact::EndpointDisabled { .. }
        | Fact::EndpointDeleted { .. }
        | Fact::EndpointHeld { .. }
        | Fact::BreakerOpened { .. }
        | Fact::BreakerClosed { .. } => fact_of_endpoint(known, names, out),
    }
}

fn fact_of_attempt(known: &Fact, names: &mut Names, out: &mut String) -> fmt::Result {
    match *known {
        Fact::AttemptStarted {
            of,
            attempt,
            number,
        } => {
            write!(
                out,
                "started {} #{number} {attempt}",
                names.delivery(of.delivery)
            )
        }
        Fact::AttemptPutBack { of, number, .. } => {
            write!(out, "put back {} #{number}", names.delivery(of.delivery))
        }
        Fact::AttemptEnded {
            of,
            number,
            result,
            duration_ms,
            ..
        } => {
            write!(
                out,
                "ended {} #{number} after {duration_ms} ms: ",
                names.delivery(of.delivery)
            )?;
            match result {
                AttemptResult::Status(status) => write!(out, "{status}"),
                AttemptResult::Failure(kind) => write!(out, "{kind}"),
            }
        }
        _ => Ok(()),
    }
}

fn fact_of_endpoint(known: &Fact, names: &mut Names, out: &mut String) -> fmt::Result {
    match *known {
        Fact::EndpointChanged { endpoint, status } => {
            write!(out, "{} is {status:?}", names.endpoint(endpoint))
        }
        Fact::EndpointDisabled { endpoint, reason } => {
            write!(out, "{} is disabled: {reason:?}", names.endpoint(endpoint))
        }
        Fact::EndpointDeleted { endpoint, .. } => {
            write!(out, "{} is deleted", names.endpoint(endpoint))
        }
        Fact::EndpointHeld { endpoint, until } => {
            write!(
                out,
                "{} is held until {}",
                names.endpoint(endpoint),
                until.0
            )
        }
        Fact::BreakerOpened { endpoint, until } => {
            write!(
                out,
                "the breaker of {} is open until {}",
                names.endpoint(endpoint),
                until.0
            )
        }
        Fact::BreakerClosed { endpoint } => {
            write!(out, "the breaker of {} is closed", names.endpoint(endpoint))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_the_standard_library_writes_them() {
        for value in [0, 9, 10, 1_735_689_600_000, u64::MAX] {
            for width in [1, 10, 20] {
                let mut out = String::new();
                number(&mut out, value, width);
                assert_eq!(out, format!("{value:>width$}"));
            }
        }
    }
}
