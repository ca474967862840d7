//! An end to writes that the receiver does not take.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// How long a receiver may take nothing of what is written. h2 closes a connection that nobody
/// needs any more only after the last frames have left, and for a receiver that does not read, that
/// would be never: the connection's socket and tasks would outlive every attempt on it.
///
/// As long as an attempt has by default. TLS takes up to 64 KiB before it says that it is blocked, so
/// a receiver that takes less than that in this time is given up, too.
pub(super) const BLOCKED_MAX: Duration = Duration::from_secs(30);

/// A connection whose writes fail when they have been blocked for too long.
#[derive(Debug)]
pub(super) struct Impatient<T> {
    io: T,
    /// Ends the patience; there is one only while a write is blocked.
    patience: Option<Pin<Box<Sleep>>>,
}

/// The receiver takes nothing.
#[derive(Debug, thiserror::Error)]
#[error("the receiver has read nothing for {} s", BLOCKED_MAX.as_secs())]
struct Unread;

impl<T> Impatient<T> {
    pub(super) fn new(io: T) -> Self {
        Self { io, patience: None }
    }

    /// What becomes of a write that was tried just now.
    fn judge<R>(
        &mut self,
        cx: &mut Context<'_>,
        tried: Poll<io::Result<R>>,
    ) -> Poll<io::Result<R>> {
        if tried.is_ready() {
            self.patience = None;
            return tried;
        }
        let patience = self
            .patience
            .get_or_insert_with(|| Box::pin(sleep(BLOCKED_MAX)));
        ready!(patience.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, Unread)))
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Impatient<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Impatient<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let tried = Pin::new(&mut self.io).poll_write(cx, buf);
        self.judge(cx, tried)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let tried = Pin::new(&mut self.io).poll_write_vectored(cx, bufs);
        self.judge(cx, tried)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let tried = Pin::new(&mut self.io).poll_flush(cx);
        self.judge(cx, tried)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let tried = Pin::new(&mut self.io).poll_shutdown(cx);
        self.judge(cx, tried)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
    use tokio::time::timeout;

    #[tokio::test(start_paused = true)]
    async fn a_write_that_nobody_takes_fails() {
        let (ours, theirs) = duplex(8);
        let mut ours = Impatient::new(ours);
        let wrote = timeout(BLOCKED_MAX * 2, ours.write_all(&[0; 64])).await;
        let error = wrote.expect("it does not wait for ever").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        drop(theirs);
    }

    #[tokio::test(start_paused = true)]
    async fn a_receiver_that_takes_something_now_and_then_is_waited_for() {
        let (ours, mut theirs) = duplex(8);
        let mut ours = Impatient::new(ours);
        let reading = tokio::spawn(async move {
            let mut came = [0; 8];
            for _ in 0..8 {
                sleep(BLOCKED_MAX * 2 / 3).await;
                theirs.read_exact(&mut came).await.unwrap();
            }
        });
        ours.write_all(&[0; 64]).await.unwrap();
        reading.await.unwrap();
    }
}
