//! One request at a time over HTTP/1.1 ([RFC 9112](https://www.rfc-editor.org/rfc/rfc9112)).

use super::answer::Answer;
use super::limits::TransportLimits;
use super::pool::Connection;
use super::stream::{HeadAllowance, Stream};
use super::{body, failure};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use postrider_engine::{Failure, FailureKind};
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite};

/// A connection together with its driver. Whoever awaits a response moves the connection on;
/// there is no task, so a request costs no hop between tasks, and what is dropped is closed.
pub(crate) struct Http1<S: AsyncRead + AsyncWrite + Unpin> {
    sender: http1::SendRequest<Full<Bytes>>,
    driver: Driver<S>,
    allowance: Arc<HeadAllowance>,
}

struct Driver<S: AsyncRead + AsyncWrite + Unpin> {
    connection: http1::Connection<TokioIo<Stream<S>>, Full<Bytes>>,
    ended: bool,
}

/// A request that got no response.
pub(crate) struct Unanswered {
    pub(crate) failure: Failure,
    /// Whether the request was not sent, or the connection ended without a byte in answer to it.
    /// On a connection that had been idle this says nothing about the receiver: it may have
    /// closed the connection while the request was on its way.
    pub(crate) silent: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Http1<S> {
    pub(crate) async fn new(
        stream: Stream<S>,
        allowance: Arc<HeadAllowance>,
        limits: &TransportLimits,
    ) -> hyper::Result<Self> {
        let (sender, connection) = http1::Builder::new()
            .max_buf_size(limits.head_bytes_max())
            .handshake(TokioIo::new(stream))
            .await?;
        let driver = Driver {
            connection,
            ended: false,
        };
        Ok(Self {
            sender,
            driver,
            allowance,
        })
    }

    /// Sends the request and waits for the head of the response.
    pub(crate) async fn send(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, Unanswered> {
        self.allowance.begin();
        let mut response = pin!(self.sender.try_send_request(request));
        let sent = poll_fn(|cx| {
            self.driver.poll(cx);
            match response.as_mut().poll(cx) {
                Poll::Pending if self.driver.ended => Poll::Ready(None),
                polled => polled.map(Some),
            }
        })
        .await;
        let untouched = self.allowance.is_untouched();
        self.allowance.end();
        match sent {
            Some(Ok(response)) => Ok(response),
            Some(Err(error)) => Err(Unanswered {
                silent: untouched || error.message().is_some(),
                failure: failure::of_hyper(error.error()),
            }),
            None => Err(Unanswered {
                silent: untouched,
                failure: Failure::new(FailureKind::Reset, "the connection was closed"),
            }),
        }
    }

    /// Reads what is kept of the body of the response to the last request. Returns whether the
    /// connection can be used again.
    pub(crate) async fn read(
        &mut self,
        body: Incoming,
        answer: &mut Answer,
        drain_bytes_max: u64,
    ) -> bool {
        let driver = &mut self.driver;
        let whole = body::read(body, answer, drain_bytes_max, |cx| driver.poll(cx)).await;
        // Not ready: the receiver wants to close, or has not read the request to its end.
        whole && self.sender.is_ready()
    }
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
