//! The circuit breaker of an endpoint: after many failures in a row it lets one attempt through
//! at a time, and all of them again once one has succeeded. It delays; it never consumes an
//! attempt and never reorders.

use crate::time::{Mono, millis};
use std::time::Duration;

/// When the breaker opens and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerPolicy {
    /// Failed attempts in a row, over all lanes of the endpoint, that open it. At least 1;
    /// default 10. An attempt fails when it has no answer or is answered with a status that is
    /// retried; a rejection (any other 4xx) is an answer, and so is a 429 or 503 that asks for time
    /// with `Retry-After`, which holds the endpoint.
    pub failures: u32,
    /// How long it stays open before one attempt may probe. Default 30 s.
    pub cooldown: Duration,
    /// The cooldown doubles with each failed probe, up to this. Default 10 min.
    pub cooldown_max: Duration,
}

impl Default for BreakerPolicy {
    fn default() -> Self {
        Self {
            failures: 10,
            cooldown: Duration::from_secs(30),
            cooldown_max: Duration::from_secs(600),
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Breaker {
    #[default]
    Closed,
    /// Nothing goes out before `until`; then one probe. `probes` have failed since it opened.
    Open { until: Mono, probes: u32 },
    /// One attempt is out to probe. It may be early: then nothing else goes out before `until` if it
    /// tells nothing.
    Probing { until: Mono, probes: u32 },
}

/// What the breaker did on an outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turned {
    No,
    Opened(Mono),
    Closed,
}

impl Breaker {
    /// Whether an attempt may start: `Ok`, or not before the time given (`None`: not before the
    /// probe that is out has ended).
    pub(crate) fn ready(self, now: Mono) -> Result<(), Option<Mono>> {
        match self {
            Self::Closed => Ok(()),
            Self::Open { until, .. } if now >= until => Ok(()),
            Self::Open { until, .. } => Err(Some(until)),
            Self::Probing { .. } => Err(None),
        }
    }

    /// An attempt starts. Whether it is the probe.
    pub(crate) fn started(&mut self) -> bool {
        let Self::Open { until, probes } = *self else {
            return false;
        };
        *self = Self::Probing { until, probes };
        true
    }

    /// An attempt ended with an answer that was not a failure.
    pub(crate) fn succeeded(&mut self) -> Turned {
        if std::mem::take(self) == Self::Closed {
            Turned::No
        } else {
            Turned::Closed
        }
    }

    /// An attempt failed, the `failures`th in a row; `probe` if it was the probe.
    pub(crate) fn failed(
        &mut self,
        policy: &BreakerPolicy,
        failures: u32,
        probe: bool,
        now: Mono,
    ) -> Turned {
        let probes = match *self {
            Self::Closed if failures < policy.failures => return Turned::No,
            Self::Closed => 0,
            Self::Probing { probes, .. } if probe => probes.saturating_add(1),
            // A straggler from before it opened changes nothing.
            Self::Open { .. } | Self::Probing { .. } => return Turned::No,
        };
        let cooldown = millis(policy.cooldown)
            .saturating_mul(1_u64.checked_shl(probes).unwrap_or(u64::MAX))
            .min(millis(policy.cooldown_max.max(policy.cooldown)));
        let until = Mono(now.0.saturating_add(cooldown));
        *self = Self::Open { until, probes };
        Turned::Opened(until)
    }

    /// It stays open for no longer than until `now`; then one attempt may probe, if none is out.
    pub(crate) fn cut(&mut self, now: Mono) {
        if let Self::Open { until, .. } | Self::Probing { until, .. } = self {
            *until = now.min(*until);
        }
    }

    /// The probe that was out ended without telling anything (it was cancelled): it is as if there
    /// had been none.
    pub(crate) fn abandoned(&mut self) {
        if let Self::Probing { until, probes } = *self {
            *self = Self::Open { until, probes };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: BreakerPolicy = BreakerPolicy {
        failures: 3,
        cooldown: Duration::from_secs(1),
        cooldown_max: Duration::from_secs(3),
    };

    #[test]
    fn it_opens_probes_once_and_closes_on_success() {
        let mut breaker = Breaker::default();
        assert_eq!(breaker.failed(&POLICY, 2, false, Mono(0)), Turned::No);
        assert_eq!(
            breaker.failed(&POLICY, 3, false, Mono(0)),
            Turned::Opened(Mono(1000))
        );
        assert_eq!(breaker.ready(Mono(999)), Err(Some(Mono(1000))));
        assert_eq!(breaker.ready(Mono(1000)), Ok(()));
        assert!(breaker.started());
        assert_eq!(breaker.ready(Mono(5000)), Err(None));
        assert_eq!(breaker.succeeded(), Turned::Closed);
        assert_eq!(breaker.ready(Mono(5000)), Ok(()));
    }

    #[test]
    fn the_cooldown_doubles_with_each_failed_probe_up_to_its_cap() {
        let mut breaker = Breaker::default();
        let mut now = Mono(0);
        let mut cooldowns = Vec::new();
        for failures in 3..7 {
            let Turned::Opened(until) = breaker.failed(&POLICY, failures, true, now) else {
                panic!("it stays open");
            };
            cooldowns.push(until.0 - now.0);
            now = until;
            breaker.started();
        }
        assert_eq!(cooldowns, [1000, 2000, 3000, 3000]);
    }

    #[test]
    fn a_cut_lets_one_attempt_probe_at_once_and_only_that_one() {
        let mut breaker = Breaker::default();
        breaker.failed(&POLICY, 3, false, Mono(0));
        breaker.cut(Mono(10));
        assert_eq!(breaker.ready(Mono(10)), Ok(()));
        assert!(breaker.started());
        breaker.cut(Mono(20));
        assert_eq!(breaker.ready(Mono(20)), Err(None));
    }

    #[test]
    fn an_early_probe_that_tells_nothing_leaves_the_cooldown_as_it_was() {
        let mut breaker = Breaker::default();
        breaker.failed(&POLICY, 3, false, Mono(0));
        assert!(breaker.started());
        breaker.abandoned();
        assert_eq!(breaker.ready(Mono(999)), Err(Some(Mono(1000))));
        // One that is cut while the probe is out waits no longer than that.
        assert!(breaker.started());
        breaker.cut(Mono(20));
        breaker.abandoned();
        assert_eq!(breaker.ready(Mono(20)), Ok(()));
    }

    #[test]
    fn a_straggler_does_not_prolong_the_cooldown_nor_end_the_probe() {
        let mut breaker = Breaker::default();
        breaker.failed(&POLICY, 3, false, Mono(0));
        assert_eq!(breaker.failed(&POLICY, 4, false, Mono(500)), Turned::No);
        assert_eq!(breaker.ready(Mono(1000)), Ok(()));
        breaker.started();
        assert_eq!(breaker.failed(&POLICY, 5, false, Mono(1001)), Turned::No);
        assert_eq!(breaker.ready(Mono(9000)), Err(None));
    }
}
