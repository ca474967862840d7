//! Whether an attempt is retried, and when.

use crate::error::InvalidSpec;
use crate::id::Chance;
use crate::limits::Limits;
use crate::outcome::{Outcome, Response};
use crate::retry_after::retry_after;
use crate::time::{Wall, millis};
use std::time::Duration;

/// The retry policy of an endpoint.
#[derive(Clone, Debug, PartialEq)]
pub struct RetryPolicy {
    /// The delays before the second attempt, the third, and so on.
    pub schedule: Schedule,
    /// Each delay is drawn from its value ± this many per cent. 0 to 100; default 20.
    pub jitter_percent: u8,
    /// The longest wait that a receiver may ask for with `Retry-After` (RFC 9110, section
    /// 10.2.3). What it asks for beyond is cut to this; it never shortens the policy's own delay.
    /// With 429 and 503 it holds the whole endpoint. Default 1 h; zero: nobody is heard.
    pub retry_after_max: Duration,
    /// Statuses from 400 to 499 that are retried instead of failing at once. Default
    /// [`RetryPolicy::NOT_NOW`]; empty: none.
    pub also_retry: Vec<u16>,
}

/// Delays between attempts.
#[derive(Clone, Debug, PartialEq)]
pub enum Schedule {
    /// `first`, then each time `factor` times longer, never longer than `cap`.
    Exponential {
        /// The delay before the second attempt. Default 5 s.
        first: Duration,
        /// 1 to 100. Default 4.
        factor: f64,
        /// The longest delay. Default 1 h.
        cap: Duration,
        /// Attempts after the first one. Default 5, so at most 6 attempts.
        retries: u32,
    },
    /// These delays, one per retry.
    Delays(Vec<Duration>),
}

impl Default for RetryPolicy {
    /// Five retries, after 5 s, 20 s, 80 s, 5 min 20 s and 21 min 20 s: about 28 minutes in all, so
    /// that a receiver may be down for that long. In a lane an event that always fails holds those
    /// behind it for as long; ordering keys make narrower lanes.
    fn default() -> Self {
        Self::with_schedule(Schedule::Exponential {
            first: Duration::from_secs(5),
            factor: 4.0,
            cap: Duration::from_secs(3600),
            retries: 5,
        })
    }
}

impl RetryPolicy {
    /// The statuses below 500 that say "not now" and not "no": 408 Request Timeout (RFC 9110,
    /// section 15.5.9), 425 Too Early (RFC 8470, section 5.2), 429 Too Many Requests (RFC 6585,
    /// section 4).
    pub const NOT_NOW: [u16; 3] = [408, 425, 429];

    /// This schedule, and the defaults for the rest.
    #[must_use]
    pub fn with_schedule(schedule: Schedule) -> Self {
        Self {
            schedule,
            jitter_percent: 20,
            retry_after_max: Duration::from_secs(3600),
            also_retry: Self::NOT_NOW.to_vec(),
        }
    }

    /// Retries after 1, 5 and 15 minutes.
    #[must_use]
    pub fn minutes_1_5_15() -> Self {
        Self::with_schedule(Schedule::Delays(
            [1, 5, 15].map(|m| Duration::from_secs(m * 60)).into(),
        ))
    }

    /// The ladder that the Standard Webhooks specification recommends ("Deliverability"): ten
    /// attempts over 75 hours.
    #[must_use]
    pub fn standard_webhooks() -> Self {
        let seconds = [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400];
        Self::with_schedule(Schedule::Delays(seconds.map(Duration::from_secs).into()))
    }

    /// No retries at all.
    #[must_use]
    pub fn never() -> Self {
        Self::with_schedule(Schedule::Delays(Vec::new()))
    }

    /// Attempts after the first.
    #[must_use]
    pub fn retries(&self) -> u32 {
        match &self.schedule {
            Schedule::Exponential { retries, .. } => *retries,
            Schedule::Delays(delays) => u32::try_from(delays.len()).unwrap_or(u32::MAX),
        }
    }

