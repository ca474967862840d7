//! What is part of a replay, and what is done to each delivery of it. A dry run and the replay itself
//! ask the same plan, so that one does what the other has said.

use super::{ReplayAct, ReplayRequest};
use crate::history::{Cursor, DeliveryFilter, DeliveryQuery, Direction, StateKind, accepted_at};
use crate::outline::{DeliveryOutline, OutlinePage};
use postrider_engine::{DeliveryId, DeliveryState, EndpointStatus, Wall};
use std::fmt;
use std::num::NonZeroU32;

/// The duration of an attempt is measured by another clock than its start: by so much its end may seem
/// to lie ahead.
const CLOCKS_APART_MS: u64 = 10;

/// Why a replay passes a delivery, or a backfill an event, over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SkipReason {
    /// Its endpoint has been deleted.
    EndpointGone,
    /// Its endpoint is disabled: what is made anew would only wait. It stays a dead letter, which can
    /// be sent again once the endpoint is enabled.
    EndpointDisabled,
    /// It failed and has been made anew by somebody else.
    AlreadyResent,
    /// It had not ended when the replay was asked for.
    NotEnded,
    /// It was discarded, or its record dropped, before the replay came to it.
    AlreadyDiscarded,
    /// The endpoint has a delivery of the event, or had one, or, since records were dropped, may have
    /// had one.
    AlreadyReached,
    /// The event was published for one endpoint alone.
    Addressed,
    /// The endpoint does not subscribe to its type.
    NotSubscribed,
    /// Its payload does not fit the filter of the endpoint, or that of the request.
    FilteredOut,
    /// Whether its payload fits cannot be told: it is not JSON, or the filter would be too costly.
    FilterUndecided,
}

impl SkipReason {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::EndpointGone,
        Self::EndpointDisabled,
        Self::AlreadyResent,
        Self::NotEnded,
        Self::AlreadyDiscarded,
        Self::AlreadyReached,
        Self::Addressed,
        Self::NotSubscribed,
        Self::FilteredOut,
        Self::FilterUndecided,
    ];

    /// The one with this [`name`](Self::name).
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.name() == name)
    }

    /// Its short text, such as `endpoint_gone`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::EndpointGone => "endpoint_gone",
            Self::EndpointDisabled => "endpoint_disabled",
            Self::AlreadyResent => "already_resent",
            Self::NotEnded => "not_ended",
            Self::AlreadyDiscarded => "already_discarded",
            Self::AlreadyReached => "already_reached",
            Self::Addressed => "addressed",
            Self::NotSubscribed => "not_subscribed",
            Self::FilteredOut => "filtered_out",
            Self::FilterUndecided => "filter_undecided",
        }
    }
}

impl fmt::Display for SkipReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a delivery is to a replay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing.
    NoPart,
    /// It is acted upon.
    Due,
    /// It is passed over.
    Skip(SkipReason),
}

/// A replay that was asked for at some time.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    act: ReplayAct,
    filter: DeliveryFilter,
    /// Only what was a dead letter at that time.
    dead: bool,
    asked_at: Wall,
}

impl Plan {
    /// That of a replay which goes on. It also looks at letters that were resent since it was asked
    /// for: they are part of it, and passed over.
    pub(super) fn of_replay(request: &ReplayRequest, asked_at: Wall) -> Self {
        let mut plan = Self::of_dry_run(request, asked_at);
        plan.filter.resent_since = Some(asked_at);
        plan
    }

    /// That of one which would be asked for now.
    pub(super) fn of_dry_run(request: &ReplayRequest, asked_at: Wall) -> Self {
        let mut filter = request.filter.clone();
        filter.until = Some(filter.until.map_or(asked_at, |until| until.min(asked_at)));
        filter.dead |= request.act == ReplayAct::Discard;
        filter.resent_since = None;
        Self {
            act: request.act,
            dead: filter.dead,
            filter,
            asked_at,
        }
    }

    /// The first page of what is looked at.
    pub(super) fn query(&self, most: usize) -> DeliveryQuery {
        DeliveryQuery {
            filter: self.filter.clone(),
            direction: Direction::OldestFirst,
            after: None,
            most,
        }
    }

