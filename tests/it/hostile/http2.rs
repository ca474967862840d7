//! What a receiver does over HTTP/2.

use super::{Seen, Wire};
use bytes::Bytes;
use h2::server::{Builder, SendResponse};
use h2::{Reason, RecvStream};
use http::{Request, Response};
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

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
    /// Answers 421 to the second request of each connection, and 200 to the others.
    MisdirectSecond,
    /// Answers every request with these fields, whatever the protocol thinks of them, and "ok".
    Fields(&'static [(&'static str, &'static str)]),
    /// Answers with a head larger than anyone should read.
    HugeHead,
    /// Answers 201 with a body that never comes.
    NoBody,
    /// Takes requests and answers none.
    Silence,
}

impl Http2Behaviour {
    pub(super) async fn follow(self, stream: impl Wire, seen: &Arc<Seen>) {
        if let Self::Fields(fields) = self {
            // Whatever ends it ends the connection.
            let _ = answer_by_hand(stream, seen, fields).await;
            return;
        }
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
            Self::Answer { .. } | Self::GoAway | Self::Fields(_) => {
                answer(&mut respond, Response::new(()))
            }
            Self::RefuseSecond if number == 2 => respond.send_reset(Reason::REFUSED_STREAM),
            Self::RefuseSecond => answer(&mut respond, Response::new(())),
            Self::MisdirectSecond => {
                let status = if number == 2 { 421 } else { 200 };
                answer(
                    &mut respond,
                    Response::builder().status(status).body(()).unwrap(),
                );
            }
            Self::Reset(reason) => respond.send_reset(reason),
            Self::HugeHead => {
                let mut response = Response::new(());
                let value = "x".repeat(100_000).parse().unwrap();
                response.headers_mut().insert("x-huge", value);
                answer(&mut respond, response);
            }
            Self::NoBody => {
                let head = Response::builder().status(201).body(()).unwrap();
                let body = respond.send_response(head, false);
                tokio::time::sleep(Duration::from_secs(60)).await;
                drop(body);
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

const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const END_STREAM: u8 = 1;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;

/// HTTP/2, as far as it takes to answer: frames written by hand.
async fn answer_by_hand(
    mut stream: impl Wire,
    seen: &Arc<Seen>,
    fields: &[(&str, &str)],
) -> io::Result<()> {
    stream.read_exact(&mut [0; 24]).await?;
    stream.write_all(&frame(SETTINGS, 0, [0; 4], &[])).await?;
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).await?;
        let [high, middle, low, kind, flags, id @ ..] = head;
        let length = u32::from_be_bytes([0, high, middle, low]);
        let mut payload = vec![0; usize::try_from(length).unwrap()];
        stream.read_exact(&mut payload).await?;
        match kind {
            SETTINGS if flags & ACK == 0 => {
                stream.write_all(&frame(SETTINGS, ACK, id, &[])).await?;
            }
            PING if flags & ACK == 0 => stream.write_all(&frame(PING, ACK, id, &payload)).await?,
            0 | HEADERS if flags & END_STREAM != 0 => {
                seen.request(Vec::new());
                let mut answer = frame(HEADERS, END_HEADERS, id, &block(fields));
                answer.extend(frame(0, END_STREAM, id, b"ok"));
                stream.write_all(&answer).await?;
            }
            _ => {}
        }
    }
}

/// The fields as they are, short ones, in no table (RFC 7541, section 6.2.2).
fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            assert!(text.len() < 127);
            block.push(u8::try_from(text.len()).unwrap());
            block.extend(text.as_bytes());
        }
    }
    block
}

fn frame(kind: u8, flags: u8, id: [u8; 4], payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(id);
    frame.extend(payload);
    frame
}
