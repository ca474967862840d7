//! Writes one stream, as fast as its reader reads.

use super::text;
use crate::api::Api;
use crate::api::caller::{Caller, Read};
use crate::api::cursors::Of;
use crate::api::live::{Item, Shown, Wants};
use crate::api::log_tail::{Tail, TailError};
use crate::listen::Cut;
use bytes::Bytes;
use hyper::body::{Body, Frame};
use postrider::{DeliveryFilter, DeliveryQuery, EventRecord, ReadError, TenantId};
use std::convert::Infallible;
use std::future::pending;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, sleep_until, timeout};

/// Items that are written and not taken by the connection yet; one may be an event with its payload.
/// Beyond, the stream waits.
const WRITTEN_MAX: usize = 1;

/// Between two looks at whether the key is still valid.
const CHECK_EVERY: Duration = Duration::from_secs(1);

/// After so many of them there is a comment that keeps the connection.
const CHECKS_PER_COMMENT: u64 = 15;

/// A reader that takes nothing of what is there for it is cut off after this.
const READER_TIMEOUT: Duration = Duration::from_secs(30);

/// A reader that does not take the end of the stream is cut off after this.
const END_GRACE: Duration = Duration::from_millis(500);

/// What [`Wants::per_second`] counts in.
const SECOND: Duration = Duration::from_secs(1);

/// The answer's body.
pub(super) struct StreamBody {
    written: mpsc::Receiver<Bytes>,
    /// Dropped with the body: then the connection has let go of it.
    _here: oneshot::Sender<()>,
}

impl Body for StreamBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let written = self.written.poll_recv(context);
        written.map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
    }
}

pub(super) struct Writer {
    api: Api,
    caller: Caller<Read>,
    wants: Wants,
    out: mpsc::Sender<Bytes>,
    gone: oneshot::Receiver<()>,
}

/// How many events are given in a second.
struct Pace {
    most: u32,
    given: u32,
    since: Instant,
}

impl Pace {
    fn begin(most: u32) -> Self {
        Self {
            most,
            given: 0,
            since: Instant::now(),
        }
    }

    /// Counts one. Whether there is room for more in this second.
    fn has_room(&mut self) -> bool {
        if self.since.elapsed() >= SECOND {
            (self.given, self.since) = (0, Instant::now());
        }
        self.given += 1;
        self.given < self.most
    }

    async fn next_second(&mut self) {
        sleep_until(self.since + SECOND).await;
        (self.given, self.since) = (0, Instant::now());
    }
}

impl Writer {
    pub(super) fn new(api: Api, caller: Caller<Read>, wants: Wants) -> (Self, StreamBody) {
        let (out, written) = mpsc::channel(WRITTEN_MAX);
        let (here, gone) = oneshot::channel();
        let writer = Self {
            api,
            caller,
            wants,
            out,
            gone,
        };
        let body = StreamBody {
            written,
            _here: here,
        };
        (writer, body)
    }

    /// Until the reader has gone, its key is no longer valid, or the server ends.
    pub(super) async fn run(
        self,
        tail: Option<Tail>,
        items: mpsc::Receiver<Shown>,
        cut: Option<Cut>,
    ) {
        tokio::select! {
            biased;
            () = self.api.live().closing() => (),
            () = self.out.closed() => (),
            // First of all it says where it begins.
            () = self.events(tail) => (),
            () = self.while_valid() => (),
            () = self.items(items) => (),
        }
        // The body ends with it.
        drop(self.out);
        tokio::select! {
            biased;
            _ = self.gone => (),
            () = sleep(END_GRACE) => if let Some(cut) = cut {
                cut.cut();
            },
        }
    }

    /// Hands it to the connection as soon as that takes it. False if it does not.
    async fn give(&self, bytes: Bytes) -> bool {
        matches!(
            timeout(READER_TIMEOUT, self.out.send(bytes)).await,
            Ok(Ok(()))
        )
    }

    /// Whether the key is, and the tenant that is watched is there.
    fn is_valid(&self) -> bool {
        let watched = self.wants.tenant.as_ref();
        let lives = watched.is_none_or(|tenant| self.api.tenants().lives(tenant));
        lives && self.caller.is_valid(&self.api)
    }

