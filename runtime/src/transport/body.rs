//! Reading the body of a response, as far as it is kept.

use super::answer::Answer;
use bytes::Bytes;
use hyper::body::Body;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Reads until the body ends, breaks off, or would be kept no further. A rest that is known to be
/// at most `drain_bytes_max` long is read and thrown away, for the sake of the connection.
///
/// `drive` moves the connection on that the body comes from, if nothing else does.
///
/// Returns whether the body was read to its end.
pub(crate) async fn read(
    mut body: impl Body<Data = Bytes> + Unpin,
    answer: &mut Answer,
    drain_bytes_max: u64,
    mut drive: impl FnMut(&mut Context<'_>),
) -> bool {
    while !body.is_end_stream() {
        let wait = !answer.is_full()
            || body
                .size_hint()
                .exact()
                .is_some_and(|rest| rest <= drain_bytes_max);
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
