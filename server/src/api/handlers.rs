//! Code of the application that runs when a webhook has come in: after the event is durable, and
//! before the provider is answered.

mod reply;

pub use reply::{InvalidReply, Reply};

use super::Api;
use super::caught::caught;
use super::problem::{Code, Problem};
use super::sources::Provider;
use axum::BoxError;
use axum::http::{HeaderMap, header};
use bytes::Bytes;
use postrider::engine::SourceId;
use postrider::signature::HeaderNames;
use postrider::{EventId, TenantId};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;
use tokio::time::timeout;

/// Of so many events, the newest ones, it is known which handlers have succeeded.
const EVENTS_MAX: usize = 10_000;

/// What the answers of handlers may hold that are kept for repeats, in bytes.
const REPLIES_BYTES_MAX: usize = 16 << 20;

/// A handler that takes longer has failed: the provider has given up long before.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A webhook that has come in: it is verified, and its event is durable. Clones share the payload.
#[derive(Clone)]
pub struct Inbound {
    /// The source that it came to.
    pub source: SourceId,
    /// The name of the source.
    pub source_name: Arc<str>,
    /// Whose webhook it is.
    pub provider: Provider,
    /// The type of the event as the provider writes it: `payment_intent.succeeded`.
    pub event_type: Arc<str>,
    /// The event that was published: the same at every repeat.
    pub event: EventId,
    /// What was published: the body, or the JSON made of a form.
    pub payload: Bytes,
    /// The headers that may matter: those with names like `x-…`, `webhook-…` and `svix-…`, those that
    /// the event keeps, the media type and the agent; no signature.
    pub headers: Arc<HeaderMap>,
}

impl fmt::Debug for Inbound {
    /// Without the payload and the headers: they may hold what no log should.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbound")
            .field("source", &self.source)
            .field("source_name", &self.source_name)
            .field("provider", &self.provider)
            .field("event_type", &self.event_type)
            .field("event", &self.event)
            .field("payload_bytes", &self.payload.len())
            .finish_non_exhaustive()
    }
}

type Run = Pin<Box<dyn Future<Output = Result<Option<Reply>, BoxError>> + Send>>;

struct Handler {
    source: String,
    wanted: String,
    run: Box<dyn Fn(Inbound) -> Run + Send + Sync>,
}

/// The numbers of the handlers that have succeeded with an event. Locked while some run, so that
/// none runs twice at once.
type Succeeded = Arc<tokio::sync::Mutex<BTreeSet<usize>>>;

/// All handlers, and what they have done.
#[derive(Default)]
pub(crate) struct Handlers {
    all: RwLock<Vec<Arc<Handler>>>,
    succeeded: Mutex<BTreeMap<EventId, Succeeded>>,
    replies: Mutex<Replies>,
}

/// What handlers have answered, so that a repeat is answered likewise. Of the oldest events it is
/// forgotten.
#[derive(Default)]
struct Replies {
    of: BTreeMap<EventId, Reply>,
    bytes: usize,
}

impl Replies {
    fn keep(&mut self, event: EventId, reply: Reply) {
        self.bytes += reply.bytes();
        if let Some(before) = self.of.insert(event, reply) {
            self.bytes -= before.bytes();
        }
        while self.bytes > REPLIES_BYTES_MAX
            && let Some((_, oldest)) = self.of.pop_first()
        {
            self.bytes -= oldest.bytes();
        }
    }
}

impl Handler {
    fn wants(&self, tenant: &TenantId, inbound: &Inbound, also: &str) -> bool {
        let by_name = *self.source == *inbound.source_name && *tenant == TenantId::default();
        let types = [&*inbound.event_type, also];
        (by_name || self.source == inbound.source.to_string())
            && types.into_iter().any(|it| covers(&self.wanted, it))
    }

    /// Runs it, and says in the log how it failed. What it answers, if it succeeded.
    async fn succeeds(&self, inbound: Inbound) -> Option<Option<Reply>> {
        let event = inbound.event;
        let run = caught(async { (self.run)(inbound).await });
        let error = match timeout(TIMEOUT, run).await {
            Ok(Ok(Ok(reply))) => return Some(reply),
            Ok(Ok(Err(error))) => error.to_string(),
            Ok(Err(panicked)) => panicked.to_string(),
            Err(_) => format!("it took longer than {TIMEOUT:?}"),
        };
        let (source, wanted) = (&self.source, &self.wanted);
        tracing::error!(%event, source, wanted, error, "postrider.handler.failed");
        None
    }
}

/// Whether the handler is for this type: for all by `*`, for a family by `pull_request.*`, or for
/// one.
fn covers(wanted: &str, event_type: &str) -> bool {
    match wanted.strip_suffix('*') {
        Some("") => true,
        Some(prefix) if prefix.ends_with('.') => event_type.starts_with(prefix),
        _ => wanted == event_type,
    }
}

