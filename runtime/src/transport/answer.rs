//! The response, as far as it is kept.

use super::limits::TransportLimits;
use bytes::Bytes;
use http::header::RETRY_AFTER;
use http::{HeaderMap, HeaderName, StatusCode};
use postrider_engine::{Failure, FailureKind, Outcome, Response};
use std::borrow::Cow;
use std::time::Duration;

/// A response whose head has arrived. It is an outcome from here on, whatever the body does.
#[derive(Debug)]
pub(crate) struct Answer {
    response: Response,
    body: Vec<u8>,
    body_bytes_max: usize,
}

impl Answer {
    /// Copies what is kept of the head, so that nothing pins the buffer it was read into.
    ///
    /// Interim responses are skipped before this, but for 101, which switches protocols. Nobody
    /// asked for that ([RFC 9110 section 15.2.2](https://www.rfc-editor.org/rfc/rfc9110#section-15.2.2)).
    pub(crate) fn new(
        status: StatusCode,
        headers: &HeaderMap,
        limits: &TransportLimits,
        body_bytes_max: usize,
        took: Duration,
    ) -> Result<Self, Failure> {
        if status.is_informational() {
            let detail = format_args!("{} without being asked to", status.as_u16());
            return Err(Failure::new(FailureKind::Malformed, detail));
        }
        Ok(Self {
            response: Response {
                status: status.as_u16(),
                headers: kept(headers, limits),
                body: Bytes::new(),
                body_cut: false,
                head_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
                repeated: None,
            },
            body: Vec::new(),
            body_bytes_max,
        })
    }

    /// Copies what still fits. Bytes beyond that cut the body.
    pub(crate) fn keep(&mut self, data: &[u8]) {
        let room = self.body_bytes_max - self.body.len();
        match data.split_at_checked(room) {
            Some((kept, rest)) => {
                self.body.extend_from_slice(kept);
                self.response.body_cut |= !rest.is_empty();
            }
            None => self.body.extend_from_slice(data),
        }
    }

    /// Whether no more of the body would be kept.
    pub(crate) fn is_full(&self) -> bool {
        self.body.len() == self.body_bytes_max
    }

    /// Whether the body is known to go on after what is kept.
    pub(crate) fn is_cut(&self) -> bool {
        self.response.body_cut
    }

    /// Notes that the body went on, or broke off.
    pub(crate) fn cut(&mut self) {
        self.response.body_cut = true;
    }

    pub(crate) fn finish(mut self) -> Outcome {
        // Exactly as large as its content: outcomes wait in queues and caches.
        self.response.body = Bytes::from(self.body.into_boxed_slice());
        Outcome::Response(self.response)
    }
}

fn kept(headers: &HeaderMap, limits: &TransportLimits) -> Vec<(String, String)> {
    let mut kept = Vec::with_capacity(headers.len().min(limits.kept_headers_max));
    let mut room = limits.kept_header_bytes_max;
    // The engine reads it, so no header before it may take its room.
    let is_read = |name: &HeaderName| *name == RETRY_AFTER;
    let first = headers.iter().filter(|(name, _)| is_read(name));
    let others = headers.iter().filter(|(name, _)| !is_read(name));
    for (name, value) in first.chain(others) {
        if kept.len() == limits.kept_headers_max {
            break;
        }
        // Most are UTF-8, which this tells faster than the lossy conversion.
        let value = str::from_utf8(value.as_bytes())
            .map_or_else(|_| String::from_utf8_lossy(value.as_bytes()), Cow::Borrowed);
        // One that is too large to keep must not hide those behind it.
        if let Some(left) = room.checked_sub(name.as_str().len() + value.len()) {
            room = left;
            kept.push((name.as_str().to_owned(), value.into_owned()));
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn answer(body_bytes_max: usize) -> Answer {
        let limits = TransportLimits::default();
        Answer::new(
            StatusCode::OK,
            &HeaderMap::new(),
            &limits,
            body_bytes_max,
            Duration::ZERO,
        )
        .unwrap()
    }

    fn finished(answer: Answer) -> Response {
        match answer.finish() {
            Outcome::Response(response) => response,
            Outcome::Failure(failure) => panic!("{failure}"),
        }
    }

    #[test]
    fn a_body_up_to_the_limit_is_whole() {
        let mut answer = answer(4);
        answer.keep(b"ab");
        assert!(!answer.is_full());
        answer.keep(b"cd");
        assert!(answer.is_full());
        let response = finished(answer);
        assert_eq!(
            (&response.body[..], response.body_cut),
            (&b"abcd"[..], false)
        );
    }

    #[test]
    fn a_longer_body_is_cut_at_the_limit() {
        let mut answer = answer(3);
        answer.keep(b"ab");
        answer.keep(b"cd");
        let response = finished(answer);
        assert_eq!((&response.body[..], response.body_cut), (&b"abc"[..], true));
    }

    #[test]
    fn headers_are_kept_within_their_number_and_bytes() {
        let limits = TransportLimits {
            kept_headers_max: 2,
            kept_header_bytes_max: 20,
            ..TransportLimits::default()
        };
        let mut headers = HeaderMap::new();
        headers.append(
            "huge",
            HeaderValue::from_static("larger than all the room there is"),
        );
        headers.append("retry-after", HeaderValue::from_static("7"));
        headers.append("latin", HeaderValue::from_bytes(b"\xe9").unwrap());
        headers.append("c", HeaderValue::from_static("3"));
        let pairs = [("retry-after", "7"), ("latin", "\u{fffd}")];
        let expected: Vec<_> = pairs.map(|(n, v)| (n.to_owned(), v.to_owned())).into();
        assert_eq!(kept(&headers, &limits), expected);
    }

    #[test]
    fn a_retry_after_behind_more_headers_than_are_kept_is_kept() {
        let limits = TransportLimits::default();
        for value in ["1", &"x".repeat(limits.kept_header_bytes_max / 8)] {
            let mut headers = HeaderMap::new();
            for number in 0..limits.kept_headers_max {
                let name = HeaderName::try_from(format!("x-{number}")).unwrap();
                headers.append(name, HeaderValue::from_str(value).unwrap());
            }
            headers.append("retry-after", HeaderValue::from_static("7"));
            let kept = kept(&headers, &limits);
            assert_eq!(kept[0], ("retry-after".to_owned(), "7".to_owned()));
            assert!(kept.len() > 1 && kept.len() <= limits.kept_headers_max);
        }
    }
}