    async fn while_valid(&self) {
        let mut tick = interval(CHECK_EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut checks = (0..CHECKS_PER_COMMENT).cycle();
        while self.is_valid() {
            tick.tick().await;
            if checks.next() == Some(0) {
                // Where something waits to be written nothing more is needed.
                let _ = self.out.try_send(text::KEEP_ALIVE);
            }
        }
    }

    async fn events(&self, tail: Option<Tail>) {
        let Some(mut tail) = tail else {
            return pending().await;
        };
        // Places begin with one: after none of them means from the first.
        let first = || "0".repeat(16);
        let beginning = tail.place().map_or_else(first, |place| place.to_string());
        let beginning = text::beginning(&self.hidden(&beginning));
        if !self.give(beginning).await {
            return;
        }
        let mut pace = self.wants.per_second.map(Pace::begin);
        loop {
            let shown = match tail.next().await {
                Ok(record) => self
                    .concerns(&record)
                    .await
                    .map(|wanted| wanted.then_some(record)),
                Err(TailError::Stopped) => return,
                Err(TailError::Read(error)) => Err(error),
            };
            match shown {
                Ok(None) => (),
                Ok(Some(record)) => {
                    let place = record.place.cursor();
                    let place = place.map(|place| self.hidden(&place.to_string()));
                    let whose = self.shown_tenant(Some(&record.event.tenant));
                    let (place, whose) = (place.as_deref(), whose.as_deref());
                    let event = text::event(&record, place, whose, self.wants.is_short);
                    if !self.give(event).await || !self.keep_pace(&mut pace, &mut tail).await {
                        return;
                    }
                }
                // Its reader comes back with the last id that it has.
                Err(error) => {
                    tracing::warn!(%error, "postrider.api.stream_failed");
                    return;
                }
            }
        }
    }

    /// After an event was given: if there were as many as are asked for in a second, waits for the next
    /// one and passes over what came in between. False if the stream is to end.
    async fn keep_pace(&self, pace: &mut Option<Pace>, tail: &mut Tail) -> bool {
        let Some(pace) = pace else {
            return true;
        };
        if pace.has_room() {
            return true;
        }
        pace.next_second().await;
        match tail.skip_backlog().await {
            Ok(false) => true,
            // How many there were of all tenants is nobody's business.
            Ok(true) => self.give(text::item(&Item::Skipped(None), None)).await,
            Err(error) => {
                tracing::warn!(%error, "postrider.api.stream_failed");
                false
            }
        }
    }

    fn hidden(&self, place: &str) -> String {
        let cursors = self.api.cursors();
        match &self.wants.tenant {
            Some(tenant) => cursors.hide(tenant, Of::Events, place),
            None => cursors.hide(&TenantId::default(), Of::EventsOfAll, place),
        }
    }

    /// The name of whose it is, where it is not known by itself.
    fn shown_tenant(&self, tenant: Option<&TenantId>) -> Option<String> {
        let tenant = tenant.filter(|_| self.wants.tenant.is_none())?;
        Some(self.api.tenants().name_of(tenant))
    }

    /// Whether the event goes to the endpoint that is asked for.
    async fn concerns(&self, record: &EventRecord) -> Result<bool, ReadError> {
        if self.wants.endpoint.is_none() {
            return Ok(true);
        }
        let page = self.api.postrider().deliveries(DeliveryQuery {
            filter: DeliveryFilter {
                event: Some(record.event.id),
                endpoint: self.wants.endpoint,
                ..DeliveryFilter::default()
            },
            most: 1,
            ..DeliveryQuery::default()
        });
        Ok(!page.await?.deliveries.is_empty())
    }

    async fn items(&self, mut items: mpsc::Receiver<Shown>) {
        while let Some(Shown { tenant, item }) = items.recv().await {
            let whose = self.shown_tenant(tenant.as_ref());
            if !self.give(text::item(&item, whose.as_deref())).await {
                return;
            }
        }
        // Postrider has stopped. The log has yet to be read to its end.
        if self.wants.events {
            pending().await
        }
    }
}