    /// What a delivery is to it.
    pub(super) fn verdict(&self, it: &DeliveryOutline) -> Verdict {
        if self.ended_later(it) {
            return match self.takes_what_has_not_ended() {
                true => Verdict::Skip(SkipReason::NotEnded),
                false => Verdict::NoPart,
            };
        }
        let is_failed = matches!(it.state, DeliveryState::Failed(_));
        // A receiver that has lost what it had gets all of it, whatever was resent before.
        let since = |new: &DeliveryId| accepted_at(*new) >= self.asked_at;
        let counts = |new: &DeliveryId| self.filter.beyond.is_none() || since(new);
        if let Some(new) = it.resent_as.filter(|new| is_failed && counts(new)) {
            return match self.dead && accepted_at(new) < self.asked_at {
                true => Verdict::NoPart,
                false => Verdict::Skip(SkipReason::AlreadyResent),
            };
        }
        match (self.act, it.endpoint_status) {
            (ReplayAct::Discard, _) if is_failed => Verdict::Due,
            (ReplayAct::Discard, _) => Verdict::Skip(SkipReason::AlreadyDiscarded),
            (ReplayAct::Resend, None) => Verdict::Skip(SkipReason::EndpointGone),
            (ReplayAct::Resend, Some(EndpointStatus::Disabled(_))) => {
                Verdict::Skip(SkipReason::EndpointDisabled)
            }
            (ReplayAct::Resend, Some(_)) => Verdict::Due,
            // It goes through events.
            (ReplayAct::Backfill, _) => Verdict::NoPart,
        }
    }

    /// Ends a page after so many deliveries that are due.
    pub(super) fn cut(&self, page: &mut OutlinePage, most: NonZeroU32) {
        let mut due = 0;
        let last = page.deliveries.iter().position(|it| {
            due += u32::from(self.verdict(it) == Verdict::Due);
            due >= most.get()
        });
        let kept = last.map_or(page.deliveries.len(), |last| last + 1);
        if kept < page.deliveries.len() {
            page.deliveries.truncate(kept);
            page.next = page.deliveries.last().map(|it| Cursor(it.id));
        }
    }

    /// Whether it had not ended when the replay was asked for. Nobody who counted before has seen it
    /// as it is now.
    fn ended_later(&self, it: &DeliveryOutline) -> bool {
        let latest = Wall(self.asked_at.0.saturating_add(CLOCKS_APART_MS));
        !it.state.is_end() || it.ended_at.is_some_and(|at| at > latest)
    }