    /// The delay before retry number `retry` (1 for the second attempt), before jitter.
    #[must_use]
    pub fn delay(&self, retry: u32) -> Duration {
        match &self.schedule {
            Schedule::Exponential {
                first, factor, cap, ..
            } => {
                let mut delay = first.as_secs_f64();
                for _ in 1..retry {
                    delay *= factor;
                    if delay >= cap.as_secs_f64() {
                        return *cap;
                    }
                }
                Duration::from_secs_f64(delay).min(*cap)
            }
            Schedule::Delays(delays) => {
                let place = (retry as usize).saturating_sub(1);
                delays.get(place).copied().unwrap_or_default()
            }
        }
    }

    /// The longest time that the policy can put between two attempts: a retry time read back
    /// after a restart is never further away, whatever the calendar did meanwhile.
    #[must_use]
    pub fn delay_max(&self) -> Duration {
        let longest = match &self.schedule {
            Schedule::Exponential { first, cap, .. } => (*cap).max(*first),
            Schedule::Delays(delays) => delays.iter().copied().max().unwrap_or_default(),
        };
        let jitter = longest * u32::from(self.jitter_percent) / 100;
        (longest + jitter).max(self.retry_after_max)
    }

    /// The delay before retry number `retry` after this response, with jitter and `Retry-After`.
    pub(crate) fn draw(
        &self,
        retry: u32,
        asked: Option<Duration>,
        chance: &mut Chance,
    ) -> Duration {
        let delay = millis(self.delay(retry));
        let spread = delay / 100 * u64::from(self.jitter_percent)
            + delay % 100 * u64::from(self.jitter_percent) / 100;
        let drawn = delay - spread + chance.up_to(2 * spread);
        let asked = asked.map_or(0, |asked| millis(asked.min(self.retry_after_max)));
        Duration::from_millis(drawn.max(asked))
    }

    pub(crate) fn check(&self, limits: &Limits) -> Result<(), InvalidSpec> {
        const LONGEST: Duration = Duration::from_secs(30 * 86_400);
        let delays_fit = match &self.schedule {
            Schedule::Exponential {
                first,
                factor,
                cap,
                retries,
            } => {
                let most = u32::try_from(limits.retries_max).unwrap_or(u32::MAX);
                if *retries > most {
                    return Err(InvalidSpec::TooManyRetries {
                        most: limits.retries_max,
                    });
                }
                if !(1.0..=100.0).contains(factor) {
                    return Err(InvalidSpec::RetryFactor);
                }
                *first <= LONGEST && *cap <= LONGEST
            }
            Schedule::Delays(delays) => {
                if delays.len() > limits.retries_max {
                    return Err(InvalidSpec::TooManyRetries {
                        most: limits.retries_max,
                    });
                }
                delays.iter().all(|delay| *delay <= LONGEST)
            }
        };
        if !delays_fit || self.retry_after_max > LONGEST {
            return Err(InvalidSpec::RetryDelay { most: LONGEST });
        }
        if self.jitter_percent > 100 {
            return Err(InvalidSpec::Jitter);
        }
        match self
            .also_retry
            .iter()
            .find(|status| !(400..500).contains(*status))
        {
            Some(status) => Err(InvalidSpec::AlsoRetry { status: *status }),
            None => Ok(()),
        }
    }
}

/// How long the receiver asks to be left alone, all deliveries of its endpoint together:
/// `Retry-After` with 429 (RFC 6585, section 4) or 503 (RFC 9110, section 15.6.4), within the clamp
/// of the policy. `None` where it asks for nothing.
pub(crate) fn asks_for_time(
    outcome: &Outcome,
    policy: &RetryPolicy,
    wall: Wall,
) -> Option<Duration> {
    let Outcome::Response(response) = outcome else {
        return None;
    };
    if !matches!(response.status, 429 | 503) {
        return None;
    }
    let asked = asked_for(&response.headers, wall)?.min(policy.retry_after_max);
    (!asked.is_zero()).then_some(asked)
}

