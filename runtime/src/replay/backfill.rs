//! What an endpoint has missed. A dry run and the backfill itself ask the same plan, so that one does
//! what the other has said.

use super::plan::{SkipReason, Verdict};
use super::runner::{Came, NO_ROOM, Runner};
use super::{Replay, ReplayReport, ReplayRequest};
use crate::event_outline::{EventOutline, EventOutlineQuery};
use crate::events::{EventCursor, EventFilter};
use crate::store::{Store, StoreError};
use postrider_engine::{
    Answer, BackfillError, Command, DeliveryId, Endpoint, EndpointId, EndpointStatus, EventId,
    Filter, Had, ReplayId, Wall,
};
use std::num::NonZeroU32;
use std::sync::Arc;
use tokio::task::yield_now;
use tokio::time::{Interval, sleep};

/// Events that are counted in one go.
const COUNTED_AT_ONCE: usize = 1_000;

/// Events that are looked at in one go.
const PAGE: usize = 100;

/// A backfill that was asked for at some time, and its endpoint as it is now.
struct Backfill {
    id: EndpointId,
    /// `None` if it is gone, or a stranger's.
    endpoint: Option<Endpoint>,
    /// What a payload must fit: the endpoint's filter, and that of the request.
    filters: Vec<Filter>,
    query: EventOutlineQuery,
}

impl Backfill {
    /// `None` if it is not said whose events are meant for whom.
    async fn of(
        store: &Arc<dyn Store>,
        request: &ReplayRequest,
        asked_at: Wall,
    ) -> Result<Option<Self>, StoreError> {
        let filter = &request.filter;
        let Some(id) = filter.endpoint else {
            return Ok(None);
        };
        let asked_for = filter.tenant.as_ref();
        let endpoint = Arc::clone(store).endpoint(id).await?;
        let endpoint =
            endpoint.filter(|it| asked_for.is_none_or(|tenant| *tenant == it.spec.tenant));
        let own = endpoint.as_ref().map(|it| &it.spec);
        let Some(tenant) = asked_for.or(own.map(|spec| &spec.tenant)).cloned() else {
            return Ok(None);
        };
        // Events of the very millisecond may have come before it, and have missed the endpoint.
        let latest = Wall(asked_at.0.saturating_add(1));
        let own_filter = own.and_then(|spec| spec.filter.clone());
        let filters: Vec<Filter> = own_filter
            .into_iter()
            .chain(request.payload.clone())
            .collect();
        let query = EventOutlineQuery {
            endpoint: id,
            filter: EventFilter {
                tenant: Some(tenant),
                event_types: filter.event_types.clone(),
                from: filter.from,
                until: Some(filter.until.map_or(latest, |until| until.min(latest))),
            },
            ordering_key: filter.ordering_key.clone(),
            payloads: !filters.is_empty(),
            after: None,
            most: 0,
        };
        Ok(Some(Self {
            id,
            endpoint,
            filters,
            query,
        }))
    }

    /// A page of the events that are part of it.
    fn page(&self, after: Option<EventCursor>, most: usize) -> EventOutlineQuery {
        EventOutlineQuery {
            after,
            most,
            ..self.query.clone()
        }
    }

    /// What an event is to it.
    fn verdict(&self, event: &EventOutline) -> Verdict {
        let Some(endpoint) = &self.endpoint else {
            return Verdict::Skip(SkipReason::EndpointGone);
        };
        if event.had != Had::Nothing {
            return Verdict::Skip(SkipReason::AlreadyReached);
        }
        if event.addressed {
            return Verdict::Skip(SkipReason::Addressed);
        }
        let mut subscribed = endpoint.spec.event_types.iter();
        if !subscribed.any(|pattern| pattern.matches(&event.event_type)) {
            return Verdict::Skip(SkipReason::NotSubscribed);
        }
        let payload = event.payload.as_deref().unwrap_or_default();
        for filter in &self.filters {
            match filter.verdict_with(payload, &event.headers, Filter::STEPS_MAX) {
                postrider_engine::Verdict::Match => (),
                postrider_engine::Verdict::NoMatch => {
                    return Verdict::Skip(SkipReason::FilteredOut);
                }
                postrider_engine::Verdict::Unreadable(_) | postrider_engine::Verdict::TooCostly => {
                    return Verdict::Skip(SkipReason::FilterUndecided);
                }
            }
        }
        match endpoint.status {
            EndpointStatus::Disabled(_) => Verdict::Skip(SkipReason::EndpointDisabled),
            EndpointStatus::Active | EndpointStatus::Paused => Verdict::Due,
        }
    }
}

/// What a backfill would do if it were started now.
pub(super) async fn report(
    store: &Arc<dyn Store>,
    request: &ReplayRequest,
    now: Wall,
) -> Result<ReplayReport, StoreError> {
    let mut report = ReplayReport::default();
    if let Some(backfill) = Backfill::of(store, request, now).await? {
        let query = backfill.page(None, COUNTED_AT_ONCE);
        each(store, query, |event| {
            let line = (backfill.id, &event.event_type);
            report.add_line(line, backfill.verdict(event));
        })
        .await?;
    }
    Ok(report)
}

