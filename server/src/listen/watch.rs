//! What one connection does, and until when it must do more.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker, ready};
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// A client has this long for the head of a request: from the accept, and from the first byte of any
/// later one.
pub(super) const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// A connection is kept for this long between two requests.
pub(super) const IDLE_TIMEOUT: Duration = Duration::from_secs(75);

/// A client has this long to read an answer that has an end.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// What is to be written may wait for this long without a byte being taken.
const BLOCKED_TIMEOUT: Duration = Duration::from_secs(30);

/// A connection that is told to end, with nothing under way, has this long.
const END_TIMEOUT: Duration = Duration::from_secs(1);

/// Why a connection is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Overdue {
    /// No head came in time.
    Head,
    /// Nothing was asked for.
    Idle,
    /// What was answered is not read.
    Unread,
}

/// What a connection does.
pub(super) struct Watch(Mutex<State>);

struct State {
    /// Requests whose answers have not ended.
    under_way: u64,
    /// When the last of them ended, or the connection began.
    idle_since: Instant,
    /// A request has come.
    is_used: bool,
    /// It speaks HTTP/2: what comes between two requests need not be a head.
    is_http2: bool,
    /// The first byte of the next head.
    head_since: Option<Instant>,
    /// When those answers began that have an end, the oldest first.
    answers: Vec<(u64, Instant)>,
    next: u64,
    /// Since when no byte was taken of what waits to be written.
    blocked_since: Option<Instant>,
    /// It is to end when nothing is under way.
    ends_since: Option<Instant>,
    waker: Option<Waker>,
}

/// A request that is under way, until this is dropped.
pub(super) struct UnderWay {
    watch: Arc<Watch>,
    number: u64,
}

impl Watch {
    /// A connection that begins now.
    pub(super) fn begin() -> Arc<Self> {
        Arc::new(Self(Mutex::new(State {
            under_way: 0,
            idle_since: Instant::now(),
            is_used: false,
            is_http2: false,
            head_since: None,
            answers: Vec::new(),
            next: 0,
            blocked_since: None,
            ends_since: None,
            waker: None,
        })))
    }

    /// The head of a request is complete.
    pub(super) fn request(self: &Arc<Self>, is_http2: bool) -> UnderWay {
        let mut state = self.state();
        state.under_way += 1;
        state.is_used = true;
        state.is_http2 = is_http2;
        state.head_since = None;
        state.next += 1;
        UnderWay {
            watch: Arc::clone(self),
            number: state.next,
        }
    }

    /// Bytes have come.
    pub(super) fn read(&self) {
        let mut state = self.state();
        if state.under_way == 0 && state.is_used && !state.is_http2 && state.head_since.is_none() {
            state.head_since = Some(Instant::now());
        }
    }

    /// Whether what is written is taken.
    pub(super) fn written(&self, is_taken: bool) {
        let mut state = self.state();
        if is_taken {
            state.blocked_since = None;
        } else if state.blocked_since.is_none() {
            state.blocked_since = Some(Instant::now());
        }
    }

    /// It is to end as soon as nothing is under way.
    pub(super) fn end(&self) {
        self.state().ends_since = Some(Instant::now());
    }

