//! Many requests at once over HTTP/2 ([RFC 9113](https://www.rfc-editor.org/rfc/rfc9113)).

mod heads;
mod hpack;
mod huffman;
mod impatient;

use super::failure;
use super::http1::{Unanswered, closed};
use super::limits::TransportLimits;
use super::pool::{Connection, Shared};
use super::stream::Stream;
use bytes::Bytes;
use heads::Tidied;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use impatient::Impatient;
use postrider_engine::FailureKind;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncRead, AsyncWrite};

/// The most bytes of one response that may arrive before they are read.
pub(crate) const STREAM_WINDOW_BYTES: u32 = 64 * 1024;

/// The same for all responses of a connection together.
pub(crate) const CONNECTION_WINDOW_BYTES: u32 = 1024 * 1024;

/// The requests that leave before the receiver has said how many it takes at once. More might be
/// refused.
const STREAMS_UNTIL_TOLD: usize = 1;

/// A connection that a task drives for as long as there is a clone of this.
#[derive(Clone, Debug)]
pub(crate) struct Http2 {
    sender: http2::SendRequest<Full<Bytes>>,
    /// `SETTINGS_MAX_CONCURRENT_STREAMS` of the receiver, as it was known when the last request
    /// left. Whatever goes beyond it waits inside h2.
    streams_max: Arc<AtomicUsize>,
}

impl Http2 {
    pub(crate) async fn new<S>(stream: Stream<S>, limits: &TransportLimits) -> hyper::Result<Self>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let head_bytes_max = u32::try_from(limits.head_bytes_max()).unwrap_or(u32::MAX);
        let io = Impatient::new(Tidied::new(stream, limits.head_bytes_max()));
        let (sender, connection) = http2::Builder::new(TokioExecutor::new())
            .initial_max_send_streams(STREAMS_UNTIL_TOLD)
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .max_header_list_size(head_bytes_max)
            .handshake(TokioIo::new(io))
            .await?;
        let streams_max = Arc::new(AtomicUsize::new(connection.current_max_send_streams()));
        let heard = Arc::clone(&streams_max);
        tokio::spawn(async move {
            let mut connection = pin!(connection);
            poll_fn(|cx| {
                let polled = connection.as_mut().poll(cx);
                heard.store(connection.current_max_send_streams(), Ordering::Relaxed);
                polled
            })
            .await
        });
        Ok(Self {
            sender,
            streams_max,
        })
    }

    /// Sends the request and waits for the head of the response.
    pub(crate) async fn send(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, Unanswered> {
        self.sender
            .try_send_request(request)
            .await
            .map_err(|error| {
                let failure = failure::of_hyper(error.error());
                let silent = error.message().is_some()
                    || failure.kind == FailureKind::Reset && !failure::is_refusal(error.error());
                Unanswered {
                    failure,
                    again: closed(silent),
                }
            })
    }
}

impl Connection for Http2 {
    fn is_open(&self) -> bool {
        !self.sender.is_closed()
    }
}

impl Shared for Http2 {
    fn streams_max(&self) -> usize {
        match self.streams_max.load(Ordering::Relaxed) {
            // Most receivers allow many. If this one does not, requests wait inside h2.
            STREAMS_UNTIL_TOLD => usize::MAX,
            told => told,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::impatient::BLOCKED_MAX;
    use super::*;
    use crate::transport::stream::HeadWatch;
    use std::io::ErrorKind;
    use std::time::Duration;
    use tokio::io::{AsyncWriteExt, duplex};
    use tokio::time::{sleep, timeout};

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_its_receiver_does_not_read_ends_after_its_last_attempt() {
        // The first frames already fill it.
        let (ours, mut theirs) = duplex(64);
        let limits = TransportLimits::default();
        let stream = Stream::plain(ours, HeadWatch::new(limits.head_bytes_max()));
        let mut connection = Http2::new(stream, &limits).await.unwrap();
        let body = Full::new(Bytes::from_static(&[0; 4096]));
        let request = Request::post("https://example.com/").body(body).unwrap();
        let sent = timeout(Duration::from_secs(1), connection.send(request)).await;
        assert!(sent.is_err(), "there is no answer");
        drop(connection);
        sleep(BLOCKED_MAX * 2).await;
        // The other end is still there if this can be written.
        let wrote = theirs.write(&[0]).await;
        assert_eq!(wrote.unwrap_err().kind(), ErrorKind::BrokenPipe);
    }
}
