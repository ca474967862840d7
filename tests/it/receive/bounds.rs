//! How much of a body is read, and what becomes of one that is late or breaks.

use super::{Answer, Headers, Moved, NOW, Service, Way, receiver, send, signed};
use crate::receiver::SECRET;
use axum::body::{Body, Bytes, HttpBody};
use hyper::body::Frame;
use postrider::receive::Receiver;
use postrider::signature::Scheme;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const BOUND: usize = 64;

/// A body without a length: it is sent in chunks.
struct Chunks(VecDeque<Bytes>);

impl Chunks {
    /// Of 10 bytes each, and the rest.
    fn of(bytes: &[u8]) -> Body {
        let chunks = bytes.chunks(10).map(Bytes::copy_from_slice);
        Body::new(Self(chunks.collect()))
    }
}

impl HttpBody for Chunks {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.pop_front().map(|chunk| Ok(Frame::data(chunk))))
    }
}

async fn bounded(way: Way, body_bytes_max: usize) -> Service {
    let receiver = receiver(Scheme::Standard, &[SECRET]);
    Service::start(way, receiver.body_bytes_max(body_bytes_max)).await
}

/// Sends these bytes and no more, and waits for the first line of the answer and for its body.
async fn told(service: &Service, bytes: &[u8]) -> (String, String) {
    let mut stream = TcpStream::connect(service.address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    // The server does not wait for the rest either: it closes.
    let read = stream.read_to_end(&mut answer);
    let ended = tokio::time::timeout(Duration::from_secs(20), read).await;
    ended.expect("an answer without the rest").unwrap();
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.lines().next().unwrap();
    (status.to_owned(), body.to_owned())
}

/// The head of a request as text, with these lines, and the signature of a body.
fn head(headers: &Headers, lines: &str) -> Vec<u8> {
    let mut head = format!("POST /webhooks HTTP/1.1\r\nhost: receiver.test\r\n{lines}");
    for (name, value) in headers {
        head += &format!("{name}: {}\r\n", str::from_utf8(value).unwrap());
    }
    (head + "\r\n").into_bytes()
}

#[tokio::test]
async fn a_body_may_be_exactly_as_long_as_the_bound() {
    for way in Way::BOTH {
        let service = bounded(way, BOUND).await;
        for length in [0, 1, BOUND - 1, BOUND, BOUND + 1, 2 * BOUND] {
            let body = vec![b'a'; length];
            let headers = signed(Scheme::Standard, &[SECRET], &body);
            let expected = || match length {
                0..=BOUND => Answer::handled(),
                _ => Answer::refused(413, "BODY_TOO_LARGE"),
            };
            let with_length = send(service.address, &headers, body.clone()).await;
            assert_eq!(with_length, expected(), "{way:?}, {length}");
            let chunked = send(service.address, &headers, Chunks::of(&body)).await;
            assert_eq!(chunked, expected(), "{way:?}, {length} in chunks");
        }
        let handled = service.handled().into_iter();
        let lengths: Vec<usize> = handled.map(|webhook| webhook.body.len()).collect();
        assert_eq!(lengths, [0, 0, 1, 1, 63, 63, 64, 64], "{way:?}");
    }
}

#[tokio::test]
async fn a_mebibyte_is_the_bound_unless_set_otherwise() {
    let bound = Receiver::BODY_BYTES_MAX_DEFAULT;
    assert_eq!(bound, 1_048_576);
    for way in Way::BOTH {
        let service = Service::start(way, receiver(Scheme::Standard, &[SECRET])).await;
        let body = vec![b'a'; bound];
        let headers = signed(Scheme::Standard, &[SECRET], &body);
        let answer = send(service.address, &headers, body).await;
        assert_eq!(answer, Answer::handled(), "{way:?}");
        let over = head(&headers, "content-length: 1048577\r\n");
        let (status, _) = told(&service, &over).await;
        assert_eq!(status, "HTTP/1.1 413 Payload Too Large", "{way:?}");
    }
}

#[tokio::test]
async fn what_is_announced_too_long_is_refused_before_it_is_sent() {
    for way in Way::BOTH {
        let service = bounded(way, BOUND).await;
        let headers = signed(Scheme::Standard, &[SECRET], b"");
        // A sender that asks first is not told to continue.
        for lines in [
            "content-length: 65\r\n",
            "content-length: 65\r\nexpect: 100-continue\r\n",
            "content-length: 4294967296\r\n",
        ] {
            let (status, body) = told(&service, &head(&headers, lines)).await;
            assert_eq!(status, "HTTP/1.1 413 Payload Too Large", "{way:?}");
            assert_eq!(body, r#"{"code":"BODY_TOO_LARGE"}"#, "{way:?}");
        }
        assert_eq!(service.handled(), [], "{way:?}");
    }
}

#[tokio::test]
async fn a_body_in_chunks_is_refused_where_it_passes_the_bound() {
    for way in Way::BOTH {
        let service = bounded(way, BOUND).await;
        let headers = signed(Scheme::Standard, &[SECRET], b"");
        // A chunk of 65 bytes, and the end never comes.
        let mut request = head(&headers, "transfer-encoding: chunked\r\n");
        request.extend_from_slice(b"41\r\n");
        request.extend_from_slice(&[b'a'; BOUND + 1]);
        let (status, body) = told(&service, &request).await;
        assert_eq!(status, "HTTP/1.1 413 Payload Too Large", "{way:?}");
        assert_eq!(body, r#"{"code":"BODY_TOO_LARGE"}"#, "{way:?}");
        assert_eq!(service.handled(), [], "{way:?}");
    }
}

#[tokio::test]
async fn a_body_that_breaks_is_refused() {
    for way in Way::BOTH {
        let service = bounded(way, BOUND).await;
        let headers = signed(Scheme::Standard, &[SECRET], b"a");
        let mut request = head(&headers, "transfer-encoding: chunked\r\n");
        request.extend_from_slice(b"1\r\na\r\nno length\r\n");
        let (status, body) = told(&service, &request).await;
        assert_eq!(status, "HTTP/1.1 400 Bad Request", "{way:?}");
        assert_eq!(body, r#"{"code":"BODY_UNREADABLE"}"#, "{way:?}");
        assert_eq!(service.handled(), [], "{way:?}");
    }
}

/// Else a copy of a request could be kept fresh by keeping its connection open.
#[tokio::test]
async fn the_age_is_judged_when_the_body_is_complete() {
    for way in Way::BOTH {
        let clock = Moved::to(NOW);
        let receiver = receiver(Scheme::Standard, &[SECRET]).clock(clock.clone());
        let service = Service::start(way, receiver).await;
        let headers = signed(Scheme::Standard, &[SECRET], b"a");
        let lines = "content-length: 1\r\nexpect: 100-continue\r\nconnection: close\r\n";
        let mut stream = TcpStream::connect(service.address).await.unwrap();
        stream.write_all(&head(&headers, lines)).await.unwrap();
        // It says so when it begins to read the body.
        let mut told = [0; "HTTP/1.1 100 Continue\r\n\r\n".len()];
        stream.read_exact(&mut told).await.unwrap();
        assert_eq!(told, *b"HTTP/1.1 100 Continue\r\n\r\n", "{way:?}");
        clock.on(301);
        stream.write_all(b"a").await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 400 "), "{way:?}: {answer}");
        assert!(answer.contains("TIMESTAMP_TOO_OLD"), "{way:?}: {answer}");
    }
}
