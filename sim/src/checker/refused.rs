//! No call is refused without a reason, and none is taken that does not fit: every refusal names a
//! bound that is reached, something that is not there, or that the sender is coming to a stop. The
//! store's own bounds are kept by the same rule.
//!
//! What the engine held before the call is what it said after the turn before. Under turmoil that
//! is not known, and nothing is looked at. What a spec may ask for is told by a story.

mod retries;
mod room;
mod shares;

use super::Checker;
use super::invented::meant_for;
use crate::book::Book;
use crate::plan::FaultKind;
use crate::trace::{Line, Reply, What, Wish};
use postrider_engine::{
    CallId, Change, Closed, CommitError, DiscardError, EndpointError, EndpointId, EndpointStatus,
    Footprint, Full, Limits, NewEvent, PublishError, Receipt, Refusal, ResendError, Target,
};
use room::Room;
use shares::Shares;

#[derive(Default)]
pub(super) struct Refused {
    limits: Option<Limits>,
    /// What the engine held after the turn before.
    held: Footprint,
    /// The call that this turn began with.
    fresh: Option<CallId>,
    room: Room,
    shares: Shares,
    /// In this turn the store found no room.
    store_full: bool,
    /// In this turn the store refused something.
    refusal: Option<Refusal>,
    /// A caller was told that the store has failed.
    has_failed: bool,
}

impl Checker for Refused {
    fn promise(&self) -> &'static str {
        "refused"
    }

    fn see(&mut self, line: &Line, book: &Book) -> Result<(), String> {
        if !book.is_exact() {
            return Ok(());
        }
        match &line.what {
            What::Started { .. } => {
                self.room.started();
                self.shares.started(book);
            }
            What::Fact(fact) => self.shares.told(fact, book),
            What::Stopped(_) => self.has_failed = false,
            What::Sent(_) | What::Called { .. } if self.has_failed => {
                return Err("the store failed, callers were told, and it goes on".to_owned());
            }
            What::Called { call, .. } => self.fresh = Some(*call),
            What::CommitAsked { batch, change } => {
                let call = self.fresh.take();
                if let Some(call) = call {
                    self.taken(call, change, book)?;
                }
                self.shares.asked(call, change);
                self.room.asked(*batch, change);
            }
            What::Durable { change, receipt } => {
                if let Receipt::Refused(refusal) = receipt {
                    self.refusal = Some(*refusal);
                    known(change, *refusal, book)?;
                }
                self.room.durable(change, receipt, book)?;
            }
            What::NotDurable { batch, error } => {
                let change = self.room.lost(*batch);
                if *error == CommitError::Full {
                    self.store_full = true;
                    let fits = change.is_none_or(|change| self.room.fits(&change, book));
                    if fits && !disk_is_full(book) {
                        return Err("the store says that it is full, and it is not".to_owned());
                    }
                }
            }
            What::Answered { call, reply } => {
                let said = self.answered(*call, reply, book);
                if let Reply::Published(result) = reply {
                    let is_new = result.as_ref().is_ok_and(|it| !it.duplicate);
                    self.shares.answered(*call, is_new);
                }
                return said;
            }
            _ => (),
        }
        Ok(())
    }

    fn weigh(&mut self, held: &Footprint, _: &Book) -> Result<(), String> {
        self.held = *held;
        self.fresh = None;
        self.store_full = false;
        self.refusal = None;
        Ok(())
    }
}

impl Refused {
    fn limits(&mut self, book: &Book) -> Limits {
        let limits = self.limits.get_or_insert_with(|| book.plan.bounds.limits());
        limits.clone()
    }

    /// The engine gives a call to the store.
    fn taken(&mut self, call: CallId, change: &Change, book: &Book) -> Result<(), String> {
        let limits = self.limits(book);
        let Some((_, wish)) = book.calls.get(&call) else {
            return Ok(());
        };
        let over = match (wish, change) {
            (Wish::Publish(new), Change::Publish(publish)) => {
                let passed_over = shares::passed_over(&publish.deliveries);
                match self.shares.judge(new, &limits, book) {
                    Ok(expected) if expected != passed_over => {
                        let said = "passes over what has room, or not what has none";
                        return Err(format!("call {} {said}", call.0));
                    }
                    _ => (),
                }
                let over = self.over(&limits, new, book);
                over.or_else(|| {
                    let large = new.payload.len() > limits.payload_bytes_max;
                    let key = key_is_refused(new, &limits);
                    (large || key).then_some(Full::Commits)
                })
            }
            (Wish::Register(_), Change::AddEndpoint(_)) => {
                let most = limits.endpoints_max;
                let full = self.held.endpoints + self.room.registering() >= most;
                full.then_some(Full::Endpoints { most })
            }
            (Wish::Resend(_), Change::Resend { .. }) => self.over_by_resend(&limits),
            _ if self.held.commits >= limits.commits_in_flight_max => Some(Full::Commits),
            _ => None,
        };
        match over {
            Some(full) => Err(format!("call {} is taken beyond a bound: {full}", call.0)),
            None => Ok(()),
        }
    }