    /// Waits until the connection is to be given up.
    pub(super) async fn overdue(&self) -> Overdue {
        let mut sleep = pin!(sleep_until(Instant::now() + HEAD_TIMEOUT));
        poll_fn(|context| {
            loop {
                let mut state = self.state();
                let waker = context.waker();
                if !state.waker.as_ref().is_some_and(|it| it.will_wake(waker)) {
                    state.waker = Some(waker.clone());
                }
                let due = state.due();
                drop(state);
                let Some((at, why)) = due else {
                    return Poll::Pending;
                };
                // One that is later is seen when the sleep is over: it is moved seldom.
                if at < sleep.deadline() {
                    sleep.as_mut().reset(at);
                }
                ready!(sleep.as_mut().poll(context));
                if Instant::now() >= at {
                    return Poll::Ready(why);
                }
                sleep.as_mut().reset(at);
            }
        })
        .await
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Lets the connection look at its deadlines again: with HTTP/2 they change in other tasks.
    fn wake(&mut self) {
        if self.is_http2
            && let Some(waker) = self.waker.take()
        {
            waker.wake();
        }
    }

    /// When the connection is to be given up, as things stand, and why.
    fn due(&self) -> Option<(Instant, Overdue)> {
        let oldest = self.answers.first();
        let unread = oldest.map(|(_, begun)| *begun + ANSWER_TIMEOUT);
        let blocked = self.blocked_since.map(|since| since + BLOCKED_TIMEOUT);
        let unread = unread.into_iter().chain(blocked);
        let unread = unread.map(|at| (at, Overdue::Unread));
        // What waits to be written has a deadline of its own.
        let is_idle = self.under_way == 0 && self.blocked_since.is_none();
        let idle = match (self.is_used, self.ends_since) {
            (_, Some(since)) => (since.max(self.idle_since) + END_TIMEOUT, Overdue::Idle),
            (false, None) => (self.idle_since + HEAD_TIMEOUT, Overdue::Head),
            (true, None) => (self.idle_since + IDLE_TIMEOUT, Overdue::Idle),
        };
        let head = self
            .head_since
            .map(|since| (since + HEAD_TIMEOUT, Overdue::Head));
        let waits = [Some(idle), head].into_iter().flatten().filter(|_| is_idle);
        unread.chain(waits).min_by_key(|(at, _)| *at)
    }
}

impl UnderWay {
    /// Its answer begins. One without an end has no deadline.
    pub(super) fn answered(&self, has_end: bool) {
        if has_end {
            let mut state = self.watch.state();
            state.answers.push((self.number, Instant::now()));
            state.wake();
        }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut state = self.watch.state();
        state.answers.retain(|(number, _)| *number != self.number);
        state.under_way -= 1;
        state.idle_since = Instant::now();
        state.wake();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// After how many seconds it is given up, and why.
    async fn given_up(watch: &Arc<Watch>) -> (u64, Overdue) {
        let start = Instant::now();
        let why = watch.overdue().await;
        (start.elapsed().as_secs(), why)
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_sends_no_head_is_given_up() {
        let watch = Watch::begin();
        watch.read();
        assert_eq!(given_up(&watch).await, (10, Overdue::Head));
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_asks_for_nothing_more_is_given_up() {
        for is_http2 in [false, true] {
            let watch = Watch::begin();
            drop(watch.request(is_http2));
            assert_eq!(given_up(&watch).await, (75, Overdue::Idle));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_later_head_has_as_long_as_the_first_and_a_ping_is_none() {
        let watch = Watch::begin();
        drop(watch.request(false));
        tokio::time::advance(Duration::from_secs(20)).await;
        watch.read();
        assert_eq!(given_up(&watch).await, (10, Overdue::Head));
        let watch = Watch::begin();
        drop(watch.request(true));
        tokio::time::advance(Duration::from_secs(20)).await;
        watch.read();
        assert_eq!(given_up(&watch).await, (55, Overdue::Idle));
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_is_not_read_is_given_up_and_a_stream_has_no_end() {
        let watch = Watch::begin();
        let stream = watch.request(true);
        stream.answered(false);
        tokio::time::advance(Duration::from_secs(3_600)).await;
        let answer = watch.request(true);
        answer.answered(true);
        assert_eq!(given_up(&watch).await, (60, Overdue::Unread));
        drop(answer);
        watch.written(false);
        assert_eq!(given_up(&watch).await, (30, Overdue::Unread));
        watch.written(true);
        let end = tokio::time::timeout(Duration::from_secs(86_400), watch.overdue());
        assert!(end.await.is_err(), "a stream that is read goes on");
    }

    #[tokio::test(start_paused = true)]
    async fn the_rest_of_an_answer_has_longer_than_a_connection_that_is_to_end() {
        let watch = Watch::begin();
        drop(watch.request(false));
        watch.written(false);
        watch.end();
        assert_eq!(given_up(&watch).await, (30, Overdue::Unread));
        watch.written(true);
        assert_eq!(given_up(&watch).await, (0, Overdue::Idle));
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_begins_elsewhere_has_its_deadline() {
        let watch = Watch::begin();
        let request = watch.request(true);
        let begun = tokio::spawn(async move {
            tokio::time::sleep(Duration::from_secs(5)).await;
            request.answered(true);
            std::future::pending::<()>().await;
            drop(request);
        });
        assert_eq!(given_up(&watch).await, (65, Overdue::Unread));
        begun.abort();
    }

    #[tokio::test(start_paused = true)]
    async fn what_ends_elsewhere_begins_the_wait_for_the_next_request() {
        let watch = Watch::begin();
        let request = watch.request(true);
        let ended = tokio::spawn(async move {
            tokio::time::sleep(Duration::from_secs(5)).await;
            drop(request);
        });
        assert_eq!(given_up(&watch).await, (80, Overdue::Idle));
        ended.await.unwrap();
    }
}