/// How long the receiver has asked to wait with the `Retry-After` among the headers of an answer, which
/// came at `wall` (RFC 9110, section 10.2.3); `None` where it has sent none that can be read.
#[must_use]
pub fn asked_for(headers: &[(String, String)], wall: Wall) -> Option<Duration> {
    let named = |(name, _): &&(String, String)| name.eq_ignore_ascii_case("retry-after");
    let header = headers.iter().find(named);
    header.and_then(|(_, value)| retry_after(value, wall))
}

/// What an outcome means for its delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Delivered,
    /// To be tried again, not before what the receiver asked for.
    Retry {
        asked: Option<Duration>,
    },
    Fail(crate::FailReason),
}

impl Verdict {
    pub(crate) fn of(outcome: &Outcome, policy: &RetryPolicy, wall: Wall) -> Self {
        let response = match outcome {
            Outcome::Response(response) => response,
            Outcome::Failure(_) => return Self::Retry { asked: None },
        };
        match response.status {
            200..300 => Self::Delivered,
            300..400 => Self::Fail(crate::FailReason::Redirected),
            status if policy.also_retry.contains(&status) => Self::retry(response, wall),
            410 => Self::Fail(crate::FailReason::Gone),
            400..500 => Self::Fail(crate::FailReason::Rejected),
            // 5xx, and numbers that HTTP does not define: the receiver is not well.
            _ => Self::retry(response, wall),
        }
    }

