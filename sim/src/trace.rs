//! The trace of a run: one line per thing that happened, with its time and its host.
//!
//! Both simulators write the same lines; checkers read them, and their text is hashed. The same
//! plan gives the same text, byte for byte, in any process on any machine.

mod text;

use crate::plan::{Answer, FaultKind};
use bytes::Bytes;
use postrider_engine::{
    BatchId, CallId, Change, Closed, CommitError, DeliveryId, DeliveryState, DiscardError, Drained,
    Endpoint, EndpointChange, EndpointError, EndpointId, EventId, Fact, LaneId, Ledger, Load,
    MemoryStore, NewEvent, Now, Outcome, PublishError, Published, Receipt, ResendError, RetryError,
    Seq, Wall,
};
use sha2::{Digest, Sha256};
use std::sync::Arc;

pub use text::Names;

/// One thing that happened.
#[derive(Clone, Debug)]
pub struct Line {
    /// Its place in the trace, from 0.
    pub number: u64,
    /// True time: simulated milliseconds since the start of the run.
    pub at_ms: u64,
    /// The sender's clocks at that moment.
    pub now: Now,
    /// What it was.
    pub what: What,
}

/// What happened.
#[derive(Clone, Debug)]
pub enum What {
    /// The sender's process starts on what its store holds; `life` counts from 1.
    Started {
        /// Which life.
        life: u32,
    },
    /// The sender's process ends.
    Stopped(Stop),
    /// A publisher or an administrator calls the sender.
    Called {
        /// The number of the call.
        call: CallId,
        /// The step of the plan that makes it.
        step: Option<usize>,
        /// What is asked for.
        wish: Wish,
    },
    /// The caller has its answer.
    Answered {
        /// The number of the call.
        call: CallId,
        /// The answer.
        reply: Reply,
    },
    /// The engine asks for a commit (the world tier alone sees this).
    CommitAsked {
        /// Its number.
        batch: BatchId,
        /// What it holds.
        change: Change,
    },
    /// A change is durable: no crash can undo it.
    Durable {
        /// The change.
        change: Change,
        /// What the store answers, if its process lives to hear it.
        receipt: Receipt,
    },
    /// A commit is refused or of unknown outcome.
    NotDurable {
        /// Its number.
        batch: BatchId,
        /// Why.
        error: CommitError,
    },
    /// The engine reads.
    LoadAsked(Load),
    /// It gets so many deliveries.
    Loaded {
        /// The lane.
        lane: LaneId,
        /// How many.
        deliveries: usize,
        /// Through this place.
        through: Seq,
    },
    /// A request leaves the engine.
    Sent(Arc<Wire>),
    /// A request has arrived at a receiver, whole.
    Arrived {
        /// Which.
        receiver: usize,
        /// The request as it came.
        wire: Arc<Wire>,
    },
    /// A receiver answers.
    Responded {
        /// Which.
        receiver: usize,
        /// To the attempt of this delivery …
        delivery: DeliveryId,
        /// … with this number.
        number: u32,
        /// What it does.
        answer: Answer,
    },
    /// The engine is told how an attempt ended.
    Outcome {
        /// Its delivery.
        delivery: DeliveryId,
        /// Its number.
        number: u32,
        /// How.
        outcome: Arc<Outcome>,
    },
    /// The engine gives a request up.
    Cancelled {
        /// Its delivery.
        delivery: DeliveryId,
        /// Its number.
        number: u32,
    },
    /// The engine says that this happened.
    Fact(Fact),
    /// A fault strikes.
    Fault {
        /// Its place in the plan.
        index: usize,
        /// What it is.
        kind: FaultKind,
    },
    /// A fault is over.
    FaultOver {
        /// Its place in the plan.
        index: usize,
    },
    /// From now on nothing goes wrong but what stays dead.
    Healed,
    /// What the store holds, read after a start and at the end.
    Audit(Box<Audit>),
}

/// Why a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// It was killed.
    Killed,
    /// The power went.
    PowerLost,
    /// It had drained.
    Drained,
    /// Its store failed.
    StoreFailed,
    /// The run is over.
    End,
}

/// What is asked of the sender.
#[derive(Clone, Debug)]
pub enum Wish {
    /// To publish this.
    Publish(NewEvent),
    /// To register the endpoint at this place of the plan.
    Register(usize),
    /// To change an endpoint.
    Change(EndpointId, EndpointChange),
    /// To delete an endpoint.
    Delete(EndpointId),
    /// To resend a delivery.
    Resend(DeliveryId),
    /// To discard a delivery.
    Discard(DeliveryId),
    /// To send a delivery that waits at once.
    RetryNow(DeliveryId),
    /// To drain until then at most, in true time.
    Drain {
        /// When everything under way is given up.
        deadline_ms: u64,
    },
}

/// What the caller got.
#[derive(Clone, Debug)]
pub enum Reply {
    /// To a publish.
    Published(Result<Published, PublishError>),
    /// To a register or a change.
    Endpoint(Result<Box<Endpoint>, EndpointError>),
    /// To a delete.
    Deleted(Result<(), EndpointError>),
    /// To a resend.
    Resent(Result<DeliveryId, ResendError>),
    /// To a discard.
    Discarded(Result<(), DiscardError>),
    /// To a retry by hand.
    RetriedNow(Result<(), RetryError>),
    /// To a drain.
    Drained(Drained),
    /// Nothing: the process ended first, or was not there.
    Nothing(Closed),
}