    /// The bound that an event would break.
    fn over(&self, limits: &Limits, new: &NewEvent, book: &Book) -> Option<Full> {
        let passed_over = match self.shares.judge(new, limits, book) {
            Ok(passed_over) => passed_over.len(),
            Err(full) => return Some(full),
        };
        let lanes = meant_for(new, book).map_or(0, |lanes| lanes.len());
        let (count, bytes) = ((lanes - passed_over) as u64, new.payload.len());
        let (held, most) = (&self.held, limits.pending_deliveries_max);
        if held.pending_deliveries + count > most {
            return Some(Full::PendingDeliveries { most });
        }
        let most = limits.pending_bytes_max;
        if held.pending_bytes + count * bytes as u64 > most {
            return Some(Full::PendingBytes { most });
        }
        let given = self.room.commit_bytes();
        let behind = given > 0 && given + bytes > limits.commit_bytes_max;
        (behind || held.commits >= limits.commits_in_flight_max).then_some(Full::Commits)
    }

    fn over_by_resend(&self, limits: &Limits) -> Option<Full> {
        let (held, most) = (&self.held, limits.pending_deliveries_max);
        if held.pending_deliveries >= most {
            return Some(Full::PendingDeliveries { most });
        }
        let most = limits.pending_bytes_max;
        if held.pending_bytes >= most {
            return Some(Full::PendingBytes { most });
        }
        (held.commits >= limits.commits_in_flight_max).then_some(Full::Commits)
    }

    fn answered(&mut self, call: CallId, reply: &Reply, book: &Book) -> Result<(), String> {
        let at_once = self.fresh == Some(call);
        let limits = self.limits(book);
        let Some((_, wish)) = book.calls.get(&call) else {
            return Ok(());
        };
        let holds = match (reply, wish) {
            (Reply::Published(Err(error)), Wish::Publish(new)) => {
                self.publish(error, new, at_once, &limits, book)
            }
            (Reply::Endpoint(Err(error)), Wish::Change(id, _))
            | (Reply::Deleted(Err(error)), Wish::Delete(id)) => {
                self.endpoint(error, Some(*id), &limits, book)
            }
            (Reply::Endpoint(Err(error)), _) => self.endpoint(error, None, &limits, book),
            (Reply::Resent(Err(error)), _) => self.resent(error, at_once, &limits, book),
            (Reply::Discarded(Err(error)), _) => match error {
                DiscardError::NoSuchDelivery(_) => self.refusal == Some(Refusal::NoSuchDelivery),
                DiscardError::AlreadyEnded(_) => self.refusal == Some(Refusal::AlreadyEnded),
                DiscardError::AlreadyResent(_) => self.refusal == Some(Refusal::AlreadyResent),
                DiscardError::StillPending(_) => self.refusal == Some(Refusal::StillPending),
                DiscardError::Full(full) => self.full(*full, &limits),
                DiscardError::Closed(closed) => self.closed(*closed, book),
            },
            (Reply::RetriedNow(Err(error)), Wish::RetryNow(id)) => {
                self.retried(error, *id, at_once, &limits, book)
            }
            _ => true,
        };
        if holds {
            return Ok(());
        }
        Err(format!("call {} is refused for nothing: {reply:?}", call.0))
    }

    fn publish(
        &mut self,
        error: &PublishError,
        new: &NewEvent,
        at_once: bool,
        limits: &Limits,
        book: &Book,
    ) -> bool {
        let bytes = new.payload.len();
        match error {
            PublishError::NoSuchEndpoint(id) => at_once && !is_there(*id, book, Some(new)),
            PublishError::EndpointDisabled(id) => {
                let told = book.endpoints.get(id).map(|page| page.told.status);
                let disabled = matches!(told, Some(EndpointStatus::Disabled(_)));
                at_once && new.target == Target::Endpoint(*id) && disabled
            }
            PublishError::PayloadTooLarge { most, .. } => {
                bytes > *most && *most == limits.payload_bytes_max
            }
            PublishError::IdempotencyKey { .. } => key_is_refused(new, limits),
            PublishError::Full(Full::Store) => self.store_full,
            PublishError::Full(full) => at_once && self.over(limits, new, book) == Some(*full),
            // The promise `idempotency`.
            PublishError::IdempotencyKeyReused(_) => true,
            PublishError::Name(_) => false,
            PublishError::Closed(closed) => self.closed(*closed, book),
        }
    }

