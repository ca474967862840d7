//! A host that publishes by the REST API, and the way from there to the sender.

use super::{Act, Fault, FaultKind, Plan, Tier, When};
use crate::chance::{Chance, Rolls};
use crate::workload::PAUSE_MAX_MS;
use serde::{Deserialize, Serialize};

/// A merchant platform's service. It asks again until it has an answer, with the same key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Client {
    /// The shortest way to the sender and back.
    pub latency_min_ms: u64,
    /// The longest.
    pub latency_max_ms: u64,
    /// How long it waits for an answer.
    pub patience_ms: u64,
    /// It asks on a connection that it has asked on before, if there is one.
    pub keeps_connections: bool,
}

/// What is wrong with the way between the client and the sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Way {
    /// Nothing gets through. It arrives when that is over.
    Held,
    /// Nothing gets through, and what was on its way is lost: connections hang for ever, and new
    /// ones are refused.
    Parted,
    /// Everything takes so much longer, in milliseconds.
    Slow(u64),
}

/// Faults of the way in one run.
const FAULTS_MAX: u64 = 6;

impl Client {
    /// A bound on the time from one try that fails in the storm to one that comes through after
    /// it.
    fn comes_through_in_ms(&self) -> u64 {
        2 * (self.patience_ms + PAUSE_MAX_MS + self.latency_max_ms)
    }
}

impl Plan {
    /// Whether the client does this, and not a caller in the sender's process.
    #[must_use]
    pub fn goes_by_api(&self, act: &Act) -> bool {
        self.client.is_some() && matches!(act, Act::Publish(publish) if publish.api)
    }

    /// Draws who publishes by the API, and what goes wrong on the way there. Apart from all the
    /// rest: the other runs know nothing of it.
    pub(super) fn draw_client(&mut self, chance: Chance) {
        let mut rolls = chance.of("client", 0, 0);
        if self.tier != Tier::Turmoil || !rolls.percent(60) {
            return;
        }
        let client = drawn(&mut rolls);
        let share = *rolls.pick(&[30, 60, 100]).unwrap_or(&60);
        let keyed = *rolls.pick(&[50, 100]).unwrap_or(&100);
        for step in &mut self.workload {
            if let Act::Publish(publish) = &mut step.act {
                publish.api = rolls.percent(share);
                if publish.api && publish.once.is_none() && rolls.percent(keyed) {
                    publish.once = u32::try_from(publish.content).ok();
                }
            }
        }
        for _ in 0..rolls.up_to(FAULTS_MAX) {
            let fault = self.fault_of_way(&mut rolls);
            self.faults.push(fault);
        }
        self.end.within_ms += client.comes_through_in_ms();
        self.client = Some(client);
    }

    /// Half of them begin with a commit: then it is an answer that does not come through.
    fn fault_of_way(&self, rolls: &mut Rolls) -> Fault {
        let span_ms = self.end.healed_at_ms;
        let when = if rolls.percent(50) {
            When::At(rolls.up_to(span_ms))
        } else {
            When::Commit(rolls.between(1, 3 * self.events() as u64))
        };
        let for_ms = rolls.between(1, span_ms / 4);
        let way = match rolls.up_to(4) {
            0..=1 => Way::Held,
            2..=3 => Way::Parted,
            _ => Way::Slow(rolls.up_to(2_000)),
        };
        let kind = FaultKind::ClientWay { for_ms, way };
        Fault { when, kind }
    }
}

fn drawn(rolls: &mut Rolls) -> Client {
    let latency_min_ms = rolls.up_to(20);
    Client {
        latency_min_ms,
        latency_max_ms: latency_min_ms + rolls.up_to(60),
        patience_ms: rolls.between(500, 3_000),
        keeps_connections: rolls.percent(50),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn about_half_of_the_turmoil_runs_have_a_client_and_no_other_run() {
        let plans = |tier| (0..200).map(move |seed| Plan::generate(seed, tier));
        let has_client = |plan: &Plan| plan.client.is_some();
        assert!(!plans(Tier::World).any(|plan| has_client(&plan)));
        let with_client: Vec<Plan> = plans(Tier::Turmoil).filter(has_client).collect();
        assert!((80..160).contains(&with_client.len()));
        let by_api = |plan: &Plan| plan.workload.iter().any(|step| plan.goes_by_api(&step.act));
        assert!(with_client.iter().all(by_api));
    }

    #[test]
    fn a_plan_without_a_client_is_written_as_before_there_were_any() {
        let text = Plan::generate(7, Tier::World).to_json();
        assert!(!text.contains("client") && !text.contains("api"));
        let read: Plan = serde_json::from_str(&text).unwrap();
        assert_eq!(read, Plan::generate(7, Tier::World));
    }
}
