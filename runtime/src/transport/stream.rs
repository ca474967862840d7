//! A connection's bytes, and the bound on those that come before a response.

use super::failure::HeadTooLong;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::client::TlsStream;

/// A connection with or without TLS that reads only so much before the head of a response is
/// complete.
///
/// hyper bounds one head. It skips interim (1xx) responses for ever, so a receiver could keep it
/// busy with those.
#[derive(Debug)]
pub(crate) struct Stream<S> {
    layer: Layer<S>,
    allowance: Arc<HeadAllowance>,
}

#[derive(Debug)]
enum Layer<S> {
    Plain(S),
    Tls(Box<TlsStream<S>>),
}

trait Io: AsyncRead + AsyncWrite + Unpin {}
impl<T: AsyncRead + AsyncWrite + Unpin> Io for T {}

/// The bytes that may still come before the head of the response is complete.
#[derive(Debug)]
pub(crate) struct HeadAllowance {
    bytes_max: usize,
    bytes_left: AtomicUsize,
}

impl HeadAllowance {
    /// Interim responses, the head, and what of the body comes in the same turn count together,
    /// so there is room for some of each.
    const HEADS: usize = 4;

    /// Value of `bytes_left` while no head is awaited.
    const UNLIMITED: usize = usize::MAX;

    pub(crate) fn new(head_bytes_max: usize) -> Arc<Self> {
        Arc::new(Self {
            bytes_max: head_bytes_max
                .saturating_mul(Self::HEADS)
                .min(Self::UNLIMITED - 1),
            bytes_left: AtomicUsize::new(Self::UNLIMITED),
        })
    }

    /// A request is sent: its head is awaited.
    pub(crate) fn begin(&self) {
        self.bytes_left.store(self.bytes_max, Ordering::Relaxed);
    }

    /// The head is complete.
    pub(crate) fn end(&self) {
        self.bytes_left.store(Self::UNLIMITED, Ordering::Relaxed);
    }

    /// Whether nothing has come since the request was sent.
    pub(crate) fn is_untouched(&self) -> bool {
        self.bytes_left.load(Ordering::Relaxed) == self.bytes_max
    }

    fn take(&self, bytes: usize) {
        let left = self.bytes_left.load(Ordering::Relaxed);
        if left != Self::UNLIMITED {
            self.bytes_left
                .store(left.saturating_sub(bytes), Ordering::Relaxed);
        }
    }

    fn check(&self) -> io::Result<()> {
        match self.bytes_left.load(Ordering::Relaxed) {
            0 => Err(io::Error::other(HeadTooLong {
                bytes_max: self.bytes_max,
            })),
            _ => Ok(()),
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Stream<S> {
    pub(crate) fn plain(stream: S, allowance: Arc<HeadAllowance>) -> Self {
        Self {
            layer: Layer::Plain(stream),
            allowance,
        }
    }

    pub(crate) fn tls(stream: TlsStream<S>, allowance: Arc<HeadAllowance>) -> Self {
        Self {
            layer: Layer::Tls(Box::new(stream)),
            allowance,
        }
    }

    fn io(&mut self) -> Pin<&mut dyn Io> {
        match &mut self.layer {
            Layer::Plain(stream) => Pin::new(stream),
            Layer::Tls(stream) => Pin::new(stream),
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Stream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.allowance.check()?;
        let before = buf.filled().len();
        ready!(self.io().poll_read(cx, buf))?;
        self.allowance.take(buf.filled().len() - before);
        Poll::Ready(Ok(()))
    }
}

// Vectored writes included: with those, head and body of a request leave in one system call
// without being copied together.
impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Stream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.io().poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.io().poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        match &self.layer {
            Layer::Plain(stream) => stream.is_write_vectored(),
            Layer::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io().poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io().poll_shutdown(cx)
    }
}