/// Shows each event, page by page: others read and write between two of them.
async fn each(
    store: &Arc<dyn Store>,
    mut query: EventOutlineQuery,
    mut see: impl FnMut(&EventOutline) + Send,
) -> Result<(), StoreError> {
    loop {
        let page = Arc::clone(store).event_outlines(query.clone()).await?;
        page.events.iter().for_each(&mut see);
        if page.next.is_none() {
            return Ok(());
        }
        query.after = page.next;
        // A store in memory answers at once.
        yield_now().await;
    }
}

impl Runner {
    /// How many events are part of it.
    pub(super) async fn count_events(&self, replay: &Replay) -> Result<u64, StoreError> {
        let backfill = Backfill::of(&self.store, &replay.request, replay.created_at);
        let Some(backfill) = backfill.await? else {
            return Ok(replay.done());
        };
        let query = EventOutlineQuery {
            payloads: false,
            ..backfill.page(replay.after_event, COUNTED_AT_ONCE)
        };
        let mut left = 0;
        each(&self.store, query, |_| left += 1).await?;
        Ok(replay.done() + left)
    }

    /// The backfill as it is after one more page, or after a part of it if it was asked to stop; `None`
    /// if the engine takes nothing any more.
    pub(super) async fn page_of_events(
        &self,
        replay: &Replay,
        pace: &mut Option<Interval>,
    ) -> Result<Option<Replay>, StoreError> {
        let mut done = replay.clone();
        let backfill = Backfill::of(&self.store, &replay.request, replay.created_at);
        let Some(backfill) = backfill.await? else {
            self.end(&mut done);
            return Ok(Some(done));
        };
        // No more than is done in a second: meanwhile the endpoint may change, and others want to know
        // how far it is.
        let rate = replay.request.per_second.map(NonZeroU32::get);
        let rate = rate.and_then(|rate| usize::try_from(rate).ok());
        let most = rate.map_or(PAGE, |rate| rate.min(PAGE));
        let query = backfill.page(replay.after_event, most);
        let page = Arc::clone(&self.store).event_outlines(query).await?;
        let mut last = None;
        for event in &page.events {
            match self.event_came(&backfill, replay.id, event, pace).await {
                Came::NoPart => (),
                Came::Acted => done.made += 1,
                Came::Skipped(why) => done.skip(why, 1),
                Came::NoRoom | Came::Over => return Ok(None),
                Came::Stopped => {
                    done.after_event = last.or(done.after_event);
                    return Ok(Some(done));
                }
            }
            last = Some(event.place);
        }
        done.after_event = page.next.or(done.after_event);
        if page.next.is_none() {
            self.end(&mut done);
        }
        Ok(Some(done))
    }

    async fn event_came(
        &self,
        backfill: &Backfill,
        replay: ReplayId,
        event: &EventOutline,
        pace: &mut Option<Interval>,
    ) -> Came {
        if self.stop.is_asked() {
            return Came::Stopped;
        }
        // It was made before a restart, and that was not counted.
        if event.had == Had::Backfilled(replay) {
            return Came::Acted;
        }
        match backfill.verdict(event) {
            Verdict::NoPart => return Came::NoPart,
            Verdict::Skip(why) => return Came::Skipped(why),
            Verdict::Due => (),
        }
        if let Some(pace) = pace
            && self.stop.or(pace.tick()).await.is_none()
        {
            return Came::Stopped;
        }
        self.give(event.id, backfill.id, replay).await
    }

    /// Makes the delivery, as soon as there is room.
    async fn give(&self, event: EventId, endpoint: EndpointId, replay: ReplayId) -> Came {
        loop {
            let command = Command::Backfill(event, endpoint, replay);
            let came = match self.answer_to(command).await {
                Some(Answer::Backfilled(result)) => given(&result),
                // An answer to another question cannot come.
                Some(_) | None => Came::Over,
            };
            if !matches!(came, Came::NoRoom) {
                return came;
            }
            if self.stop.or(sleep(NO_ROOM)).await.is_none() {
                return Came::Stopped;
            }
        }
    }
}

fn given(result: &Result<DeliveryId, BackfillError>) -> Came {
    match result {
        Ok(_) => Came::Acted,
        Err(BackfillError::Full(_)) => Came::NoRoom,
        Err(BackfillError::Closed(_)) => Came::Over,
        Err(BackfillError::NoSuchEndpoint(_)) => Came::Skipped(SkipReason::EndpointGone),
        Err(BackfillError::EndpointDisabled(_)) => Came::Skipped(SkipReason::EndpointDisabled),
        Err(BackfillError::AlreadyReached(_)) => Came::Skipped(SkipReason::AlreadyReached),
        Err(BackfillError::Addressed(_)) => Came::Skipped(SkipReason::Addressed),
        // Its record has been dropped since.
        Err(BackfillError::NoSuchEvent(_)) => Came::Skipped(SkipReason::AlreadyDiscarded),
    }
}
