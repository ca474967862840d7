//! Receivers whose heads are not as RFC 9112 wants them.

use super::{SECOND, Scenario, all_delivered, answering, calm, ensure, publish_to_each};
use crate::plan::{Answer, Delays, Tier};

/// Merchants: the first one answers 503, the others 200.
const MERCHANTS: usize = 6;

pub(super) const HEADS: Scenario = Scenario {
    name: "untidy-heads",
    story: "Merchants answer with folded lines, spaces before colons, control characters, lines \
            without a colon and hundreds of headers: what they answer 200 is delivered by its first \
            request, and what one of them answers 503 is sent again.",
    tier: Tier::Turmoil,
    plan: |seed| {
        let mut plan = calm("untidy-heads", seed, MERCHANTS);
        plan.tier = Tier::Turmoil;
        plan.receivers = vec![answering(Answer::Untidy(200)); MERCHANTS];
        plan.receivers[0] = answering(Answer::Untidy(503));
        for endpoint in &mut plan.endpoints {
            endpoint.timeout_ms = 2 * SECOND;
            endpoint.breaker = None;
            endpoint.retry.delays = Delays::Listed(vec![SECOND; 20]);
        }
        publish_to_each(&mut plan, 8, 200);
        plan.end.healed_at_ms = 8 * SECOND;
        plan.end.within_ms = 60 * SECOND;
        plan
    },
    end: |book| {
        all_delivered(book)?;
        for (id, delivery) in &book.deliveries {
            let again = super::receiver_of(book, delivery) == Some(0);
            ensure(again || delivery.attempts == 1, || {
                format!("{id} was tried {} times", delivery.attempts)
            })?;
        }
        let again = book.deliveries.values().any(|it| it.attempts > 1);
        ensure(again, || "nothing was sent again".to_owned())
    },
};
