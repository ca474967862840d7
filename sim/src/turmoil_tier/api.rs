//! The sender's REST API: the real one, on a simulated socket.

use super::dial::Tap;
use super::stage::{Stage, Who};
use crate::plan::{Act, Plan, To};
use postrider::records::{Record, Records};
use postrider::{MemoryStore, Postrider, TenantId};
use postrider_server::{Api, ApiOptions, ServeOptions, router};
use std::collections::BTreeSet;
use std::error::Error;
use std::future::pending;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::timeout;
use turmoil::net::TcpListener;

/// Where it listens.
pub(super) const PORT: u16 = 8_080;

/// What opens it.
pub(super) const KEY: &str = "key_of_the_client";

/// What all lives of the sender have of it.
pub(super) struct Door {
    records: Arc<MemoryStore>,
    /// It is to close.
    stop: Notify,
    /// It has closed.
    closed: Notify,
}

/// A listener whose connections are noted.
struct Listener {
    stage: Arc<Stage>,
    inner: TcpListener,
}

impl Default for Door {
    fn default() -> Self {
        Self {
            records: Arc::new(MemoryStore::default()),
            stop: Notify::new(),
            closed: Notify::new(),
        }
    }
}

impl Door {
    /// What the API keeps in the store, besides events. They outlive the process.
    pub(super) fn records(&self) -> Arc<dyn Records> {
        Arc::clone(&self.records) as _
    }

    /// Waits for the requests under way, but for no longer than this.
    pub(super) async fn close(&self, within: Duration) {
        self.stop.notify_waiters();
        // Whatever is still under way then is told that the sender is shutting down.
        let _ = timeout(within, self.closed.notified()).await;
    }

    /// Puts the plan's tenants into the records, as an administrator has done long before.
    async fn know_tenants(&self, plan: &Plan) -> Result<(), Box<dyn Error>> {
        let owners = plan.endpoints.iter().map(|endpoint| endpoint.tenant);
        let subscribed = plan.workload.iter().filter_map(|step| match &step.act {
            Act::Publish(publish) => match publish.to {
                To::Subscribers(tenant) => Some(tenant),
                To::Endpoint(_) => None,
            },
            _ => None,
        });
        let tenants: BTreeSet<u8> = owners.chain(subscribed).collect();
        for number in tenants {
            let id = format!("t{number}");
            let value =
                format!(r#"{{"id":"{id}","description":"","created_at":"2025-01-01T00:00:00Z"}}"#);
            let record = Record {
                kind: "tenant",
                tenant: TenantId::default(),
                id: id.into(),
                value: value.into(),
            };
            self.records().put(record).await?;
        }
        Ok(())
    }
}

/// Serves one life of the sender.
pub(super) async fn serve(stage: Arc<Stage>, postrider: Postrider) {
    if let Err(error) = try_serve(&stage, postrider).await {
        stage.broke("api", error.to_string());
    }
    stage.door.closed.notify_one();
}

async fn try_serve(stage: &Arc<Stage>, postrider: Postrider) -> Result<(), Box<dyn Error>> {
    stage.door.know_tenants(&stage.plan).await?;
    let api = Api::open(postrider, ApiOptions::default()).await?;
    api.accept_key(KEY);
    let listener = Listener {
        stage: Arc::clone(stage),
        inner: TcpListener::bind((Ipv4Addr::UNSPECIFIED, PORT)).await?,
    };
    let stop = async {
        stage.door.stop.notified().await;
        api.close_streams();
    };
    // `Door::close` does not wait for ever.
    let options = ServeOptions {
        grace: Duration::MAX,
        ..ServeOptions::default()
    };
    postrider_server::serve(listener, router(&api), stop, options).await;
    Ok(())
}

impl axum::serve::Listener for Listener {
    type Io = Tap;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Tap, SocketAddr) {
        loop {
            match self.inner.accept().await {
                Ok((stream, peer)) => {
                    if let Ok(tap) = Tap::new(&self.stage, Who::Sender, stream) {
                        return (tap, peer);
                    }
                }
                Err(error) => {
                    self.stage.broke("api", error.to_string());
                    return pending().await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }
}
