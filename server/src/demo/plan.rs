//! What is going to happen: drawn from the seed before anything does.

use super::chance::Chance;
use std::time::Duration;

/// How a receiver behaves. In the order of [`Behaviour::ALL`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Behaviour {
    Behave,
    Storm,
    Refuse,
    Reject,
    Hang,
    Exhaust,
}

/// Everything that is drawn from the seed.
pub(super) struct Plan {
    pub(super) endpoints: Vec<EndpointPlan>,
    /// What makes Postrider's own ids and jitter.
    pub(super) engine_seed: [u8; 32],
}

/// One endpoint, its receiver and its events.
pub(super) struct EndpointPlan {
    pub(super) behaviour: Behaviour,
    /// The 32 bytes of its secret.
    pub(super) secret: [u8; 32],
    /// How many lanes its events are spread over. If it is one, they have no ordering key.
    pub(super) lanes: usize,
    /// Its events, in the order in which they are submitted.
    pub(super) events: Vec<EventPlan>,
    /// Its port refuses connections for so long.
    pub(super) refuses_for: Duration,
    /// So many requests are never answered.
    pub(super) hangs: usize,
}

/// One event.
pub(super) struct EventPlan {
    pub(super) lane: usize,
    pub(super) answers: Answers,
    pub(super) submitted: Submitted,
}

/// What the receiver answers to the requests of one event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answers {
    Accept,
    /// This status so many times, then 200.
    FailFirst(usize, u16),
    /// This status every time.
    Always(u16),
}

/// How an event is submitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Submitted {
    Once,
    /// Twice with the same idempotency key, one call after the other.
    InARow,
    /// The same, both calls at once.
    AtOnce,
}

/// Of one endpoint, the most events that something happens to: so that a large run takes longer
/// for its requests only, and not for waiting.
const TROUBLED_MAX: usize = 12;

/// How long an attempt may take.
pub(super) const TIMEOUT: Duration = Duration::from_secs(10);

/// The same, where the receiver hangs: the demo is to end soon.
pub(super) const TIMEOUT_OF_HANGING: Duration = Duration::from_millis(300);

/// One event in so many is submitted twice.
const TWICE_EVERY: usize = 20;

impl Behaviour {
    pub(super) const ALL: [Self; 6] = [
        Self::Behave,
        Self::Storm,
        Self::Refuse,
        Self::Reject,
        Self::Hang,
        Self::Exhaust,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Behave => "behave",
            Self::Storm => "storm",
            Self::Refuse => "refuse",
            Self::Reject => "reject",
            Self::Hang => "hang",
            Self::Exhaust => "exhaust",
        }
    }

    /// What its receivers do.
    pub(super) fn story(self) -> &'static str {
        match self {
            Self::Behave => "answers 200",
            Self::Storm => "answers a run of events with 5xx at first",
            Self::Refuse => "refuses connections at first",
            Self::Reject => "answers some events with 4xx",
            Self::Hang => "accepts, and is silent at first",
            Self::Exhaust => "answers some events with 500, always",
        }
    }
}

impl Plan {
    pub(super) fn draw(seed: u64, events: usize, endpoints: usize) -> Self {
        let mut chance = Chance::new(seed);
        let every = Behaviour::ALL.iter().copied().cycle();
        let mut behaviours: Vec<Behaviour> = every.take(endpoints).collect();
        chance.shuffle(&mut behaviours);
        let share = |index| events / endpoints + usize::from(index < events % endpoints);
        let endpoints = behaviours.iter().enumerate();
        let endpoints = endpoints
            .map(|(index, behaviour)| EndpointPlan::draw(&mut chance, *behaviour, share(index)));
        Self {
            endpoints: endpoints.collect(),
            engine_seed: Chance::new(!seed).bytes(),
        }
    }
}