    fn endpoint(
        &mut self,
        error: &EndpointError,
        id: Option<EndpointId>,
        limits: &Limits,
        book: &Book,
    ) -> bool {
        match error {
            EndpointError::NoSuchEndpoint(named) => {
                id == Some(*named) && !is_there(*named, book, None)
            }
            EndpointError::Invalid(_) => !book.plan.story.is_empty(),
            // What could not be recorded to the last is given up at the end of a drain.
            EndpointError::Full(Full::Store) => self.store_full || book.draining.is_some(),
            EndpointError::Full(Full::Endpoints { most }) => {
                let taken = self.held.endpoints + self.room.registering();
                *most == limits.endpoints_max && taken >= *most
            }
            EndpointError::Full(Full::Changes { most }) => {
                let of_it = |wish: &Wish| matches!(wish, Wish::Change(of, _) if Some(*of) == id);
                let calls = book.calls.values().filter(|(_, wish)| of_it(wish));
                *most == limits.endpoint_changes_max && calls.count() > *most
            }
            EndpointError::Full(full) => self.full(*full, limits),
            EndpointError::Secrets { most } => {
                let page = id.and_then(|id| book.endpoints.get(&id));
                let secrets = page.map_or(0, |page| page.durable.secrets.len());
                *most == limits.secrets_max && secrets >= *most
            }
            EndpointError::Closed(closed) => self.closed(*closed, book),
        }
    }

    fn resent(&mut self, error: &ResendError, at_once: bool, limits: &Limits, book: &Book) -> bool {
        match error {
            ResendError::NoSuchDelivery(_) => self.refusal == Some(Refusal::NoSuchDelivery),
            ResendError::StillPending(_) => self.refusal == Some(Refusal::StillPending),
            // Nobody asks for a replay here.
            ResendError::AlreadyReplayed(_) => false,
            ResendError::NoSuchEndpoint(id) => self.refusal == Some(Refusal::NoSuchEndpoint(*id)),
            ResendError::Full(Full::Store) => self.store_full,
            ResendError::Full(_) => at_once && self.over_by_resend(limits).is_some(),
            ResendError::Closed(closed) => self.closed(*closed, book),
        }
    }

    fn full(&self, full: Full, limits: &Limits) -> bool {
        match full {
            Full::Store => self.store_full,
            // One may have been given to the store in this very turn.
            Full::Commits => self.held.commits + 1 >= limits.commits_in_flight_max,
            _ => false,
        }
    }

    fn closed(&mut self, closed: Closed, book: &Book) -> bool {
        self.has_failed |= closed == Closed::StoreFailed;
        closed == Closed::StoreFailed || book.draining.is_some()
    }
}

/// An endpoint that is there is one that was told of and is not being deleted.
fn is_there(id: EndpointId, book: &Book, of: Option<&NewEvent>) -> bool {
    book.endpoints.get(&id).is_some_and(|page| {
        let owned = of.is_none_or(|new| page.told.spec.tenant == new.tenant);
        page.known && !page.is_leaving() && owned
    })
}

fn key_is_refused(new: &NewEvent, limits: &Limits) -> bool {
    let key = new.idempotency_key.as_deref();
    key.is_some_and(|key| key.is_empty() || key.len() > limits.idempotency_key_bytes_max)
}

/// What the store refuses is not there, or not so.
fn known(change: &Change, refusal: Refusal, book: &Book) -> Result<(), String> {
    let (Change::Resend { of: id, .. }
    | Change::Discard { delivery: id, .. }
    | Change::RetryNow { delivery: id, .. }) = change
    else {
        return Ok(());
    };
    let page = book.deliveries.get(id);
    let page = page.filter(|_| !book.has_forgotten(*id));
    let holds = match (refusal, page) {
        (Refusal::NoSuchDelivery, page) => page.is_none(),
        (Refusal::StillPending, Some(page)) => !page.state.is_end(),
        (Refusal::NoSuchEndpoint(endpoint), Some(page)) => {
            let owner = book.endpoints.get(&endpoint);
            page.lane.endpoint == endpoint && owner.is_none_or(|owner| owner.deleted)
        }
        (Refusal::AlreadyEnded, Some(page)) => page.state.is_end(),
        (Refusal::BehindHead(head), Some(page)) => retries::is_before(head, page, book),
        _ => false,
    };
    if holds {
        return Ok(());
    }
    Err(format!("the store refuses {id} for nothing: {refusal:?}"))
}

fn disk_is_full(book: &Book) -> bool {
    let faults = book.faults.iter();
    let mut kinds = faults.filter_map(|index| Some(&book.plan.faults.get(*index)?.kind));
    kinds.any(|kind| matches!(kind, FaultKind::DiskFull { .. }))
}