    fn takes_what_has_not_ended(&self) -> bool {
        let filter = &self.filter;
        let pending = [StateKind::Pending, StateKind::Retrying];
        let of_states =
            filter.states.is_empty() || pending.iter().any(|it| filter.states.contains(it));
        of_states && filter.reasons.is_empty() && !self.dead
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use postrider_engine::{DeliveryId, DisabledReason, EndpointId, FailReason};

    const ASKED_AT: Wall = Wall(1_000);
    const FAILED: DeliveryState = DeliveryState::Failed(FailReason::Exhausted);

    fn outline(state: DeliveryState) -> DeliveryOutline {
        DeliveryOutline {
            id: DeliveryId::first_at(Wall(10)),
            tenant: postrider_engine::TenantId::default(),
            event_type: "a.b".parse().unwrap(),
            endpoint: EndpointId::from_u128(1),
            endpoint_status: Some(EndpointStatus::Active),
            state,
            ended_at: state.is_end().then_some(Wall(20)),
            resent_as: None,
        }
    }

    fn resent_at(at: u64) -> DeliveryOutline {
        DeliveryOutline {
            resent_as: Some(DeliveryId::first_at(Wall(at))),
            ..outline(FAILED)
        }
    }

    fn plan(act: ReplayAct, filter: DeliveryFilter) -> Plan {
        let request = ReplayRequest {
            act,
            filter,
            ..ReplayRequest::default()
        };
        Plan::of_replay(&request, ASKED_AT)
    }

    fn dead() -> DeliveryFilter {
        DeliveryFilter {
            dead: true,
            ..DeliveryFilter::default()
        }
    }

    #[test]
    fn a_letter_that_was_resent_before_is_no_part_and_one_since_is_passed_over() {
        for act in [ReplayAct::Resend, ReplayAct::Discard] {
            let plan = plan(act, dead());
            assert_eq!(plan.verdict(&outline(FAILED)), Verdict::Due);
            assert_eq!(plan.verdict(&resent_at(999)), Verdict::NoPart);
            let since = plan.verdict(&resent_at(1_000));
            assert_eq!(since, Verdict::Skip(SkipReason::AlreadyResent));
        }
        let failed = DeliveryFilter {
            states: vec![StateKind::Failed],
            ..DeliveryFilter::default()
        };
        let before = plan(ReplayAct::Resend, failed).verdict(&resent_at(999));
        assert_eq!(before, Verdict::Skip(SkipReason::AlreadyResent));
    }

    #[test]
    fn what_ended_after_it_was_asked_for_is_no_dead_letter_of_it() {
        let late = DeliveryOutline {
            ended_at: Some(Wall(5_000)),
            ..outline(FAILED)
        };
        assert_eq!(
            plan(ReplayAct::Discard, dead()).verdict(&late),
            Verdict::NoPart
        );
        let any = plan(ReplayAct::Resend, DeliveryFilter::default());
        let not_ended = Verdict::Skip(SkipReason::NotEnded);
        assert_eq!(any.verdict(&late), not_ended);
        assert_eq!(any.verdict(&outline(DeliveryState::Pending)), not_ended);
    }

    #[test]
    fn an_endpoint_that_takes_nothing_matters_to_a_resend_alone() {
        let disabled = EndpointStatus::Disabled(DisabledReason::Manual);
        for (status, resend) in [
            (Some(EndpointStatus::Paused), Verdict::Due),
            (Some(disabled), Verdict::Skip(SkipReason::EndpointDisabled)),
            (None, Verdict::Skip(SkipReason::EndpointGone)),
        ] {
            let letter = DeliveryOutline {
                endpoint_status: status,
                ..outline(FAILED)
            };
            assert_eq!(plan(ReplayAct::Resend, dead()).verdict(&letter), resend);
            let discard = plan(ReplayAct::Discard, dead()).verdict(&letter);
            assert_eq!(discard, Verdict::Due);
        }
    }

    #[test]
    fn a_discard_is_of_dead_letters_whatever_is_asked_for() {
        let request = ReplayRequest {
            act: ReplayAct::Discard,
            ..ReplayRequest::default()
        };
        assert!(Plan::of_dry_run(&request, ASKED_AT).filter.dead);
        let running = Plan::of_replay(&request, ASKED_AT);
        assert!(running.filter.dead);
        assert_eq!(running.filter.resent_since, Some(ASKED_AT));
    }

    #[test]
    fn a_page_is_cut_after_what_is_due_in_a_second() {
        let plan = plan(ReplayAct::Discard, dead());
        let at = |ms| DeliveryOutline {
            id: DeliveryId::first_at(Wall(ms)),
            ..outline(FAILED)
        };
        let whole = OutlinePage {
            deliveries: vec![resent_at(999), at(1), at(2), at(3)],
            next: None,
        };
        let cut = |most| {
            let mut page = whole.clone();
            plan.cut(&mut page, NonZeroU32::new(most).unwrap());
            page
        };
        let one = cut(1);
        assert_eq!(one.deliveries, whole.deliveries[..2]);
        assert_eq!(one.next, Some(Cursor(at(1).id)));
        for most in [3, 4] {
            assert_eq!(cut(most), whole);
        }
    }

    #[test]
    fn every_reason_has_a_name_that_is_read_back() {
        for reason in SkipReason::ALL {
            assert_eq!(SkipReason::named(reason.name()), Some(reason));
        }
        assert_eq!(SkipReason::named("tired"), None);
    }
}
