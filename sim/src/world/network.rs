//! The model network: what comes of a request, and when.

use super::Host;
use super::agenda::Agenda;
use crate::chance::Chance;
use crate::plan::{Answer, FaultKind, Plan};
use crate::trace::{What, Wire};
use bytes::Bytes;
use postrider_engine::{AttemptId, Failure, FailureKind, Mono, Outcome, Phase, Response};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A body as a receiver sends it.
const BODY: &[u8] = b"{\"received\":true}";

/// A timer of the sender's host may be so late.
const TIMER_LATE_MAX_MS: u64 = 900;

/// What will happen on the network.
#[derive(Debug)]
pub(super) enum Packet {
    /// The request reaches the receiver.
    Arrive(u64),
    /// The sender learns how its attempt ended.
    Outcome(u64, Outcome),
    /// The sender's own timer ends the attempt.
    Deadline(u64),
}

/// A request under way, by its number.
#[derive(Clone, Debug)]
pub(super) struct Exchange {
    pub(super) attempt: AttemptId,
    /// The request, once for each delivery in it.
    pub(super) wires: Vec<Arc<Wire>>,
    receiver: usize,
    answer: Answer,
    /// There and back.
    latency_ms: u64,
    sent_ms: u64,
    /// When the sender's timer rings, in true time.
    timer_ms: u64,
    /// The head of a response, with its status, had come by then.
    head: Option<(u16, u64)>,
    /// What goes wrong with this one.
    pub(super) mishap: Option<FaultKind>,
}

#[derive(Debug)]
pub(super) struct Network {
    pub(super) packets: Agenda<Packet>,
    chance: Chance,
    receivers: Vec<ReceiverState>,
    pub(super) exchanges: BTreeMap<u64, Exchange>,
    by_attempt: BTreeMap<AttemptId, u64>,
    last: u64,
    healed: bool,
}

#[derive(Clone, Debug, Default)]
struct ReceiverState {
    requests: u64,
    /// When it took the last request, if it takes one at a time.
    taken_ms: Option<u64>,
    /// Storms over it, by fault: in so many of a hundred cases this answer.
    storms: BTreeMap<usize, (u8, Answer)>,
    /// Delays, by fault.
    delays: BTreeMap<usize, u64>,
    /// Faults that keep it down.
    down: BTreeMap<usize, ()>,
    dead: bool,
}

impl Network {
    pub(super) fn new(plan: &Plan, chance: Chance) -> Self {
        Self {
            packets: Agenda::new(),
            chance,
            receivers: vec![ReceiverState::default(); plan.receivers.len()],
            exchanges: BTreeMap::new(),
            by_attempt: BTreeMap::new(),
            last: 0,
            healed: false,
        }
    }

    /// A fault that lasts begins or ends.
    pub(super) fn weather(&mut self, index: usize, kind: &FaultKind, on: bool) {
        let receiver = match kind {
            FaultKind::Storm { receiver, .. }
            | FaultKind::Latency { receiver, .. }
            | FaultKind::ReceiverCrash { receiver, .. } => *receiver,
            _ => return,
        };
        let Some(state) = self.receivers.get_mut(receiver) else {
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
            FaultKind::ReceiverCrash { .. } if on => {
                state.down.insert(index, ());
            }
            _ => {
                state.storms.remove(&index);
                state.delays.remove(&index);
                state.down.remove(&index);
            }
        }
    }

    /// All is well again, except for the dead.
    pub(super) fn heal(&mut self, dead: &[usize]) {
        self.healed = true;
        for (index, receiver) in self.receivers.iter_mut().enumerate() {
            receiver.storms.clear();
            receiver.delays.clear();
            receiver.down.clear();
            receiver.dead = dead.contains(&index);
        }
    }

    /// What the receiver does with its next request.
    fn choose(&mut self, plan: &Plan, receiver: usize) -> (Answer, u64) {
        let Some(state) = self.receivers.get_mut(receiver) else {
            return (Answer::NoName, 0);
        };
        state.requests += 1;
        let number = state.requests;
        let mut rolls = self.chance.of("answer", receiver as u64, number);
        let base = plan.receivers.get(receiver);
        let latency = base.map_or(0, |base| {
            rolls.between(base.latency_min_ms, base.latency_max_ms)
        });
        let latency = latency + state.delays.values().sum::<u64>();
        if state.dead {
            return (Answer::Unreachable, latency);
        }
        if !state.down.is_empty() {
            return (Answer::Refused, latency);
        }
        if self.healed {
            return (Answer::Status(200), latency);
        }
        for (percent, answer) in state.storms.values() {
            if rolls.percent(u64::from(*percent)) {
                return (answer.clone(), latency);
            }
        }
        let answers = base.map_or(&[][..], |base| &base.answers);
        let index = rolls.weighted(answers.iter().map(|weighted| weighted.weight));
        let answer = answers.get(index).map(|weighted| weighted.answer.clone());
        (answer.unwrap_or(Answer::Status(200)), latency)
    }

