//! What one reading may hold of attempts and payloads: bytes, not records.

use postrider_engine::{Attempt, DeliveryRecord, HeaderLines, Outcome};

/// What is read at once, in bytes, as it is written in JSON. Beyond, a page ends, and of the attempts
/// of one record what came first is whole.
pub(crate) const READ_BYTES_MAX: usize = 4 << 20;

/// What an attempt takes beside its texts.
const ATTEMPT_BYTES: usize = 512;

/// Room for what is read.
pub(crate) struct Room {
    left: usize,
}

impl Room {
    pub(crate) fn new() -> Self {
        Self {
            left: READ_BYTES_MAX,
        }
    }

    /// Whether there is none left: details need not be read.
    #[cfg(feature = "sqlite")]
    pub(crate) fn is_full(&self) -> bool {
        self.left == 0
    }

    fn used(&self) -> usize {
        READ_BYTES_MAX - self.left
    }

    /// Takes so much, or all that is left. Whether there was as much.
    fn take(&mut self, bytes: usize) -> bool {
        let fits = bytes <= self.left;
        self.left = self.left.saturating_sub(bytes);
        fits
    }

    /// Takes what a payload needs, which is never left out.
    pub(crate) fn hold(&mut self, payload: &[u8]) {
        self.take(payload.len());
    }

    /// Leaves out of an attempt what there is no room for: its URL and headers, and the body of the
    /// answer, which is then marked as cut.
    pub(crate) fn fit(&mut self, attempt: &mut Attempt) {
        if self.take(bytes(attempt)) {
            return;
        }
        self.left = 0;
        attempt.sent.url = None;
        attempt.sent.headers = HeaderLines::default();
        if let Outcome::Response(response) = &mut attempt.outcome {
            response.headers = Vec::new();
            response.body = bytes::Bytes::new();
            response.body_cut = true;
        }
    }

    /// The same for a whole record.
    pub(crate) fn fit_record(&mut self, mut record: DeliveryRecord) -> DeliveryRecord {
        self.hold(&record.event.payload);
        record.attempts.iter_mut().for_each(|it| self.fit(it));
        record
    }

    /// Adds what another reading has used, if there is room for it.
    pub(crate) fn add(&mut self, other: &Self) -> bool {
        self.take(other.used())
    }
}

fn bytes(attempt: &Attempt) -> usize {
    let url = attempt.sent.url.as_deref().unwrap_or_default();
    let headers = shown(url.as_bytes()) + shown(attempt.sent.headers.as_str().as_bytes());
    let outcome = match &attempt.outcome {
        Outcome::Response(response) => {
            let lines = response.headers.iter();
            let lines = lines.map(|(name, value)| shown(name.as_bytes()) + shown(value.as_bytes()));
            lines.sum::<usize>() + shown(&response.body)
        }
        Outcome::Failure(failure) => shown(failure.detail.as_bytes()),
    };
    ATTEMPT_BYTES + headers + outcome
}

/// How long the bytes are as a text in JSON, at most: control characters are escaped, and what is no
/// UTF-8 becomes a replacement character.
fn shown(bytes: &[u8]) -> usize {
    let byte = |byte: &u8| match byte {
        0..=0x1f => 6,
        b'"' | b'\\' => 2,
        0x80.. => 3,
        _ => 1,
    };
    bytes.iter().map(byte).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use postrider_engine::{AttemptId, Response, Sent, Wall};

    fn attempt(body: &[u8]) -> Attempt {
        Attempt {
            id: AttemptId::from_u128(1),
            number: 1,
            started_at: Wall(0),
            duration_ms: 1,
            sent: Box::new(Sent {
                headers: HeaderLines::from_lines("a: b\n"),
                ..Sent::default()
            }),
            outcome: Outcome::Response(Response {
                status: 500,
                headers: vec![("a".into(), "b".into())],
                body: bytes::Bytes::copy_from_slice(body),
                body_cut: false,
                head_ms: 1,
                repeated: None,
            }),
        }
    }

    #[test]
    fn what_there_is_no_room_for_is_left_out_and_marked() {
        let mut room = Room::new();
        let whole = attempt(&[b'x'; 16 << 10]);
        let mut kept = 0;
        loop {
            let mut next = whole.clone();
            room.fit(&mut next);
            if next != whole {
                let Outcome::Response(response) = &next.outcome else {
                    unreachable!("it was answered")
                };
                assert!(response.body.is_empty() && response.body_cut);
                assert_eq!((response.status, response.headers.len()), (500, 0));
                break;
            }
            kept += 1;
        }
        assert_eq!(kept, READ_BYTES_MAX / bytes(&whole));
        assert!(room.is_full());
    }

    #[test]
    fn bytes_are_counted_as_they_are_shown() {
        for body in [&b"\0\x01\x1f"[..], b"\"\\", b"\xff\xfe", "é€".as_bytes()] {
            let text = String::from_utf8_lossy(body);
            let json = serde_json::to_string(&text).unwrap();
            assert!(shown(body) >= json.len() - 2, "{json}");
        }
    }
}
