//! Over any stretch of time no more is sent to an endpoint than its burst and what its rate adds
//! meanwhile. A change of the limit and a restart begin anew.

use super::Checker;
use crate::book::Book;
use crate::trace::{Line, Reply, What};
use crate::waits::ms;
use postrider_engine::{EndpointId, Mono, RateLimit};
use std::collections::BTreeMap;

#[derive(Default)]
pub(super) struct Rate {
    buckets: BTreeMap<EndpointId, Bucket>,
}

/// What is left, in requests times the milliseconds of a period.
struct Bucket {
    left: u64,
    at: Mono,
}

impl Checker for Rate {
    fn promise(&self) -> &'static str {
        "rate"
    }

    fn see(&mut self, line: &Line, book: &Book) -> Result<(), String> {
        match &line.what {
            What::Started { .. } => self.buckets.clear(),
            What::Answered {
                reply: Reply::Endpoint(Ok(endpoint)),
                ..
            } => {
                let before = book.endpoints.get(&endpoint.id);
                let before = before.and_then(|page| page.told.spec.rate_limit);
                if before != endpoint.spec.rate_limit {
                    self.buckets.remove(&endpoint.id);
                }
            }
            What::Sent(wire) if wire.is_first() => {
                if let Some(page) = book.endpoint_of(wire.delivery)
                    && let Some(limit) = page.told.spec.rate_limit
                {
                    let id = page.told.id;
                    let changing = !book.is_exact() && page.told.revision != page.durable.revision;
                    if changing {
                        self.buckets.remove(&id);
                        return Ok(());
                    }
                    return self.sent(id, &limit, wire.at.mono, book.slack_ms());
                }
            }
            _ => (),
        }
        Ok(())
    }
}

impl Rate {
    fn sent(
        &mut self,
        id: EndpointId,
        limit: &RateLimit,
        now: Mono,
        slack_ms: u64,
    ) -> Result<(), String> {
        let cost = ms(limit.per).max(1);
        let rate = u64::from(limit.requests);
        // Under turmoil two lines may stand closer together than their requests left.
        let most = cost * u64::from(limit.burst) + slack_ms * rate;
        let bucket = self.buckets.entry(id).or_insert(Bucket {
            left: most,
            at: now,
        });
        let added = now.0.saturating_sub(bucket.at.0).saturating_mul(rate);
        bucket.left = bucket.left.saturating_add(added).min(most);
        bucket.at = now;
        match bucket.left.checked_sub(cost) {
            Some(left) => {
                bucket.left = left;
                Ok(())
            }
            None => Err(format!("{id} gets more than {limit:?}")),
        }
    }
}
