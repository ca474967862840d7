//! How far an attempt has come: what is left of it when its time is up.

use super::answer::Answer;
use super::pool::Dialing;
use super::stopwatch::{Stage, Stopwatch};
use postrider_engine::{Failure, FailureKind, Outcome, Phase, PhaseTimes, Repeat};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Outlives the attempt's future, which the deadline drops wherever it stands.
#[derive(Debug)]
pub(crate) struct Progress {
    watch: Stopwatch,
    /// Set once the head of the response has arrived.
    answer: Option<Answer>,
    doing: Doing,
    repeated: Option<Repeat>,
}

#[derive(Debug)]
enum Doing {
    /// The request is on its way, or about to be.
    Request,
    /// Making a connection; the others who wait for it are told how far it is.
    Dial(Phase, Option<Arc<Dialing>>),
    /// Waiting for a connection that another attempt makes: this one is as far as that one.
    Wait(Arc<Dialing>),
}

impl Progress {
    /// The attempt begins now.
    pub(crate) fn new() -> Self {
        Self {
            watch: Stopwatch::start(),
            answer: None,
            doing: Doing::Request,
            repeated: None,
        }
    }

    /// The request is sent again.
    pub(crate) fn repeat(&mut self, why: Repeat) {
        self.repeated = Some(why);
    }

    /// Whether the request has been sent before, in this attempt.
    pub(crate) fn is_repeat(&self) -> bool {
        self.repeated.is_some()
    }

    /// Why it is sent again, if it is.
    pub(crate) fn repeated(&self) -> Option<Repeat> {
        self.repeated
    }

    pub(crate) fn started(&self) -> Instant {
        self.watch.started()
    }

    /// A connection is made, which others may wait for.
    pub(crate) fn dial(&mut self, dialing: Option<Arc<Dialing>>) {
        self.watch.stop(Instant::now());
        self.doing = Doing::Dial(Phase::Resolve, dialing);
    }

    /// The connection being made has come this far.
    pub(crate) fn enter(&mut self, entered: Phase) {
        self.watch.enter(match entered {
            Phase::Resolve => Stage::Dns,
            Phase::Connect => Stage::Connect,
            Phase::Tls => Stage::Tls,
            Phase::Response | Phase::Unanswered => Stage::FirstByte,
        });
        if let Doing::Dial(phase, dialing) = &mut self.doing {
            *phase = entered;
            if let Some(dialing) = dialing {
                dialing.enter(entered);
            }
        }
    }

    /// Another attempt makes the connection.
    pub(crate) fn wait_for(&mut self, dialing: Arc<Dialing>) {
        self.watch.enter(Stage::Queued);
        self.doing = Doing::Wait(dialing);
    }

    /// There is a connection.
    pub(crate) fn connected(&mut self) {
        self.watch.enter(Stage::FirstByte);
        self.doing = Doing::Request;
    }

    /// The head of the response arrived at this time.
    pub(crate) fn answered(&mut self, answer: Answer, at: Instant) -> &mut Answer {
        self.watch.stop(at);
        self.answer.insert(answer)
    }

    /// How long the phases took, if the attempt ends now.
    pub(crate) fn times(&self) -> PhaseTimes {
        self.watch.times(Instant::now())
    }

    /// The outcome of an attempt that got its answer.
    pub(crate) fn finish(self) -> Outcome {
        let repeated = self.repeated;
        let outcome = match self.answer {
            Some(answer) => answer.finish(),
            None => Outcome::Failure(Failure::new(FailureKind::Internal, "no answer was kept")),
        };
        outcome.with_repeat(repeated)
    }

    /// The outcome of an attempt that failed.
    pub(crate) fn fail(self, failure: Failure) -> Outcome {
        Outcome::Failure(failure).with_repeat(self.repeated)
    }

    /// The outcome if the time is up now. A head that arrived decides.
    pub(crate) fn at_deadline(mut self) -> Outcome {
        if let Some(answer) = &mut self.answer {
            answer.cut();
            return self.finish();
        }
        let phase = match &self.doing {
            Doing::Request => Phase::Response,
            Doing::Dial(phase, _) => *phase,
            Doing::Wait(dialing) => dialing.phase(),
        };
        timed_out(phase, self.started().elapsed()).with_repeat(self.repeated)
    }
}

/// The outcome of an attempt whose time was up in this phase.
pub(crate) fn timed_out(phase: Phase, after: Duration) -> Outcome {
    let doing = match phase {
        Phase::Resolve => "looking up the name",
        Phase::Connect => "connecting",
        Phase::Tls => "in the TLS handshake",
        Phase::Response | Phase::Unanswered => "waiting for the response",
    };
    let detail = format_args!("still {doing} after {} ms", after.as_millis());
    Outcome::Failure(Failure::new(FailureKind::Timeout(phase), detail))
}
