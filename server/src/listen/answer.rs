//! The body of an answer: its request is under way until the last byte has been sent.

use super::watch::UnderWay;
use crate::budget::Held;
use axum::body::{Body, Bytes};
use hyper::body::{Body as _, Frame, SizeHint};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

pub(super) struct Answer {
    body: Body,
    held: Arc<(UnderWay, Held)>,
}

/// A part of an answer, wherever it waits to be sent. With HTTP/2 that may be behind the end of the
/// body: a client that allows one byte gets all of it into what is to be sent.
struct Part {
    bytes: Bytes,
    #[expect(dead_code, reason = "held, not looked at")]
    held: Arc<(UnderWay, Held)>,
}

impl AsRef<[u8]> for Part {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Answer {
    pub(super) fn new(body: Body, held: (UnderWay, Held)) -> Self {
        held.0.answered(body.size_hint().exact().is_some());
        Self {
            body,
            held: Arc::new(held),
        }
    }

    fn part(&self, bytes: Bytes) -> Bytes {
        let held = Arc::clone(&self.held);
        Bytes::from_owner(Part { bytes, held })
    }
}

impl hyper::body::Body for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        let part = |frame: Frame<Bytes>| frame.map_data(|bytes| self.part(bytes));
        frame.map_ok(part)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
