//! A connection's bytes, and those among them that come before the head of a response is read.

use super::failure::HeadTooLong;
use super::head::{self, Head, START_BYTES_MAX};
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
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
    watch: Arc<HeadWatch>,
}

#[derive(Debug)]
enum Layer<S> {
    Plain(S),
    Tls(Box<TlsStream<S>>),
}

trait Io: AsyncRead + AsyncWrite + Unpin {}
impl<T: AsyncRead + AsyncWrite + Unpin> Io for T {}

/// What comes before the head of a response is read: its bound, and a copy of its start, to tell
/// from what the parser of heads does not.
#[derive(Debug)]
pub(crate) struct HeadWatch {
    bytes_max: usize,
    awaited: Mutex<Awaited>,
}

#[derive(Debug, Default)]
struct Awaited {
    /// The bytes that may still come; none while no head is awaited.
    bytes_left: Option<usize>,
    /// The start of what came, without what could be left out of it.
    start: Vec<u8>,
    /// Whether more came than is kept.
    full: bool,
}

impl HeadWatch {
    /// Interim responses, the head, and what of the body comes in the same turn count together,
    /// so there is room for some of each.
    const HEADS: usize = 4;

    pub(crate) fn new(head_bytes_max: usize) -> Arc<Self> {
        Arc::new(Self {
            bytes_max: head_bytes_max.saturating_mul(Self::HEADS),
            awaited: Mutex::default(),
        })
    }

    /// A request is sent: its head is awaited.
    pub(crate) fn begin(&self) {
        *self.lock() = Awaited {
            bytes_left: Some(self.bytes_max),
            ..Awaited::default()
        };
    }

    /// The head is no longer awaited: it is complete, or there will be none.
    pub(crate) fn end(&self) -> Came {
        let awaited = std::mem::take(&mut *self.lock());
        Came {
            nothing: awaited.bytes_left == Some(self.bytes_max),
            start: awaited.start,
        }
    }

    fn take(&self, bytes: &[u8]) {
        let mut awaited = self.lock();
        if let Some(left) = awaited.bytes_left {
            awaited.bytes_left = Some(left.saturating_sub(bytes.len()));
            awaited.keep(bytes);
        }
    }

    fn check(&self) -> io::Result<()> {
        match self.lock().bytes_left {
            Some(0) => Err(io::Error::other(HeadTooLong {
                bytes_max: self.bytes_max,
            })),
            _ => Ok(()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Awaited> {
        // A panic while it was held left no change half made: there is none that can panic.
        self.awaited.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Awaited {
    /// Keeps what there is room for. Interim responses are left out where they would fill it.
    fn keep(&mut self, mut bytes: &[u8]) {
        while !self.full && !bytes.is_empty() {
            if self.start.len() == START_BYTES_MAX {
                head::skip_interim(&mut self.start);
                self.full = self.start.len() == START_BYTES_MAX;
                continue;
            }
            let room = START_BYTES_MAX - self.start.len();
            let (kept, rest) = bytes.split_at(bytes.len().min(room));
            self.start.extend_from_slice(kept);
            bytes = rest;
        }
    }
}

/// What came in answer to a request.
#[derive(Debug)]
pub(crate) struct Came {
    nothing: bool,
    start: Vec<u8>,
}

impl Came {
    /// Whether not a byte came.
    pub(crate) fn is_nothing(&self) -> bool {
        self.nothing
    }

    /// Whether the head is complete and has no flaw.
    pub(crate) fn is_tidy(&self) -> bool {
        head::is_tidy(&self.start)
    }

    /// The head, as far as it can be read.
    pub(crate) fn head(&self) -> Option<Head> {
        head::read(&self.start)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Stream<S> {
    pub(crate) fn plain(stream: S, watch: Arc<HeadWatch>) -> Self {
        Self {
            layer: Layer::Plain(stream),
            watch,
        }
    }

    pub(crate) fn tls(stream: TlsStream<S>, watch: Arc<HeadWatch>) -> Self {
        Self {
            layer: Layer::Tls(Box::new(stream)),
            watch,
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
        self.watch.check()?;
        let before = buf.filled().len();
        ready!(self.io().poll_read(cx, buf))?;
        self.watch.take(&buf.filled()[before..]);
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
