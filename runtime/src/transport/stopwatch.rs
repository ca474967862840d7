//! How long each phase of an attempt takes.

use postrider_engine::PhaseTimes;
use std::time::Duration;
use tokio::time::Instant;

/// What an attempt spends its time on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    Queued,
    Dns,
    Connect,
    Tls,
    FirstByte,
}

/// One stage runs at a time, or none.
#[derive(Clone, Debug)]
pub(crate) struct Stopwatch {
    started: Instant,
    running: Option<(Stage, Instant)>,
    /// By stage.
    spent: [Option<Duration>; 5],
}

impl Stopwatch {
    pub(crate) fn start() -> Self {
        Self {
            started: Instant::now(),
            running: None,
            spent: [None; 5],
        }
    }

    pub(crate) fn started(&self) -> Instant {
        self.started
    }

    /// The stage that runs has ended, and this one begins.
    pub(crate) fn enter(&mut self, stage: Stage) {
        let now = Instant::now();
        self.stop(now);
        self.running = Some((stage, now));
    }

    /// The stage that runs ended at this time.
    pub(crate) fn stop(&mut self, at: Instant) {
        if let Some((stage, since)) = self.running.take() {
            let spent = &mut self.spent[stage as usize];
            *spent = Some(spent.unwrap_or_default() + at.duration_since(since));
        }
    }

    /// What was measured, if everything ended at this time.
    pub(crate) fn times(&self, at: Instant) -> PhaseTimes {
        let mut stopped = self.clone();
        stopped.stop(at);
        let of = |stage: Stage| stopped.spent[stage as usize].map(milliseconds);
        PhaseTimes {
            queued_ms: of(Stage::Queued),
            dns_ms: of(Stage::Dns),
            connect_ms: of(Stage::Connect),
            tls_ms: of(Stage::Tls),
            first_byte_ms: of(Stage::FirstByte),
            total_ms: milliseconds(at.duration_since(self.started)),
        }
    }
}

fn milliseconds(time: Duration) -> u32 {
    u32::try_from(time.as_millis()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::advance;

    async fn pass(milliseconds: u64) {
        advance(Duration::from_millis(milliseconds)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_stage_lasts_until_the_next_one_and_what_comes_twice_adds_up() {
        let mut watch = Stopwatch::start();
        pass(1).await;
        watch.enter(Stage::Dns);
        pass(20).await;
        watch.enter(Stage::Connect);
        pass(300).await;
        watch.enter(Stage::FirstByte);
        pass(4_000).await;
        watch.enter(Stage::Connect);
        pass(50).await;
        watch.enter(Stage::FirstByte);
        pass(600).await;
        let under_way = watch.times(Instant::now());
        assert_eq!(under_way.first_byte_ms, Some(4_600));
        watch.stop(Instant::now());
        pass(7).await;
        let expected = PhaseTimes {
            queued_ms: None,
            dns_ms: Some(20),
            connect_ms: Some(350),
            tls_ms: None,
            first_byte_ms: Some(4_600),
            total_ms: 4_978,
        };
        assert_eq!(watch.times(Instant::now()), expected);
    }
}
