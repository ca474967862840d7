//! What receivers and the ways to them do, by fault and by chance.

use crate::chance::Chance;
use crate::plan::{Answer, FaultKind, Plan, Way};
use std::collections::BTreeMap;

/// Where an answer shows itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In the answer of the name server.
    Lookup,
    /// On the way.
    Way,
    /// In the handshake.
    Handshake,
    /// In what is said to a request.
    Request,
}

/// The storms that go on, and what was drawn so far.
#[derive(Debug)]
pub(super) struct Weather {
    chance: Chance,
    receivers: Vec<ReceiverWeather>,
    /// What is wrong with the client's way, by fault.
    ways: BTreeMap<usize, Way>,
    healed: bool,
}

#[derive(Clone, Debug, Default)]
struct ReceiverWeather {
    /// By fault: in so many of a hundred cases this answer.
    storms: BTreeMap<usize, (u8, Answer)>,
    /// By fault: so much longer.
    delays: BTreeMap<usize, u64>,
    lookups: u64,
    dials: u64,
    handshakes: u64,
    requests: u64,
    /// When it took the last request, if it takes one at a time.
    taken_ms: Option<u64>,
}

impl Place {
    /// Where this answer shows itself.
    pub(super) fn of(answer: &Answer) -> Self {
        match answer {
            Answer::NoName | Answer::PrivateAddress => Self::Lookup,
            Answer::Refused | Answer::Unreachable => Self::Way,
            Answer::BadTls => Self::Handshake,
            _ => Self::Request,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Lookup => "lookup",
            Self::Way => "way",
            Self::Handshake => "handshake",
            Self::Request => "answer",
        }
    }
}

impl Weather {
    pub(super) fn new(chance: Chance, receivers: usize) -> Self {
        Self {
            chance,
            receivers: vec![ReceiverWeather::default(); receivers],
            ways: BTreeMap::new(),
            healed: false,
        }
    }

    /// A fault that lasts begins or ends.
    pub(super) fn change(&mut self, index: usize, kind: &FaultKind, on: bool) {
        if let FaultKind::ClientWay { way, .. } = kind {
            match on {
                true => self.ways.insert(index, *way),
                false => self.ways.remove(&index),
            };
            return;
        }
        let (FaultKind::Storm { receiver, .. } | FaultKind::Latency { receiver, .. }) = kind else {
            return;
        };
        let Some(state) = self.receivers.get_mut(*receiver) else {
            return;
        };
        match kind {
            FaultKind::Storm {
                percent, answer, ..
            } if on => {
                state.storms.insert(index, (*percent, answer.clone()));
            }
            FaultKind::Latency { add_ms, .. } if on => {
                state.delays.insert(index, *add_ms);
            }
            _ => {
                state.storms.remove(&index);
                state.delays.remove(&index);
            }
        }
    }

    pub(super) fn heal(&mut self) {
        self.healed = true;
        self.ways.clear();
        for receiver in &mut self.receivers {
            receiver.storms.clear();
            receiver.delays.clear();
        }
    }

    /// The longest and the shortest way there and back.
    pub(super) fn latency_ms(&self, plan: &Plan, receiver: usize) -> (u64, u64) {
        let delays = self.receivers.get(receiver).map(|it| &it.delays);
        let added: u64 = delays.map_or(0, |delays| delays.values().sum());
        let base = plan.receivers.get(receiver);
        let least = base.map_or(0, |it| it.latency_min_ms) + added;
        let most = base.map_or(0, |it| it.latency_max_ms) + added;
        (least, most.max(least))
    }

    /// The longest and the shortest way between the client and the sender, there and back; and
    /// what lets nothing through, if something does.
    pub(super) fn client_way(&self, plan: &Plan) -> Option<((u64, u64), Option<Way>)> {
        let client = plan.client?;
        let slow = self.ways.values().map(|way| match way {
            Way::Slow(add_ms) => *add_ms,
            Way::Held | Way::Parted => 0,
        });
        let added: u64 = slow.sum();
        let least = client.latency_min_ms + added;
        let most = (client.latency_max_ms + added).max(least);
        let mut shut = [Way::Parted, Way::Held].into_iter();
        let shut = shut.find(|shut| self.ways.values().any(|way| way == shut));
        ((least, most), shut).into()
    }

