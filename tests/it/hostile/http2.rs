//! What a receiver does over HTTP/2.

use super::{Seen, Wire};
use bytes::Bytes;
use h2::server::{Builder, SendResponse};
use h2::{Reason, RecvStream};
use http::{Request, Response};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// What a receiver does over HTTP/2.
#[derive(Clone, Copy)]
pub(crate) enum Http2Behaviour {
    /// Answers 200 to every request after a moment, of so many at once.
    Answer {
        /// `SETTINGS_MAX_CONCURRENT_STREAMS`.
        streams_max: u32,
    },
    /// Answers 200 to the first request of a connection and says that it takes no more.
    GoAway,
    /// Resets the stream of every request for this reason.
    Reset(Reason),
    /// Refuses the second request of each connection, and answers the others.
    RefuseSecond,
    /// Answers with a head larger than anyone should read.
    HugeHead,
    /// Takes requests and answers none.
    Silence,
}

impl Http2Behaviour {
    pub(super) async fn follow(self, stream: impl Wire, seen: &Arc<Seen>) {
        let mut builder = Builder::new();
        if let Self::Answer { streams_max } = self {
            builder.max_concurrent_streams(streams_max);
        }
        let Ok(mut connection) = builder.handshake::<_, Bytes>(stream).await else {
            return;
        };
        let mut number = 0;
        while let Some(Ok((request, respond))) = connection.accept().await {
            number += 1;
            seen.request(request.uri().to_string().into_bytes());
            let handler = self.handle(number, request, respond, Arc::clone(seen));
            tokio::spawn(handler);
            if matches!(self, Self::GoAway) {
                connection.graceful_shutdown();
            }
        }
    }

    async fn handle(
        self,
        number: usize,
        request: Request<RecvStream>,
        mut respond: SendResponse<Bytes>,
        seen: Arc<Seen>,
    ) {
        let at_once = seen.streams.fetch_add(1, Ordering::SeqCst) + 1;
        seen.streams_at_once.fetch_max(at_once, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(30)).await;
        seen.streams.fetch_sub(1, Ordering::SeqCst);
        match self {
            Self::Answer { .. } | Self::GoAway => answer(&mut respond, Response::new(())),
            Self::RefuseSecond if number == 2 => respond.send_reset(Reason::REFUSED_STREAM),
            Self::RefuseSecond => answer(&mut respond, Response::new(())),
            Self::Reset(reason) => respond.send_reset(reason),
            Self::HugeHead => {
                let mut response = Response::new(());
                let value = "x".repeat(100_000).parse().unwrap();
                response.headers_mut().insert("x-huge", value);
                answer(&mut respond, response);
            }
            Self::Silence => {
                // As long as the request is held, so is the stream.
                tokio::time::sleep(Duration::from_secs(60)).await;
            }
        }
        drop(request);
    }
}

fn answer(respond: &mut SendResponse<Bytes>, head: Response<()>) {
    // The other side may have gone.
    if let Ok(mut body) = respond.send_response(head, false) {
        let _ = body.send_data(Bytes::from_static(b"ok"), true);
    }
}