impl Handlers {
    /// Runs those that want this webhook and have not succeeded with its event, one after the
    /// other, whether or not the provider waits for the end. What the first of them answers that gives
    /// an answer, at a repeat, too. A problem if one has failed.
    pub(crate) async fn run(
        &self,
        tenant: &TenantId,
        inbound: Inbound,
        also: &str,
    ) -> Result<Option<Reply>, Problem> {
        let wanting = {
            let all = self.all.read().unwrap_or_else(PoisonError::into_inner);
            let all = all.iter().enumerate();
            let wanting = all.filter(|(_, handler)| handler.wants(tenant, &inbound, also));
            let wanting = wanting.map(|(number, handler)| (number, Arc::clone(handler)));
            wanting.collect::<Vec<_>>()
        };
        if wanting.is_empty() {
            return Ok(None);
        }
        let event = inbound.event;
        let mut succeeded = self.succeeded_with(event).lock_owned().await;
        let run = tokio::spawn(async move {
            let (mut failed, mut answer) = (0_usize, None);
            for (number, handler) in wanting {
                if succeeded.contains(&number) {
                    continue;
                }
                match handler.succeeds(inbound.clone()).await {
                    Some(reply) => {
                        succeeded.insert(number);
                        answer = answer.or(reply);
                    }
                    None => failed += 1,
                }
            }
            (failed, answer)
        });
        let (failed, answer) = match run.await {
            Ok(ended) => ended,
            Err(error) => return Err(Problem::new(Code::HandlerFailed, error)),
        };
        let answer = self.answer_of(event, answer);
        if failed > 0 {
            let detail = format!("{failed} of the handlers for this event failed");
            return Err(Problem::new(Code::HandlerFailed, detail));
        }
        Ok(answer)
    }

    /// What was answered for this event first, be it now.
    fn answer_of(&self, event: EventId, new: Option<Reply>) -> Option<Reply> {
        let mut replies = self.replies.lock().unwrap_or_else(PoisonError::into_inner);
        let known = replies.of.get(&event).cloned();
        if known.is_none()
            && let Some(new) = &new
        {
            replies.keep(event, new.clone());
        }
        known.or(new)
    }

    /// What has succeeded with this event. Of the oldest events it is forgotten.
    fn succeeded_with(&self, event: EventId) -> Succeeded {
        let mut succeeded = self
            .succeeded
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let of_event = Arc::clone(succeeded.entry(event).or_default());
        while succeeded.len() > EVENTS_MAX {
            succeeded.pop_first();
        }
        of_event
    }
}

impl Api {
    /// Runs this code for every webhook of a source: after its event is durable, and before the
    /// provider is answered.
    ///
    /// `source` is the id of a source, or the name of one of the tenant `default`; it need not be
    /// there yet. `event` is `*`, a type as the provider writes it (`payment_intent.succeeded`), or
    /// a family of them (`pull_request.*`).
    ///
    /// Handlers run one after the other, in the order in which they were given. If one fails,
    /// panics or takes longer than 30 seconds, the provider is answered 500 and repeats the
    /// webhook; then those run again that have not succeeded. What has succeeded is remembered for
    /// the 10,000 newest events and as long as the process lives: so a handler runs **at least
    /// once**, and more than once at most where a webhook is repeated after a restart, or much
    /// later. Providers wait for some seconds only: hand longer work on.
    ///
    /// ```no_run
    /// # fn register(api: &postrider_server::Api) {
    /// api.on("stripe", "payment_intent.succeeded", |inbound| async move {
    ///     let intent: serde_json::Value = serde_json::from_slice(&inbound.payload)?;
    ///     println!("paid: {}", intent["data"]["object"]["id"]);
    ///     Ok(())
    /// });
    /// # }
    /// ```
    pub fn on<H, F>(&self, source: &str, event: &str, handler: H)
    where
        H: Fn(Inbound) -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), BoxError>> + Send + 'static,
    {
        self.add_handler(source, event, move |inbound| {
            let run = handler(inbound);
            Box::pin(async move { run.await.map(|()| None) })
        });
    }

    /// The same as [`on`](Self::on) with code that says what the provider is answered: a modal for Slack,
    /// TwiML for Twilio. Where it gives `None`, or there is no such code, the source's answer is given, or
    /// else the usual one of its provider. If several answer, the first one counts. A repeat is answered
    /// as the first time, as long as that is remembered: the newest answers, 16 MiB of them.
    ///
    /// ```no_run
    /// # fn register(api: &postrider_server::Api) {
    /// api.answer("slack", "interaction", |_| async {
    ///     let close = serde_json::json!({ "response_action": "clear" });
    ///     Ok(Some(postrider_server::Reply::json(&close)?))
    /// });
    /// # }
    /// ```
    pub fn answer<H, F>(&self, source: &str, event: &str, handler: H)
    where
        H: Fn(Inbound) -> F + Send + Sync + 'static,
        F: Future<Output = Result<Option<Reply>, BoxError>> + Send + 'static,
    {
        self.add_handler(source, event, move |inbound| Box::pin(handler(inbound)));
    }

    fn add_handler(
        &self,
        source: &str,
        event: &str,
        run: impl Fn(Inbound) -> Run + Send + Sync + 'static,
    ) {
        let handler = Handler {
            source: source.to_owned(),
            wanted: event.to_owned(),
            run: Box::new(run),
        };
        let handlers = self.handlers();
        let mut all = handlers.all.write().unwrap_or_else(PoisonError::into_inner);
        all.push(Arc::new(handler));
    }
}

/// The headers that a handler sees.
pub(crate) fn shown(headers: &HeaderMap, signature: &str) -> HeaderMap {
    let is_shown = |name: &str| {
        let by_prefix = ["x-", "webhook-", "svix-"];
        by_prefix.iter().any(|prefix| name.starts_with(prefix))
            || name == header::CONTENT_TYPE
            || name == header::USER_AGENT
    };
    let is_secret = |name: &str| {
        name == signature || HeaderNames::is_next(name, signature) || name.contains("signature")
    };
    let shown = headers
        .iter()
        .filter(|(name, _)| is_shown(name.as_str()) && !is_secret(name.as_str()));
    let mut all = HeaderMap::new();
    for (name, value) in shown {
        all.append(name, value.clone());
    }
    all
}
