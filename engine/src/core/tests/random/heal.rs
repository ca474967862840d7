//! All is well again: receivers answer, the store has room, nobody holds anything back.

use super::chaos::Chaos;
use crate::core::tests::harness::status;
use crate::endpoint_state::Existence;
use crate::{Command, EndpointChange, EndpointStatus, Input, Reason};

impl Chaos {
    /// Everything ends, in bounded time.
    pub(super) fn heal(&mut self) {
        self.stop_faults();
        for turn in 0.. {
            assert!(
                turn < 20_000,
                "stuck: {:?} {:?}",
                self.bench.reason,
                self.bench.core.footprint()
            );
            let idle = !self.answer_everything() && !self.unblock();
            if idle && self.bench.reason == Reason::Idle {
                break;
            }
            if idle {
                let armed = self.bench.host.armed.unwrap_or_else(|| {
                    panic!("nothing will happen: {:?}", self.bench.reason);
                });
                assert!(armed > self.bench.host.now.mono, "the timer spins");
                self.bench.move_clocks(armed);
                self.input(Input::Tick);
            }
        }
        self.check_rest();
        self.check_end();
    }

    /// One answer of each kind, if something waits for one.
    fn answer_everything(&mut self) -> bool {
        let host = &self.bench.host;
        let waits = !host.commits.is_empty()
            || !host.loads.is_empty()
            || !host.under_way.is_empty()
            || !self.applied.is_empty()
            || !self.read.is_empty();
        self.apply();
        self.answer_commit();
        self.read();
        self.answer_load();
        if let Some(sent) = self.bench.host.under_way.pop() {
            self.input(Input::AttemptDone(
                sent.request.attempt,
                status(200),
                Default::default(),
            ));
        }
        waits
    }

    /// Takes one hold away, if there is one.
    fn unblock(&mut self) -> bool {
        let core = &self.bench.core;
        let stopped = core.lanes.iter().find_map(|lane| lane.stopped_at);
        let here = core
            .endpoints
            .iter()
            .filter(|state| state.existence == Existence::Here);
        let held = here
            .map(|state| (state.id(), state.record.status))
            .find(|(_, status)| *status != EndpointStatus::Active);
        let command = match (held, stopped) {
            (Some((id, EndpointStatus::Paused)), _) => Command::Change(id, EndpointChange::Resume),
            (Some((id, _)), _) => Command::Change(id, EndpointChange::Enable),
            (None, Some(delivery)) if self.dice.percent(50) => Command::Discard(delivery),
            (None, Some(delivery)) => Command::Resend(delivery, None),
            (None, None) => return false,
        };
        let call = self.call();
        self.input(Input::Command(call, command));
        true
    }

    fn check_rest(&self) {
        let footprint = self.bench.core.footprint();
        assert_eq!(footprint.pending_deliveries, 0, "{footprint:?}");
        assert_eq!(footprint.pending_bytes, 0, "{footprint:?}");
        assert_eq!(footprint.window_deliveries, 0, "{footprint:?}");
        assert_eq!(footprint.payload_bytes, 0, "{footprint:?}");
        assert_eq!(footprint.slots, 0, "{footprint:?}");
        assert_eq!(footprint.commits, 0, "{footprint:?}");
        assert_eq!(self.bench.core.slots.failing, 0);
        let keyed = self
            .bench
            .core
            .lanes
            .iter()
            .filter(|lane| lane.id.key.get().is_some());
        assert_eq!(keyed.count(), 0, "lanes of ordering keys are forgotten");
        let store = &self.bench.host.store;
        for endpoint in store.endpoints() {
            assert_eq!(store.ledger(endpoint.id).pending, 0, "{}", endpoint.id);
        }
    }
}
