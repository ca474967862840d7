//! What a receiver does with a connection, byte by byte.

use super::{Seen, Wire};
use std::borrow::Cow;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

type Bytes = Cow<'static, str>;

/// What a receiver does with a connection.
#[derive(Clone)]
pub(crate) enum Behaviour {
    /// Answers every request with these bytes and keeps the connection open.
    Answer(Bytes),
    /// The same, this much later.
    AnswerAfter(Duration, Bytes),
    /// Answers the first request on a connection with the first bytes. Takes a second one, says the
    /// second bytes, and hangs up.
    AnswerOnce(Bytes, Bytes),
    /// Answers the first request with these bytes and hangs up.
    AnswerAndHangUp(Bytes),
    /// Reads a little, says this whatever it was, and hangs up.
    Blurt(Bytes),
    /// Reads a little, answers, and reads no more.
    Interrupt(Bytes),
    /// Reads for ever and says nothing.
    Silence,
    /// Answers the first request with the first bytes, says the second ones a moment later, and
    /// hangs up.
    AnswerThenSpeak(Bytes, Bytes),
    /// Reads a request and hangs up.
    HangUp,
    /// Reads a request and says that it will say nothing, but leaves the connection open.
    HalfClose,
    /// Answers with these bytes, then resets the connection.
    Reset(Bytes),
    /// Answers with these bytes, then with one more every so often, for ever.
    Drip(Bytes, Duration),
    /// Answers with the first bytes, then with the second ones again and again, as fast as they
    /// are taken.
    Flood(Bytes, Bytes),
}

impl Behaviour {
    pub(super) async fn follow(self, mut stream: impl Wire, seen: &Seen) {
        let mut buffer = Vec::new();
        if let Self::Blurt(text) | Self::Interrupt(text) = &self {
            let _ = stream.read_buf(&mut buffer).await;
            let _ = stream.write_all(text.as_bytes()).await;
            if matches!(self, Self::Interrupt(_)) {
                tokio::time::sleep(Duration::from_secs(60)).await;
            }
            return;
        }
        while read_request(&mut stream, &mut buffer, seen).await.is_some() {
            let wrote = match &self {
                Self::Answer(answer) => stream.write_all(answer.as_bytes()).await,
                Self::AnswerAfter(delay, answer) => {
                    tokio::time::sleep(*delay).await;
                    stream.write_all(answer.as_bytes()).await
                }
                Self::AnswerOnce(answer, last_words) => {
                    let _ = stream.write_all(answer.as_bytes()).await;
                    let _ = read_request(&mut stream, &mut buffer, seen).await;
                    let _ = stream.write_all(last_words.as_bytes()).await;
                    return;
                }
                Self::AnswerAndHangUp(answer) => {
                    let _ = stream.write_all(answer.as_bytes()).await;
                    let _ = stream.shutdown().await;
                    return;
                }
                Self::AnswerThenSpeak(answer, farewell) => {
                    let _ = stream.write_all(answer.as_bytes()).await;
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    let _ = stream.write_all(farewell.as_bytes()).await;
                    let _ = stream.shutdown().await;
                    return;
                }
                Self::Silence | Self::Blurt(_) | Self::Interrupt(_) => Ok(()),
                Self::HangUp => return,
                Self::HalfClose => stream.shutdown().await,
                Self::Reset(answer) => {
                    let _ = stream.write_all(answer.as_bytes()).await;
                    // The other side is to read this before it sees the reset.
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    return;
                }
                Self::Drip(answer, every) => {
                    let wrote = stream.write_all(answer.as_bytes()).await;
                    drip(&mut stream, *every).await;
                    wrote
                }
                Self::Flood(first, again) => {
                    let wrote = stream.write_all(first.as_bytes()).await;
                    while stream.write_all(again.as_bytes()).await.is_ok() {}
                    wrote
                }
            };
            if wrote.is_err() {
                return;
            }
        }
    }
}

async fn drip(stream: &mut impl Wire, every: Duration) {
    while stream.write_all(b"x").await.is_ok() && stream.flush().await.is_ok() {
        tokio::time::sleep(every).await;
    }
}

/// Reads one request, its head and as much body as `content-length` says. None if the connection
/// ends before that.
async fn read_request(stream: &mut impl Wire, buffer: &mut Vec<u8>, seen: &Seen) -> Option<()> {
    loop {
        if let Some(bytes) = request_bytes(buffer).filter(|bytes| buffer.len() >= *bytes) {
            let rest = buffer.split_off(bytes);
            seen.request(std::mem::replace(buffer, rest));
            return Some(());
        }
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
}

/// The length of the request at the start of the buffer, once its head is there.
fn request_bytes(buffer: &[u8]) -> Option<usize> {
    let end = buffer.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(&buffer[..end]).to_lowercase();
    let length = head
        .split("\r\n")
        .find_map(|line| line.strip_prefix("content-length:"));
    Some(end + length.map_or(0, |length| length.trim().parse().unwrap()))
}
