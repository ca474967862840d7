//! The requests under way: a task each.

use crate::EndpointUrl;
use crate::transport::{Transport, WireRequest, tell_of_shortage};
use http::{HeaderName, HeaderValue};
use postrider_engine::{
    AttemptId, EndpointId, Failure, FailureKind, Input, Limits, Outcome, REPEAT_HEADER, Request,
    Route, Sent,
};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::Poll;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::Instant;

pub(super) struct Attempts {
    transport: Arc<dyn Transport>,
    inputs: mpsc::UnboundedSender<Input>,
    response_bytes_max: usize,
    /// The parsed URL of each endpoint that was sent to, with the revision it belongs to.
    urls: BTreeMap<EndpointId, (u64, EndpointUrl)>,
    under_way: BTreeMap<AttemptId, AbortHandle>,
}

impl Attempts {
    pub(super) fn new(
        transport: Arc<dyn Transport>,
        inputs: mpsc::UnboundedSender<Input>,
        limits: &Limits,
    ) -> Self {
        Self {
            transport,
            inputs,
            response_bytes_max: limits.response_bytes_max,
            urls: BTreeMap::new(),
            under_way: BTreeMap::new(),
        }
    }

    pub(super) fn start(&mut self, request: Request, deadline: Instant) {
        let attempt = request.attempt;
        let mut done = Done {
            attempt,
            sent: Box::default(),
            inputs: Some(self.inputs.clone()),
        };
        let Some(url) = self.url_of(&request) else {
            // Refused at registration; only a store that was tampered with gets here.
            done.with(internal("the recorded URL is not one that can be sent to"));
            return;
        };
        let transport = Arc::clone(&self.transport);
        let response_bytes_max = self.response_bytes_max;
        let task = tokio::spawn(async move {
            let outcome = match wire_of(&request, url, response_bytes_max) {
                Ok((wire, sent)) => {
                    *done.sent = sent;
                    match caught(transport.send_timed(wire, deadline)).await {
                        Ok(timed) => {
                            done.sent.phases = timed.phases;
                            done.note_repeat(&timed.outcome);
                            timed.outcome
                        }
                        // So tokio says that it has no thread, and can get none.
                        Err(said) if said.contains("can't spawn worker thread") => {
                            Outcome::Failure(Failure::new(FailureKind::Local, said))
                        }
                        Err(said) => internal(&format!("the transport panicked: {said}")),
                    }
                }
                Err(failure) => Outcome::Failure(failure),
            };
            done.with(outcome);
        });
        self.under_way.insert(attempt, task.abort_handle());
    }

    pub(super) fn cancel(&mut self, attempt: AttemptId) {
        if let Some(task) = self.under_way.remove(&attempt) {
            task.abort();
        }
    }

    pub(super) fn ended(&mut self, attempt: AttemptId) {
        self.under_way.remove(&attempt);
    }

    pub(super) fn forget(&mut self, endpoint: EndpointId) {
        self.urls.remove(&endpoint);
    }

    fn url_of(&mut self, request: &Request) -> Option<EndpointUrl> {
        let route = &request.route;
        if let Some((revision, url)) = self.urls.get(&route.endpoint)
            && *revision == route.revision
        {
            return Some(url.clone());
        }
        let url = EndpointUrl::parse(&route.url).ok()?;
        if route.revision != Route::UNREGISTERED {
            self.urls
                .insert(route.endpoint, (route.revision, url.clone()));
        }
        Some(url)
    }
}

impl Drop for Attempts {
    fn drop(&mut self) {
        for task in self.under_way.values() {
            task.abort();
        }
    }
}

/// The names that nearly every request has, made once.
const NAMES: [HeaderName; 11] = [
    HeaderName::from_static("content-type"),
    HeaderName::from_static("user-agent"),
    HeaderName::from_static("x-event-type"),
    HeaderName::from_static("x-event-id"),
    HeaderName::from_static("x-delivery-id"),
    HeaderName::from_static("x-attempt"),
    HeaderName::from_static("postrider-sequence"),
    HeaderName::from_static("webhook-id"),
    HeaderName::from_static("webhook-timestamp"),
    HeaderName::from_static("webhook-signature"),
    HeaderName::from_static("x-signature"),
];

/// The request as it goes out, and what is recorded of it.
fn wire_of(
    request: &Request,
    url: EndpointUrl,
    response_bytes_max: usize,
) -> Result<(WireRequest, Sent), Failure> {
    let internal = |detail: &dyn Display| Failure::new(FailureKind::Internal, detail);
    let prepared = request.prepare().map_err(|error| internal(&error))?;
    let registered = &request.route.url;
    let as_sent = match *url.as_str() == **registered {
        true => Arc::clone(registered),
        false => url.as_str().into(),
    };
    let sent = request.sent(&prepared, as_sent);
    let headers = headers_of(prepared.headers, prepared.own)
        .ok_or_else(|| internal(&"the request's headers are not valid"))?;
    let wire = WireRequest {
        tenant: request.event.tenant.clone(),
        url,
        headers,
        body: prepared.body,
        response_bytes_max,
        send_again: request.route.sending.send_again,
        identity: request.route.sending.identity.clone(),
    };
    Ok((wire, sent))
}