    /// The sender is gone, or does not want to know any more.
    pub(super) fn forget(&mut self, attempt: AttemptId) -> Option<Exchange> {
        let number = self.by_attempt.remove(&attempt)?;
        self.exchanges.get(&number).cloned()
    }

    /// The sender's process has ended: nobody hears the answers. What was on its way may arrive.
    pub(super) fn hang_up(&mut self) {
        self.by_attempt.clear();
        let chance = self.chance;
        self.exchanges
            .retain(|number, _| chance.of("hang_up", *number, 0).percent(50));
    }
}

impl Host {
    /// A request leaves.
    pub(super) fn dispatch(
        &mut self,
        attempt: AttemptId,
        wires: Vec<Arc<Wire>>,
        deadline: Mono,
        mishap: Option<FaultKind>,
    ) {
        let url = wires.first().map(|wire| &*wire.url);
        let receiver = url.and_then(crate::book::Book::receiver_of);
        let receiver = receiver.unwrap_or(usize::MAX);
        let (answer, latency_ms) = self.network.choose(&self.plan, receiver);
        self.network.last += 1;
        let id = self.network.last;
        let mut rolls = self.chance.of("host", id, 0);
        let timer_late = if rolls.percent(15) {
            rolls.up_to(TIMER_LATE_MAX_MS)
        } else {
            0
        };
        let timer_ms = self.clocks.when(Mono(deadline.0 + timer_late));
        let exchange = Exchange {
            attempt,
            wires,
            receiver,
            latency_ms,
            sent_ms: self.at_ms,
            timer_ms,
            head: None,
            mishap,
            answer,
        };
        self.network.by_attempt.insert(attempt, id);
        let there = self.at_ms + latency_ms / 2;
        let fails = |kind, detail| Outcome::Failure(Failure::new(kind, detail));
        let failure = match &exchange.answer {
            Answer::Refused => Some(fails(FailureKind::Connect, "refused")),
            Answer::NoName => Some(fails(FailureKind::Dns, "no such name")),
            Answer::PrivateAddress => Some(fails(FailureKind::BlockedAddress, "private")),
            Answer::BadTls => Some(fails(FailureKind::Tls, "certificate")),
            _ => None,
        };
        let packets = &mut self.network.packets;
        match (&exchange.mishap, failure) {
            (Some(FaultKind::Forget), None) => packets.put(there, Packet::Arrive(id)),
            (Some(FaultKind::Forget), Some(_)) => (),
            (Some(FaultKind::Panic), _) => {
                let outcome = fails(FailureKind::Internal, "the task panicked");
                packets.put(there, Packet::Outcome(id, outcome));
            }
            (_, Some(failure)) => packets.put(there, Packet::Outcome(id, failure)),
            (_, None) => {
                if exchange.answer != Answer::Unreachable {
                    packets.put(there, Packet::Arrive(id));
                }
                packets.put(timer_ms, Packet::Deadline(id));
            }
        }
        self.network.exchanges.insert(id, exchange);
    }

    /// What the network does next. An outcome to hand to the engine, if that is it.
    pub(super) fn packet(&mut self, packet: Packet) -> Option<(Exchange, Outcome)> {
        match packet {
            Packet::Arrive(id) => {
                self.arrive(id);
                None
            }
            Packet::Outcome(id, outcome) => self.conclude(id, outcome),
            Packet::Deadline(id) => {
                let exchange = self.network.exchanges.get(&id)?;
                let outcome = match exchange.head {
                    Some((status, head_ms)) => response(status, head_ms, true, None),
                    None => {
                        let phase = match exchange.answer {
                            Answer::Unreachable => Phase::Connect,
                            _ => Phase::Response,
                        };
                        Outcome::Failure(Failure::new(FailureKind::Timeout(phase), "time is up"))
                    }
                };
                self.conclude(id, outcome)
            }
        }
    }

    fn conclude(&mut self, id: u64, outcome: Outcome) -> Option<(Exchange, Outcome)> {
        let exchange = self.network.exchanges.remove(&id)?;
        self.network.by_attempt.remove(&exchange.attempt)?;
        Some((exchange, outcome))
    }