    /// Whether nothing gets through to the receiver, whoever tries.
    pub(super) fn is_cut_off(&self, receiver: usize) -> bool {
        let storms = self.receivers.get(receiver).map(|it| &it.storms);
        storms.is_some_and(|storms| {
            let cuts = |(percent, answer): &(u8, Answer)| {
                *percent >= 100 && *answer == Answer::Unreachable
            };
            storms.values().any(cuts)
        })
    }

    /// What the receiver says to a request that comes now, if this is what it does.
    pub(super) fn said(&mut self, receiver: usize, answer: &Answer, at_ms: u64) -> Answer {
        match self.receivers.get_mut(receiver) {
            Some(state) => answer.at(&mut state.taken_ms, at_ms),
            None => answer.clone(),
        }
    }

    /// What goes wrong there, the next time; for a request what is said to it. And the how manyth
    /// time it is.
    pub(super) fn next(
        &mut self,
        plan: &Plan,
        receiver: usize,
        place: Place,
    ) -> (u64, Option<Answer>) {
        let Some(state) = self.receivers.get_mut(receiver) else {
            return (0, None);
        };
        let count = match place {
            Place::Lookup => &mut state.lookups,
            Place::Way => &mut state.dials,
            Place::Handshake => &mut state.handshakes,
            Place::Request => &mut state.requests,
        };
        *count += 1;
        let number = *count;
        if self.healed {
            return (number, None);
        }
        let mut rolls = self.chance.of(place.name(), receiver as u64, number);
        for (percent, answer) in state.storms.values() {
            if rolls.percent(u64::from(*percent)) && Place::of(answer) == place {
                return (number, Some(answer.clone()));
            }
        }
        let answers = plan.receivers.get(receiver).map(|it| &it.answers[..]);
        let answers = answers.unwrap_or_default();
        // Every request has an answer; elsewhere what has its place there is one case of many.
        let weight = |it: &crate::plan::Weighted| {
            let counts = place != Place::Request || Place::of(&it.answer) == place;
            if counts { it.weight } else { 0 }
        };
        let drawn = answers.get(rolls.weighted(answers.iter().map(weight)));
        let drawn = drawn.map(|it| it.answer.clone());
        (number, drawn.filter(|answer| Place::of(answer) == place))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Tier, Weighted};

    fn plan() -> Plan {
        let mut plan = Plan::generate(1, Tier::Turmoil);
        let weighted = |answer, weight| Weighted { answer, weight };
        plan.receivers[0].answers = vec![
            weighted(Answer::Status(500), 1),
            weighted(Answer::Refused, 1),
        ];
        plan
    }

    #[test]
    fn an_answer_shows_only_in_its_place() {
        let plan = plan();
        let mut weather = Weather::new(Chance::new(1), 1);
        let mut refused = 0;
        for number in 1..=100 {
            let request = weather.next(&plan, 0, Place::Request);
            assert_eq!(request, (number, Some(Answer::Status(500))));
            match weather.next(&plan, 0, Place::Way).1 {
                Some(Answer::Refused) => refused += 1,
                other => assert_eq!(other, None),
            }
            assert_eq!(weather.next(&plan, 0, Place::Lookup).1, None);
        }
        assert!((20..80).contains(&refused), "{refused} of 100");
    }

    #[test]
    fn a_storm_passes_and_a_healed_world_has_none() {
        let plan = plan();
        let storm = FaultKind::Storm {
            receiver: 0,
            for_ms: 1,
            percent: 100,
            answer: Answer::Unreachable,
        };
        let mut weather = Weather::new(Chance::new(1), 1);
        weather.change(3, &storm, true);
        assert!(weather.is_cut_off(0));
        assert_eq!(
            weather.next(&plan, 0, Place::Way).1,
            Some(Answer::Unreachable)
        );
        weather.change(3, &storm, false);
        assert!(!weather.is_cut_off(0));
        weather.heal();
        assert_eq!(weather.next(&plan, 0, Place::Request).1, None);
    }
}
