//! Notes what the shell sends and what it is told, and makes its sending tasks fail.

use super::dial::SimulatedDial;
use super::stage::{Stage, Who};
use crate::plan::FaultKind;
use crate::trace::{What, Wire};
use postrider::transport::{HyperTransport, Transport, WireRequest};
use postrider::{DeliveryId, EventId, Failure, FailureKind, Outcome};
use std::future::pending;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::Arc;
use tokio::time::Instant;

/// The real transport, watched.
pub(super) struct Recorder {
    stage: Arc<Stage>,
    inner: HyperTransport<SimulatedDial>,
}

/// A request under way: if it is dropped, it was given up.
struct UnderWay {
    stage: Arc<Stage>,
    delivery: DeliveryId,
    number: u32,
}

impl Recorder {
    pub(super) fn new(stage: Arc<Stage>, inner: HyperTransport<SimulatedDial>) -> Self {
        Self { stage, inner }
    }

    async fn follow(&self, request: WireRequest, deadline: Instant) -> Outcome {
        let stage = &self.stage;
        let Some(wire) = wire(stage, &request, deadline) else {
            stage.broke("wire", "a request without its ids".to_owned());
            return pending().await;
        };
        let wire = Arc::new(wire);
        let under_way = UnderWay {
            stage: Arc::clone(stage),
            delivery: wire.delivery,
            number: wire.number,
        };
        {
            let mut state = stage.state();
            let key = (wire.delivery, wire.number);
            state.sent.insert(key, Arc::clone(&wire));
            state.under_way.insert(key);
            state.note(What::Sent(wire));
        }
        let fault = stage.request_fault();
        stage.still_alive(Who::Sender).await;
        if fault == Some(FaultKind::Panic) {
            let failure = Failure::new(FailureKind::Internal, "the task panicked");
            under_way.end(&Outcome::Failure(failure));
            // Not `panic!`, which would tell the log: this one is nobody's mistake.
            resume_unwind(Box::new("planned"));
        }
        let outcome = self.inner.send(request, deadline).await;
        if fault == Some(FaultKind::Forget) {
            return pending().await;
        }
        under_way.end(&outcome);
        outcome
    }
}

impl Transport for Recorder {
    fn send(
        &self,
        request: WireRequest,
        deadline: Instant,
    ) -> Pin<Box<dyn Future<Output = Outcome> + Send + '_>> {
        let follow = self.follow(request, deadline);
        Box::pin(self.stage.alive(Who::Sender, follow))
    }
}

impl UnderWay {
    fn end(&self, outcome: &Outcome) {
        let mut state = self.stage.state();
        state.under_way.remove(&(self.delivery, self.number));
        state.note(What::Outcome {
            delivery: self.delivery,
            number: self.number,
            outcome: Arc::new(outcome.clone()),
        });
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut state = self.stage.state();
        if !state.stands(Who::Sender) {
            state.given_up(self.delivery, self.number);
        }
    }
}

fn wire(stage: &Stage, request: &WireRequest, deadline: Instant) -> Option<Wire> {
    let headers: Vec<(String, String)> = request
        .headers
        .iter()
        .map(|(name, value)| {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            (name.as_str().to_owned(), value)
        })
        .collect();
    let (delivery, event, number) = ids(&headers)?;
    let left = deadline.saturating_duration_since(Instant::now());
    let state = stage.state();
    let mut at = state.now();
    let signed_for = headers
        .iter()
        .find(|(name, _)| name == "webhook-timestamp")
        .and_then(|(_, value)| value.parse().ok());
    if let Some(before) = state.wall_before_jump()
        && signed_for != Some(at.wall.unix_seconds())
        && signed_for == Some(before.unix_seconds())
    {
        // It was made before the jump and leaves after it, at the same moment.
        at.wall = before;
    }
    Some(Wire {
        life: state.life,
        delivery,
        event,
        number,
        batch: Arc::default(),
        url: request.url.as_str().into(),
        headers,
        body: request.body.clone(),
        at,
        timeout_ms: u64::try_from(left.as_millis()).unwrap_or(u64::MAX),
    })
}

/// What a request is, as its headers say.
pub(super) fn ids(headers: &[(String, String)]) -> Option<(DeliveryId, EventId, u32)> {
    let value = |name: &str| {
        let found = headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    };
    Some((
        value("x-delivery-id")?.parse().ok()?,
        value("x-event-id")?.parse().ok()?,
        value("x-attempt")?.parse().ok()?,
    ))
}