    /// A request has reached its receiver.
    fn arrive(&mut self, id: u64) {
        let Some(mut exchange) = self.network.exchanges.get(&id).cloned() else {
            return;
        };
        let receiver = exchange.receiver;
        let mut state = self.network.receivers.get_mut(receiver);
        if let Some(state) = &mut state {
            exchange.answer = exchange.answer.at(&mut state.taken_ms, self.at_ms);
        }
        if state.is_some_and(|state| !state.down.is_empty() || state.dead) {
            let reset = Outcome::Failure(Failure::new(FailureKind::Reset, "reset"));
            let back = self.at_ms + exchange.latency_ms / 2;
            return self.network.packets.put(back, Packet::Outcome(id, reset));
        }
        for wire in &exchange.wires {
            self.note(What::Arrived {
                receiver,
                wire: Arc::clone(wire),
            });
        }
        for wire in &exchange.wires {
            self.note(What::Responded {
                receiver,
                delivery: wire.delivery,
                number: wire.number,
                answer: exchange.answer.clone(),
            });
        }
        if matches!(exchange.mishap, Some(FaultKind::Forget)) {
            return;
        }
        let mishap = self.response_fault().or_else(|| exchange.mishap.clone());
        self.respond(id, &exchange, mishap.as_ref());
    }

    fn respond(&mut self, id: u64, exchange: &Exchange, mishap: Option<&FaultKind>) {
        let mut back = self.at_ms + exchange.latency_ms.div_ceil(2);
        match mishap {
            Some(FaultKind::LoseResponse) => return,
            Some(FaultKind::DelayResponse { by_ms }) => back += by_ms,
            _ => (),
        }
        let fails = |kind, detail| Outcome::Failure(Failure::new(kind, detail));
        let outcome = match &exchange.answer {
            Answer::Hang | Answer::Unreachable => return,
            // What comes of an untidy head is seen in the other tier.
            Answer::Status(status) | Answer::Untidy(status) => {
                self.answered(exchange, back, *status, false, None)
            }
            Answer::RetryAfter(status, text) => {
                self.answered(exchange, back, *status, false, Some(text))
            }
            Answer::Late(status, ms) => {
                back += ms;
                self.answered(exchange, back, *status, false, None)
            }
            Answer::Drip(status, head_ms) => {
                back += head_ms;
                // The body goes on until the sender's timer rings.
                let head_ms = self.head_ms(exchange, back);
                if back <= exchange.timer_ms
                    && let Some(known) = self.network.exchanges.get_mut(&id)
                {
                    known.head = Some((*status, head_ms));
                }
                return;
            }
            Answer::ResetInBody(status) | Answer::EndlessBody(status) => {
                self.answered(exchange, back, *status, true, None)
            }
            // It was made of one of these when the request arrived.
            Answer::OneEvery(_) => return,
            Answer::Malformed => fails(FailureKind::Malformed, "not HTTP"),
            Answer::EndlessHead => fails(FailureKind::TooLarge, "the head is too large"),
            Answer::Reset
            | Answer::Refused
            | Answer::NoName
            | Answer::PrivateAddress
            | Answer::BadTls => fails(FailureKind::Reset, "reset"),
        };
        let outcome = match mishap {
            Some(FaultKind::ResetResponse) => fails(FailureKind::Reset, "reset"),
            _ => outcome,
        };
        // What comes after the timer has rung is not heard.
        if back < exchange.timer_ms {
            self.network.packets.put(back, Packet::Outcome(id, outcome));
        }
    }

    fn answered(
        &self,
        exchange: &Exchange,
        at_ms: u64,
        status: u16,
        cut: bool,
        retry_after: Option<&str>,
    ) -> Outcome {
        let head_ms = self.head_ms(exchange, at_ms);
        response(status, head_ms, cut, retry_after)
    }

    /// How long the head took, by the sender's clock.
    fn head_ms(&self, exchange: &Exchange, at_ms: u64) -> u64 {
        let sent = self.clocks.now(exchange.sent_ms).mono;
        self.clocks.now(at_ms).mono.0.saturating_sub(sent.0)
    }

    /// The engine gives a request up.
    pub(super) fn give_up(&mut self, attempt: AttemptId) {
        if let Some(exchange) = self.network.forget(attempt) {
            for wire in &exchange.wires {
                self.note(What::Cancelled {
                    delivery: wire.delivery,
                    number: wire.number,
                });
            }
        }
    }
}

fn response(status: u16, head_ms: u64, cut: bool, retry_after: Option<&str>) -> Outcome {
    let headers = retry_after.map(|text| ("retry-after".to_owned(), text.to_owned()));
    Outcome::Response(Response {
        status,
        headers: headers.into_iter().collect(),
        body: Bytes::from_static(BODY),
        body_cut: cut,
        head_ms,
        repeated: None,
    })
}
