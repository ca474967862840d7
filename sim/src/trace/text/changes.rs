//! Changes as text, and what the store has answered.

use super::Names;
use postrider_engine::{Attempted, Change, DeliveryState, Receipt};
use std::fmt::{self, Write as _};

/// What a change is.
pub(super) fn changed(change: &Change, names: &mut Names, out: &mut String) -> fmt::Result {
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
        Change::Attempted(end) => attempted(end, names, out),
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
        Change::Backfill {
            event,
            endpoint,
            new,
            ..
        } => {
            let event = names.event(*event);
            let endpoint = names.endpoint(*endpoint);
            write!(
                out,
                "give {event} to {endpoint} as {}",
                names.delivery(*new)
            )
        }
        Change::Discard { delivery, .. } => write!(out, "discard {}", names.delivery(*delivery)),
        Change::RetryNow { delivery, .. } => write!(out, "due {}", names.delivery(*delivery)),
    }
}

/// The result of an attempt, and what follows from it.
fn attempted(end: &Attempted, names: &mut Names, out: &mut String) -> fmt::Result {
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

/// What the store has answered.
pub(super) fn received(receipt: &Receipt, names: &mut Names, out: &mut String) -> fmt::Result {
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
        Receipt::Resent(placed) | Receipt::Backfilled(placed) => {
            write!(out, " @{}", placed.seq.0)
        }
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
