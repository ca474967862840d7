//! One request at a time over HTTP/1.1 ([RFC 9112](https://www.rfc-editor.org/rfc/rfc9112)).

use super::answer::Answer;
use super::limits::TransportLimits;
use super::pool::Connection;
use super::stream::{Came, HeadWatch, Stream};
use super::{body, failure};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use postrider_engine::{Failure, FailureKind, Repeat};
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

/// A connection together with its driver. Whoever awaits a response moves the connection on;
/// there is no task, so a request costs no hop between tasks, and what is dropped is closed.
pub(crate) struct Http1<S: AsyncRead + AsyncWrite + Unpin> {
    sender: http1::SendRequest<Full<Bytes>>,
    driver: Driver<S>,
    watch: Arc<HeadWatch>,
    /// Whether it is certain where the response to the last request ends.
    is_tidy: bool,
}

struct Driver<S: AsyncRead + AsyncWrite + Unpin> {
    connection: http1::Connection<TokioIo<Stream<S>>, Full<Bytes>>,
    ended: bool,
}

/// A request that got no response that is its outcome.
pub(crate) struct Unanswered {
    pub(crate) failure: Failure,
    /// Why to send it again on a new connection, if this one had been used before.
    /// [`ConnectionClosed`](Repeat::ConnectionClosed) if the request was not sent, or the
    /// connection ended without a byte in answer to it: that says nothing about the receiver, which
    /// may have closed the connection while the request was on its way.
    pub(crate) again: Option<Repeat>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Http1<S> {
    pub(crate) async fn new(
        stream: Stream<S>,
        watch: Arc<HeadWatch>,
        limits: &TransportLimits,
    ) -> hyper::Result<Self> {
        let (sender, connection) = http1::Builder::new()
            .max_buf_size(limits.head_bytes_max())
            .allow_obsolete_multiline_headers_in_responses(true)
            .allow_spaces_after_header_name_in_responses(true)
            .ignore_invalid_headers_in_responses(true)
            .handshake(TokioIo::new(stream))
            .await?;
        let driver = Driver {
            connection,
            ended: false,
        };
        Ok(Self {
            sender,
            driver,
            watch,
            is_tidy: true,
        })
    }

    /// Sends the request and waits for the head of the response. There is no body if only the head
    /// could be read.
    pub(crate) async fn send(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Option<Incoming>>, Unanswered> {
        self.watch.begin();
        let mut response = pin!(self.sender.try_send_request(request));
        let sent = poll_fn(|cx| {
            self.driver.poll(cx);
            match response.as_mut().poll(cx) {
                Poll::Pending if self.driver.ended => Poll::Ready(None),
                polled => polled.map(Some),
            }
        })
        .await;
        let came = self.watch.end();
        let error = match sent {
            Some(Ok(response)) => {
                self.is_tidy = came.is_tidy();
                return Ok(response.map(Some));
            }
            Some(Err(error)) => Unanswered {
                again: closed(came.is_nothing() || error.message().is_some()),
                failure: failure::of_hyper(error.error()),
            },
            None => Unanswered {
                again: closed(came.is_nothing()),
                failure: Failure::new(FailureKind::Reset, "the connection was closed"),
            },
        };
        unread(&came, &error.failure).ok_or(error)
    }

    /// Reads what is kept of the body of the response to the last request, whose head came at
    /// `headed`. Returns whether the connection can be used again.
    pub(crate) async fn read(
        &mut self,
        body: Option<Incoming>,
        answer: &mut Answer,
        drain_bytes_max: u64,
        headed: Instant,
    ) -> bool {
        let Some(body) = body else {
            answer.cut();
            return false;
        };
        let driver = &mut self.driver;
        let rest = match self.is_tidy {
            true => body::Rest::Drain(drain_bytes_max),
            // Its end may never come.
            false => body::Rest::Leave,
        };
        let whole = body::read(body, answer, rest, headed, |cx| driver.poll(cx)).await;
        // Not ready: the receiver wants to close, or has not read the request to its end.
        whole && self.is_tidy && self.sender.is_ready()
    }
}

/// Why to send the request again, if the connection ended without a word.
pub(crate) fn closed(silently: bool) -> Option<Repeat> {
    silently.then_some(Repeat::ConnectionClosed)
}

/// The response whose head hyper could not read, if there is a status in it.
fn unread(came: &Came, failure: &Failure) -> Option<Response<Option<Incoming>>> {
    if !matches!(failure.kind, FailureKind::Malformed | FailureKind::TooLarge) {
        return None;
    }
    let head = came.head()?;
    let mut response = Response::new(None);
    *response.status_mut() = head.status;
    *response.headers_mut() = head.headers;
    Some(response)
}

impl<S: AsyncRead + AsyncWrite + Unpin> Driver<S> {
    fn poll(&mut self, cx: &mut Context<'_>) {
        // How it ended is what the response says.
        self.ended = self.ended || Pin::new(&mut self.connection).poll(cx).is_ready();
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection for Box<Http1<S>> {
    fn is_open(&self) -> bool {
        !self.driver.ended && !self.sender.is_closed()
    }
}
