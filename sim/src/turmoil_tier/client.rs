//! The client: a service of a merchant's platform that publishes by the REST API.
//!
//! It waits for an answer as long as its patience lasts. What has an idempotency key is asked for
//! again, the same bytes with the same key, until it is known what has become of it.

mod answer;
mod request;

use super::agenda::{self, Task};
use super::api::PORT;
use super::callers;
use super::dial::Tap;
use super::stage::{Stage, State, Who};
use crate::bug::Bug;
use crate::plan;
use crate::trace::{Reply, What, Wish};
use crate::workload::{self, Caller};
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use postrider::Closed;
use postrider::engine::{CallId, NewEvent};
use std::error::Error;
use std::future::pending;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::task::{JoinHandle, spawn_local};
use tokio::time::timeout;
use turmoil::net::TcpStream;

/// The client and the connections that it keeps.
struct Client {
    stage: Arc<Stage>,
    plan: plan::Client,
    kept: Mutex<Vec<Connection>>,
}

/// A connection to the API. It is cut off when it is dropped.
struct Connection {
    requests: SendRequest<Full<Bytes>>,
    driver: JoinHandle<()>,
}

/// The whole life of the client.
pub(super) async fn live(stage: Arc<Stage>) -> turmoil::Result {
    let Some(plan) = stage.plan.client else {
        return pending().await;
    };
    let client = Arc::new(Client {
        stage: Arc::clone(&stage),
        plan,
        kept: Mutex::new(Vec::new()),
    });
    loop {
        let task = agenda::next(&stage, &stage.posted, |state| &mut state.posts).await;
        if let Task::Step { index, tries } = task {
            client.begin(index, tries);
        }
    }
}

impl Client {
    fn begin(self: &Arc<Self>, index: usize, tries: u32) {
        let Some(step) = self.stage.plan.workload.get(index) else {
            return;
        };
        for wish in callers::wishes(&self.stage, &step.act) {
            let Wish::Publish(event) = wish else { continue };
            let call = self.stage.state().asks((index, tries), event.clone());
            let client = Arc::clone(self);
            spawn_local(async move {
                let reply = client.publish(&event, tries).await;
                client.stage.state().hears(&client.stage, call, reply);
            });
        }
    }

    async fn publish(&self, event: &NewEvent, tries: u32) -> Reply {
        let forgets_key = tries > 0 && self.stage.bug == Some(Bug::KeylessRepeat);
        let Ok(request) = request::of(event, !forgets_key) else {
            self.stage.broke("api", format!("no request: {event:?}"));
            return Reply::Nothing(Closed::Crashed);
        };
        let patience = Duration::from_millis(self.plan.patience_ms);
        match timeout(patience, self.exchange(request)).await {
            Ok(Ok((status, body))) => answer::read(&self.stage, event, status, &body),
            // Whether it was accepted is not known.
            Ok(Err(_)) | Err(_) => Reply::Nothing(Closed::Crashed),
        }
    }

    async fn exchange(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<(StatusCode, Bytes), Box<dyn Error>> {
        let mut connection = match self.take_kept() {
            Some(kept) => kept,
            None => self.connect().await?,
        };
        let response = connection.requests.send_request(request).await?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        if self.plan.keeps_connections {
            self.kept().push(connection);
        }
        Ok((status, body))
    }

    async fn connect(&self) -> io::Result<Connection> {
        // A crashed host does not say so in this simulation: it says nothing.
        let refuses_in_ms = {
            let state = self.stage.state();
            state.sender_refuses.then_some(self.plan.latency_min_ms)
        };
        if let Some(ms) = refuses_in_ms {
            self.stage.sleep_ms(ms).await;
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        let stream = TcpStream::connect((super::name(Who::Sender), PORT)).await?;
        let stream = Tap::new(&self.stage, Who::Client, stream)?;
        let shaken = handshake(TokioIo::new(stream)).await;
        let (requests, connection) = shaken.map_err(io::Error::other)?;
        let driver = spawn_local(async move {
            // Who waits for a response is told how it ended.
            let _ = connection.await;
        });
        Ok(Connection { requests, driver })
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection that looks as if it could be used.
    fn take_kept(&self) -> Option<Connection> {
        let mut kept = self.kept();
        kept.retain(|connection| connection.requests.is_ready());
        kept.pop()
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl State {
    /// The client asks for an event to be published.
    fn asks(&mut self, step: (usize, u32), event: NewEvent) -> CallId {
        let wish = Wish::Publish(event);
        let call = self.called(Some(step), wish.clone());
        let step = Some(step);
        self.asked.insert(call, Caller { wish, step });
        call
    }

    /// It has its answer, or has none.
    fn hears(&mut self, stage: &Stage, call: CallId, reply: Reply) {
        let Some(caller) = self.asked.remove(&call) else {
            return;
        };
        let again = match (&reply, caller.step) {
            (Reply::Nothing(_), Some((index, tries))) => {
                workload::until_known(&stage.plan, index, tries)
            }
            _ => caller.again(&reply, &stage.plan),
        };
        if let Some((index, tries, in_ms)) = again {
            let task = Task::Step { index, tries };
            self.posts.put(self.now_ms() + in_ms, task);
            stage.posted.notify_one();
        }
        self.note(What::Answered { call, reply });
    }
}