impl EndpointPlan {
    fn draw(chance: &mut Chance, behaviour: Behaviour, events: usize) -> Self {
        let lanes = if chance.once_in(2) {
            chance.within(2..=4)
        } else {
            1
        };
        let is = |other| behaviour == other;
        let refuses_for = if is(Behaviour::Refuse) {
            chance.within(100..=300) as u64
        } else {
            0
        };
        let mut plan = Self {
            behaviour,
            secret: chance.bytes(),
            lanes,
            events: (0..events)
                .map(|_| EventPlan::draw(chance, lanes))
                .collect(),
            refuses_for: Duration::from_millis(refuses_for),
            hangs: if is(Behaviour::Hang) {
                chance.within(2..=4)
            } else {
                0
            },
        };
        plan.draw_troubles(chance);
        plan
    }

    /// How long an attempt may take.
    pub(super) fn timeout(&self) -> Duration {
        if self.hangs > 0 {
            TIMEOUT_OF_HANGING
        } else {
            TIMEOUT
        }
    }

    fn draw_troubles(&mut self, chance: &mut Chance) {
        let end = self.events.len();
        let most = (end / 4).clamp(1, TROUBLED_MAX).min(end);
        let count = chance.within(most.min(1)..=most);
        match self.behaviour {
            Behaviour::Behave | Behaviour::Refuse | Behaviour::Hang => {}
            Behaviour::Storm => {
                let first = chance.within(0..=end - count);
                for event in &mut self.events[first..first + count] {
                    let status = chance.pick(&[500, 502, 503, 504]);
                    event.answers = Answers::FailFirst(chance.within(1..=4), status);
                }
            }
            Behaviour::Reject => {
                for index in chance.sample(count, end) {
                    let status = chance.pick(&[400, 404, 409, 422]);
                    self.events[index].answers = Answers::Always(status);
                }
            }
            Behaviour::Exhaust => {
                for index in chance.sample(count, end) {
                    self.events[index].answers = Answers::Always(500);
                }
            }
        }
    }
}

impl EventPlan {
    fn draw(chance: &mut Chance, lanes: usize) -> Self {
        let submitted = match chance.once_in(TWICE_EVERY) {
            false => Submitted::Once,
            true if chance.once_in(2) => Submitted::InARow,
            true => Submitted::AtOnce,
        };
        Self {
            lane: chance.within(0..=lanes - 1),
            answers: Answers::Accept,
            submitted,
        }
    }
}

impl Answers {
    /// The answer to the request with this number, counted from 1.
    pub(super) fn to_request(self, number: usize) -> u16 {
        match self {
            Self::FailFirst(times, status) if number <= times => status,
            Self::Accept | Self::FailFirst(..) => 200,
            Self::Always(status) => status,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn troubled(plan: &Plan) -> Vec<(usize, usize, Answers)> {
        let endpoints = plan.endpoints.iter().enumerate();
        let events = endpoints.flat_map(|(at, endpoint)| {
            endpoint
                .events
                .iter()
                .enumerate()
                .map(move |(event, it)| (at, event, it.answers))
        });
        events
            .filter(|(_, _, answers)| *answers != Answers::Accept)
            .collect()
    }

    #[test]
    fn the_same_seed_draws_the_same_plan_and_another_seed_another() {
        let draw = |seed| troubled(&Plan::draw(seed, 600, 12));
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
    }

    #[test]
    fn behaviours_and_events_are_spread_evenly() {
        let plan = Plan::draw(7, 1_001, 24);
        for behaviour in Behaviour::ALL {
            let alike = plan.endpoints.iter().filter(|it| it.behaviour == behaviour);
            assert_eq!(alike.count(), 4);
        }
        let counts = plan.endpoints.iter().map(|it| it.events.len());
        assert_eq!(counts.clone().sum::<usize>(), 1_001);
        assert!(counts.clone().all(|count| (41..=42).contains(&count)));
    }

    #[test]
    fn a_plan_can_be_drawn_for_every_number_of_events_and_endpoints() {
        for events in 0..20 {
            for endpoints in 1..20 {
                let plan = Plan::draw(3, events, endpoints);
                let drawn: usize = plan.endpoints.iter().map(|it| it.events.len()).sum();
                assert_eq!((drawn, plan.endpoints.len()), (events, endpoints));
            }
        }
    }
}
