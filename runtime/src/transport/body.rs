//! Reading the body of a response, as far as it is kept.

use super::answer::Answer;
use bytes::Bytes;
use hyper::body::Body;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

/// What is done about the rest of a body.
#[derive(Clone, Copy)]
pub(crate) enum Rest {
    /// What is kept is waited for. What is not, and is known to be at most this many bytes long,
    /// is read and thrown away, for the sake of the connection.
    Drain(u64),
    /// Nothing is waited for: what is there is kept, and that is all.
    Leave,
}

/// Reads until the body ends, breaks off, or would be kept no further.
///
/// `drive` moves the connection on that the body comes from, if nothing else does.
///
/// Returns whether the body was read to its end.
pub(crate) async fn read(
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