/// A request as it is on the wire.
#[derive(Clone, Debug)]
pub struct Wire {
    /// The life of the sender that sent it.
    pub life: u32,
    /// Its delivery.
    pub delivery: DeliveryId,
    /// Its event.
    pub event: EventId,
    /// Its number among the attempts of the delivery.
    pub number: u32,
    /// All deliveries in the request, this one among them, in order; none where each goes alone.
    /// Each of them has lines of its own.
    pub batch: Arc<[DeliveryId]>,
    /// Its URL.
    pub url: Arc<str>,
    /// All its headers.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: Bytes,
    /// The sender's clocks when it left.
    pub at: Now,
    /// How long it may take, in milliseconds of the sender's monotonic clock.
    pub timeout_ms: u64,
}

/// What a store holds.
#[derive(Clone, Debug, Default)]
pub struct Audit {
    /// It is the last one: the run is over.
    pub last: bool,
    /// Every delivery that the trace has shown and the store knows.
    pub deliveries: Vec<Audited>,
    /// The account of every endpoint that the trace has shown.
    pub ledgers: Vec<(EndpointId, Ledger)>,
    /// The dead letters of every endpoint that the store knows.
    pub dead: Vec<(EndpointId, Vec<DeliveryId>)>,
}

/// What a store holds of a delivery.
#[derive(Clone, Debug)]
pub struct Audited {
    /// Its id.
    pub id: DeliveryId,
    /// Its event.
    pub event: EventId,
    /// Its lane.
    pub lane: LaneId,
    /// Its place there.
    pub seq: Seq,
    /// Its state.
    pub state: DeliveryState,
    /// The numbers of its attempts.
    pub attempts: Vec<u32>,
    /// The payload of its event.
    pub payload: Bytes,
    /// When it ended.
    pub ended_at: Option<Wall>,
}

impl Audit {
    /// Reads what a store holds of these deliveries and endpoints.
    #[must_use]
    pub fn of<'a>(
        store: &MemoryStore,
        deliveries: impl Iterator<Item = &'a DeliveryId>,
        endpoints: impl Iterator<Item = &'a EndpointId>,
        last: bool,
    ) -> Self {
        let records = deliveries.filter_map(|id| store.delivery(*id));
        let deliveries = records.map(|record| Audited {
            id: record.id,
            event: record.event.id,
            lane: record.lane,
            seq: record.seq,
            state: record.state,
            attempts: record
                .attempts
                .iter()
                .map(|attempt| attempt.number)
                .collect(),
            payload: record.event.payload.clone(),
            ended_at: record.ended_at,
        });
        let dead = store.endpoints().map(|endpoint| {
            let dead = store.dead_letters(endpoint.id);
            (endpoint.id, dead.map(|record| record.id).collect())
        });
        Self {
            last,
            deliveries: deliveries.collect(),
            ledgers: endpoints.map(|id| (*id, store.ledger(*id))).collect(),
            dead: dead.collect(),
        }
    }
}

/// Hashes lines, and keeps them if it is asked to.
pub struct Trace {
    names: Names,
    hash: Sha256,
    text: String,
    kept: Option<Vec<String>>,
}

impl Trace {
    /// An empty trace; `keep` for one whose text will be read.
    #[must_use]
    pub fn new(keep: bool) -> Self {
        Self {
            names: Names::default(),
            hash: Sha256::new(),
            text: String::new(),
            kept: keep.then(Vec::new),
        }
    }

    /// Adds a line.
    pub fn add(&mut self, line: &Line) {
        self.text.clear();
        text::write(line, &mut self.names, &mut self.text);
        self.end_line();
    }

    /// Adds a line that no checker reads: a packet on a simulated network.
    pub fn add_text(&mut self, at_ms: u64, text: std::fmt::Arguments<'_>) {
        use std::fmt::Write as _;
        self.text.clear();
        // Writing to a string does not fail.
        let _ = write!(self.text, "{at_ms:>10} {text}");
        self.end_line();
    }

    fn end_line(&mut self) {
        self.text.push('\n');
        self.hash.update(self.text.as_bytes());
        if let Some(kept) = &mut self.kept {
            kept.push(self.text.trim_end().to_owned());
        }
    }

    /// The hash of all lines so far, in hex.
    #[must_use]
    pub fn hash(&self) -> String {
        hex::encode(self.hash.clone().finalize())
    }

    /// The text of the lines, if it was kept.
    #[must_use]
    pub fn into_text(self) -> Option<Vec<String>> {
        self.kept
    }
}

impl Line {
    /// Its text, with the short names that the lines before it have given.
    #[must_use]
    pub fn text(&self, names: &mut Names) -> String {
        let mut text = String::new();
        text::write(self, names, &mut text);
        text
    }
}

impl Wire {
    /// The first delivery of the request, by which it is known.
    #[must_use]
    pub fn request(&self) -> DeliveryId {
        self.batch.first().copied().unwrap_or(self.delivery)
    }

    /// Whether this is the first delivery of its request.
    #[must_use]
    pub fn is_first(&self) -> bool {
        self.request() == self.delivery
    }

    /// The same request, for another delivery in it.
    pub(crate) fn behind(&self, delivery: DeliveryId, event: EventId) -> Self {
        Self {
            delivery,
            event,
            ..self.clone()
        }
    }

    /// A header by its name in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }
}
