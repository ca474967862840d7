//! Reading the body of a response, as far as it is kept.

use super::answer::Answer;
use bytes::Bytes;
use hyper::body::Body;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// How long after its head a body is waited for. The head has the status, which decides; a body that
/// comes drop by drop would else hold its lane, and a request under way, for all the time that an
/// attempt has.
pub(crate) const WAIT_MAX: Duration = Duration::from_secs(5);

/// What is done about the rest of a body.
#[derive(Clone, Copy)]
pub(crate) enum Rest {
    /// What is kept is waited for. What is not, and is known to be at most this many bytes long,
    /// is read and thrown away, for the sake of the connection.
    Drain(u64),
    /// Nothing is waited for: what is there is kept, and that is all.
    Leave,
}

/// Reads until the body ends, breaks off, would be kept no further, or is no longer waited for: the
/// head came at `headed`.
///
/// `drive` moves the connection on that the body comes from, if nothing else does.
///
/// Returns whether the body was read to its end.
pub(crate) async fn read(
    body: impl Body<Data = Bytes> + Unpin,
    answer: &mut Answer,
    rest: Rest,
    headed: Instant,
    drive: impl FnMut(&mut Context<'_>),
) -> bool {
    let reading = read_patiently(body, answer, rest, drive);
    if let Ok(whole) = timeout_at(headed + WAIT_MAX, reading).await {
        return whole;
    }
    answer.cut();
    false
}

async fn read_patiently(
    mut body: impl Body<Data = Bytes> + Unpin,
    answer: &mut Answer,
    rest: Rest,
    mut drive: impl FnMut(&mut Context<'_>),
) -> bool {
    while !body.is_end_stream() {
        let is_short = |max| body.size_hint().exact().is_some_and(|rest| rest <= max);
        let wait = match rest {
            Rest::Drain(max) => !answer.is_full() || is_short(max),
            Rest::Leave => false,
        };
        let next = poll_fn(|cx| {
            // Most bodies came with the head and are here already.
            let mut next = Pin::new(&mut body).poll_frame(cx);
            if next.is_pending() {
                drive(cx);
                next = Pin::new(&mut body).poll_frame(cx);
            }
            match next {
                Poll::Pending if wait => Poll::Pending,
                // One look, without waiting: the body may have ended just here.
                looked => Poll::Ready(looked),
            }
        });
        match next.await {
            Poll::Ready(None) => return true,
            // Trailers are not kept.
            Poll::Ready(Some(Ok(frame))) => answer.keep(frame.data_ref().map_or(&[], |data| data)),
            Poll::Ready(Some(Err(_))) | Poll::Pending => {
                answer.cut();
                return false;
            }
        }
        if !wait && answer.is_cut() {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::limits::TransportLimits;
    use http::{HeaderMap, StatusCode};
    use http_body_util::Full;
    use hyper::body::Frame;
    use std::convert::Infallible;
    use tokio::time::{Interval, interval};

    /// A body of a byte a second, without end.
    struct Drip(Interval);

    impl Body for Drip {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            let byte = Frame::data(Bytes::from_static(b"x"));
            self.0.poll_tick(cx).map(|_| Some(Ok(byte)))
        }
    }

    fn answer() -> Answer {
        let limits = TransportLimits::default();
        let headers = HeaderMap::new();
        Answer::new(StatusCode::OK, &headers, &limits, 1024, Duration::ZERO).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_dripping_body_is_cut_soon_after_its_head() {
        let mut answer = answer();
        let headed = Instant::now();
        let body = Drip(interval(Duration::from_secs(1)));
        let reading = read(body, &mut answer, Rest::Drain(0), headed, |_| ());
        let whole = tokio::time::timeout(WAIT_MAX * 2, reading).await;
        assert_eq!(whole, Ok(false));
        assert!(answer.is_cut() && !answer.is_full());
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_is_there_is_whole_however_late_it_is_read() {
        let mut answer = answer();
        let headed = Instant::now();
        tokio::time::advance(WAIT_MAX * 2).await;
        let body = Full::new(Bytes::from_static(b"ok"));
        assert!(read(body, &mut answer, Rest::Drain(0), headed, |_| ()).await);
        assert!(!answer.is_cut());
    }
}
