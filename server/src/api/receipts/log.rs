//! The last receipts of one source.

use crate::api::page::{Filling, Page};
use crate::api::problem::Problem;
use crate::api::time::Time;
use postrider::EventId;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::fmt::Display;
use std::net::IpAddr;
use utoipa::ToSchema;

/// Receipts that are kept of a source.
pub(super) const KEPT: usize = 200;

/// How long they are together, as JSON: beyond, there are fewer.
const BYTES_MAX: usize = 96 << 10;

/// The longest detail, in characters.
const DETAIL_CHARS_MAX: usize = 240;

/// The longest id of a provider, in characters.
const ID_CHARS_MAX: usize = 128;

/// What has become of a request to a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ReceiptResult {
    /// It was taken.
    Accepted,
    /// It was taken, and had come before.
    Duplicate,
    /// It was refused, or its handlers have failed.
    Refused,
}

/// A request that has come to a source.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Receipt {
    /// When it came.
    at: Time,
    /// What has become of it.
    result: ReceiptResult,
    /// The code of the problem that it was answered with; see `/problems`.
    #[schema(example = "signature_refused")]
    code: Option<String>,
    /// Why it was refused, for the owner of the source: the sender was told less.
    detail: Option<String>,
    /// The event that it became or repeated.
    #[schema(example = "evt_01jd9x2m5tewh8q0v6n3r4y7za")]
    event_id: Option<String>,
    /// The provider's id of the event, as far as it was verified; a long one is cut.
    provider_id: Option<String>,
    /// The address that it came from, where it is known.
    #[schema(example = "192.0.2.7")]
    peer: Option<String>,
    /// How long its body was; `null` if it was not read to its end.
    bytes: Option<u64>,
}

/// At most so many characters, none of which controls a terminal.
fn cut(text: &str, most: usize) -> String {
    let plain = |character: char| match character.is_control() {
        true => ' ',
        false => character,
    };
    text.chars().take(most).map(plain).collect()
}

impl Receipt {
    /// A request that has come, of which nothing is known yet.
    pub(crate) fn begin(at: Time, peer: Option<IpAddr>) -> Self {
        Self {
            at,
            result: ReceiptResult::Accepted,
            code: None,
            detail: None,
            event_id: None,
            provider_id: None,
            peer: peer.map(|it| it.to_string()),
            bytes: None,
        }
    }

    /// Its body has come.
    pub(crate) fn got_body(&mut self, bytes: usize) {
        self.bytes = u64::try_from(bytes).ok();
    }

    /// So its provider calls the event.
    pub(crate) fn named(&mut self, provider_id: Option<&str>) {
        self.provider_id = provider_id.map(|id| cut(id, ID_CHARS_MAX));
    }

    /// It is this event, which is durable.
    pub(crate) fn became(&mut self, event: EventId, duplicate: bool) {
        self.event_id = Some(event.to_string());
        self.result = match duplicate {
            true => ReceiptResult::Duplicate,
            false => ReceiptResult::Accepted,
        };
    }

    /// What only the owner of the source is told. It holds neither secrets nor parts of the body.
    pub(crate) fn explain(&mut self, detail: impl Display) {
        self.detail = Some(cut(&detail.to_string(), DETAIL_CHARS_MAX));
    }

    /// It is answered with this.
    pub(crate) fn refused(&mut self, problem: &Problem) {
        self.result = ReceiptResult::Refused;
        self.code = Some(problem.code().to_owned());
        if self.detail.is_none() {
            self.explain(problem.detail());
        }
    }
}

/// The last receipts of one source, oldest first, each with a number: 0 for its first one.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Log {
    /// The number of the next one.
    next: u64,
    receipts: VecDeque<Receipt>,
}

impl Log {
    pub(super) fn read(text: &[u8]) -> Result<Self, serde_json::Error> {
        let mut log: Self = serde_json::from_slice(text)?;
        log.next = log.next.max(count(log.len()));
        Ok(log)
    }

    /// As it is kept. The oldest receipts go if all of them are too long.
    pub(super) fn written(&mut self) -> Result<Vec<u8>, serde_json::Error> {
        loop {
            let text = serde_json::to_vec(self)?;
            if text.len() <= BYTES_MAX || self.receipts.is_empty() {
                return Ok(text);
            }
            let oldest = self.receipts.len().div_ceil(8);
            self.receipts.drain(..oldest);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.receipts.len()
    }

    pub(super) fn push(&mut self, receipt: Receipt) {
        if self.receipts.len() >= KEPT {
            self.receipts.pop_front();
        }
        self.receipts.push_back(receipt);
        self.next += 1;
    }

    /// Appends what has come after it: another log, whose numbers go on after those of this one.
    pub(super) fn append(&mut self, newer: Self) {
        let next = self.next + newer.next;
        if newer.next > count(newer.len()) {
            // Some between are lost, and numbers have no gaps.
            self.receipts.clear();
        }
        for receipt in newer.receipts {
            self.push(receipt);
        }
        self.next = next;
    }

    /// Those before this number, newest first.
    pub(crate) fn page(self, before: Option<u64>, most: usize) -> Page<Receipt> {
        let mut filling = Filling::new(most);
        let mut number = self.next;
        let mut more = false;
        for receipt in self.receipts.into_iter().rev() {
            number -= 1;
            if before.is_some_and(|before| number >= before) {
                continue;
            }
            if !filling.add(&number.to_string(), receipt) {
                more = true;
                break;
            }
        }
        filling.page(more)
    }
}

fn count(receipts: usize) -> u64 {
    u64::try_from(receipts).unwrap_or(u64::MAX)
}