    fn retry(response: &Response, wall: Wall) -> Self {
        Self::Retry {
            asked: asked_for(&response.headers, wall),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FailReason, Failure, FailureKind};
    use bytes::Bytes;

    fn answered(status: u16, headers: &[(&str, &str)]) -> Outcome {
        Outcome::Response(Response {
            status,
            headers: headers
                .iter()
                .map(|(n, v)| ((*n).into(), (*v).into()))
                .collect(),
            body: Bytes::new(),
            body_cut: false,
            head_ms: 1,
            repeated: None,
        })
    }

    #[test]
    fn the_default_makes_five_retries_over_28_minutes() {
        let policy = RetryPolicy::default();
        let seconds: Vec<u64> = (1..=5).map(|retry| policy.delay(retry).as_secs()).collect();
        assert_eq!(seconds, [5, 20, 80, 320, 1280]);
        assert_eq!(seconds.iter().sum::<u64>() / 60, 28);
        assert_eq!(policy.retries(), 5);
        assert_eq!(policy.delay(40), Duration::from_secs(3600));
    }

    #[test]
    fn the_standard_ladder_makes_ten_attempts_over_75_hours() {
        let policy = RetryPolicy::standard_webhooks();
        assert_eq!(policy.retries() + 1, 10);
        let total: Duration = (1..=9).map(|retry| policy.delay(retry)).sum();
        assert_eq!(total.as_secs() / 3600, 75);
    }

    #[test]
    fn jitter_stays_within_its_bounds_and_reaches_both_halves() {
        let policy = RetryPolicy::default();
        let mut chance = Chance::new([3; 32]);
        let drawn: Vec<u64> = (0..500)
            .map(|_| millis(policy.draw(1, None, &mut chance)))
            .collect();
        assert!(drawn.iter().all(|delay| (4_000..=6_000).contains(delay)));
        assert!(drawn.iter().any(|it| *it < 4_250) && drawn.iter().any(|it| *it > 5_750));
    }

    #[test]
    fn retry_after_lengthens_a_delay_within_its_clamp_and_never_shortens_it() {
        let policy = RetryPolicy {
            jitter_percent: 0,
            ..RetryPolicy::default()
        };
        let mut chance = Chance::new([3; 32]);
        let mut draw = |asked| policy.draw(1, Some(Duration::from_secs(asked)), &mut chance);
        assert_eq!(draw(0), Duration::from_secs(5));
        assert_eq!(draw(90), Duration::from_secs(90));
        assert_eq!(draw(u64::MAX / 1000), Duration::from_secs(3600));
    }

    #[test]
    fn the_status_decides() {
        let policy = RetryPolicy::default();
        let verdict = |status| Verdict::of(&answered(status, &[]), &policy, Wall(0));
        let retry = Verdict::Retry { asked: None };
        for (status, expected) in [
            (200, Verdict::Delivered),
            (204, Verdict::Delivered),
            (299, Verdict::Delivered),
            (301, Verdict::Fail(FailReason::Redirected)),
            (400, Verdict::Fail(FailReason::Rejected)),
            (404, Verdict::Fail(FailReason::Rejected)),
            (408, retry),
            (409, Verdict::Fail(FailReason::Rejected)),
            (410, Verdict::Fail(FailReason::Gone)),
            (421, Verdict::Fail(FailReason::Rejected)),
            (424, Verdict::Fail(FailReason::Rejected)),
            (425, retry),
            (429, retry),
            (499, Verdict::Fail(FailReason::Rejected)),
            (500, retry),
            (503, retry),
            (799, retry),
        ] {
            assert_eq!(verdict(status), expected, "{status}");
        }
        let failure = Outcome::Failure(Failure::new(FailureKind::Dns, ""));
        assert_eq!(Verdict::of(&failure, &policy, Wall(0)), retry);
    }

    #[test]
    fn an_owner_may_have_not_now_taken_as_no() {
        let policy = RetryPolicy {
            also_retry: Vec::new(),
            ..RetryPolicy::default()
        };
        let verdict = |status| Verdict::of(&answered(status, &[]), &policy, Wall(0));
        for status in RetryPolicy::NOT_NOW {
            assert_eq!(verdict(status), Verdict::Fail(FailReason::Rejected));
        }
        assert_eq!(verdict(503), Verdict::Retry { asked: None });
    }

    #[test]
    fn a_retried_status_carries_what_the_receiver_asked_for() {
        let policy = RetryPolicy::default();
        let outcome = answered(503, &[("Retry-After", "7")]);
        let asked = Some(Duration::from_secs(7));
        assert_eq!(
            Verdict::of(&outcome, &policy, Wall(0)),
            Verdict::Retry { asked }
        );
    }

    #[test]
    fn only_429_and_503_ask_for_the_whole_endpoint() {
        let policy = RetryPolicy {
            retry_after_max: Duration::from_secs(60),
            also_retry: Vec::new(),
            ..RetryPolicy::default()
        };
        let asks = |status, text| {
            asks_for_time(
                &answered(status, &[("retry-after", text)]),
                &policy,
                Wall(0),
            )
        };
        for status in [429, 503] {
            assert_eq!(asks(status, "7"), Some(Duration::from_secs(7)));
            assert_eq!(asks(status, "86400"), Some(Duration::from_secs(60)));
            assert_eq!(asks(status, "0"), None);
            assert_eq!(asks(status, "soon"), None);
        }
        for status in [200, 301, 408, 425, 500, 502] {
            assert_eq!(asks(status, "7"), None, "{status}");
        }
    }

    #[test]
    fn a_policy_that_cannot_be_kept_is_refused() {
        let limits = Limits::default();
        let refused = |change: fn(&mut RetryPolicy)| {
            let mut policy = RetryPolicy::default();
            change(&mut policy);
            policy.check(&limits).is_err()
        };
        assert!(!refused(|_| ()));
        assert!(refused(|policy| policy.jitter_percent = 101));
        assert!(refused(|policy| policy.also_retry = vec![500]));
        assert!(refused(
            |policy| policy.schedule = Schedule::Delays(vec![Duration::ZERO; 65])
        ));
        assert!(refused(
            |policy| policy.schedule = Schedule::Delays(vec![Duration::MAX])
        ));
        for factor in [f64::NAN, f64::INFINITY, 0.5, -1.0] {
            let mut policy = RetryPolicy::default();
            if let Schedule::Exponential { factor: slot, .. } = &mut policy.schedule {
                *slot = factor;
            }
            assert_eq!(
                policy.check(&limits),
                Err(InvalidSpec::RetryFactor),
                "{factor}"
            );
        }
    }
}