/// The last `own` are the endpoint's: sensitive, so that nothing prints them, nor keeps them in the
/// compression of HTTP/2 (RFC 7541, section 7.1.3).
fn headers_of(
    headers: Vec<(&str, Cow<'_, str>)>,
    own: usize,
) -> Option<Vec<(HeaderName, HeaderValue)>> {
    let first_own = headers.len().saturating_sub(own);
    let mut wire = Vec::with_capacity(headers.len());
    let mut known = NAMES.into_iter();
    for (place, (name, value)) in headers.into_iter().enumerate() {
        // They come in the order of the list; what does not is looked up the long way.
        let next = known.next().filter(|next| next.as_str() == name);
        let name = match next {
            Some(name) => name,
            None => HeaderName::from_bytes(name.as_bytes()).ok()?,
        };
        let value = match value {
            Cow::Borrowed(text) => HeaderValue::from_str(text),
            Cow::Owned(text) => HeaderValue::try_from(text),
        };
        let mut value = value.ok()?;
        value.set_sensitive(place >= first_own);
        wire.push((name, value));
    }
    Some(wire)
}

/// What the future gives, or what it said when it panicked. Caught here and not by tokio, whose
/// runtime may be told to shut down at a panic: one bad request is no reason to stop all others.
async fn caught<F: Future>(future: F) -> Result<F::Output, String> {
    let mut future = std::pin::pin!(future);
    poll_fn(|context| {
        // It is not polled again after a panic, so nothing half done is ever seen.
        let polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context)));
        match polled {
            Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
            Ok(Poll::Pending) => Poll::Pending,
            Err(panic) => {
                let text = panic.downcast_ref::<String>().map(String::as_str);
                let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
                Poll::Ready(Err(text.unwrap_or("no message").to_owned()))
            }
        }
    })
    .await
}

fn internal(detail: &str) -> Outcome {
    Outcome::Failure(Failure::new(FailureKind::Internal, detail))
}

/// Tells the core how the attempt ended, also if its task panics or is dropped.
struct Done {
    attempt: AttemptId,
    sent: Box<Sent>,
    inputs: Option<mpsc::UnboundedSender<Input>>,
}

impl Done {
    /// A request that was sent a second time had one header more then.
    fn note_repeat(&mut self, outcome: &Outcome) {
        if let Some(why) = outcome.repeated() {
            self.sent.headers = self.sent.headers.with_line(REPEAT_HEADER, why.name());
        }
    }

    fn with(&mut self, outcome: Outcome) {
        if let Some(inputs) = self.inputs.take() {
            if let Outcome::Failure(failure) = &outcome
                && failure.kind == FailureKind::Local
            {
                tell_of_shortage(&failure.detail);
            }
            // The shell may have stopped.
            let sent = std::mem::take(&mut self.sent);
            let _ = inputs.send(Input::AttemptDone(self.attempt, outcome, sent));
        }
    }
}

impl Drop for Done {
    fn drop(&mut self) {
        self.with(internal(
            "the task that sent the request ended without an outcome",
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::WireRequest;
    use postrider_engine::{
        Behind, CallId, Command, Core, DeliveryId, EndpointSpec, Event, EventHeaders, Fact, Mono,
        NewEvent, Now, Of, OrderingKey, Output, PayloadType, Recovered, Secret, Target, TenantId,
        Wall,
    };
    use std::pin::Pin;

    /// Sends nothing.
    struct Nowhere;

    impl Transport for Nowhere {
        fn send(
            &self,
            _: WireRequest,
            _: Instant,
        ) -> Pin<Box<dyn Future<Output = Outcome> + Send + '_>> {
            Box::pin(std::future::pending())
        }
    }

    /// What a core wants to be sent when something is pinged that is not registered.
    fn ping() -> Request {
        let now = Now {
            mono: Mono(0),
            wall: Wall(0),
        };
        let recovered = Recovered::default();
        let mut core = Core::recover(Limits::default(), [7; 32], recovered, now).unwrap();
        let event = NewEvent {
            tenant: TenantId::default(),
            target: Target::Subscribers,
            event_type: "a.b".parse().unwrap(),
            payload: "{}".into(),
            payload_type: PayloadType::default(),
            headers: EventHeaders::default(),
            ordering_key: OrderingKey::default(),
            idempotency_key: None,
        };
        let spec = Box::new(EndpointSpec::new("https://example.com/"));
        let secret = "a secret of its own".parse::<Secret>().unwrap();
        let command = Command::PingUnregistered(spec, secret, Box::new(event));
        while !matches!(core.poll(), Output::Timeout(..)) {}
        core.handle(now, Input::Command(CallId(0), command));
        match core.poll() {
            Output::Send(request, _) => request,
            other => panic!("not a request: {other:?}"),
        }
    }

    #[test]
    fn a_start_has_the_type_of_its_own_event_also_where_another_start_is_missing() {
        let mut request = ping();
        let behind = Event {
            event_type: "c.d".parse().unwrap(),
            ..Event::clone(&request.event)
        };
        request.behind.push(Behind {
            delivery: DeliveryId::from_u128(7),
            ordinal: None,
            event: Arc::new(behind),
        });
        let attempt = request.attempt;
        let endpoint = request.route.endpoint;
        let event = request.event.id;
        let typed = |delivery| {
            let of = Of {
                delivery,
                event,
                endpoint,
            };
            let fact = Fact::AttemptStarted {
                of,
                attempt,
                number: 1,
            };
            let typed = super::super::started(fact, &request);
            typed.event_type.map(|name| name.to_string())
        };
        assert_eq!(typed(DeliveryId::from_u128(7)).as_deref(), Some("c.d"));
        assert_eq!(typed(request.delivery).as_deref(), Some("a.b"));
        assert_eq!(typed(DeliveryId::from_u128(8)), None);
    }

    #[tokio::test]
    async fn no_url_is_kept_of_what_is_not_registered() {
        let (inputs, _done) = mpsc::unbounded_channel();
        let mut attempts = Attempts::new(Arc::new(Nowhere), inputs, &Limits::default());
        attempts.start(ping(), Instant::now());
        assert_eq!(attempts.under_way.len(), 1);
        assert!(attempts.urls.is_empty());
    }
}
