//! The addresses and spellings that no request may go to, through the whole of a transport.
//!
//! What refuses each of them, and why, is checked beside the guard; here it is that nothing is
//! dialled.

mod spellings;

use crate::api::Server;
use crate::receiver::SECRET;
use crate::transport::fixture::{Names, Setup, Subject, failure, post};
use postrider::egress::EgressGuard;
use postrider::engine::{Change, EndpointSecret, Health};
use postrider::store::Store;
use postrider::transport::{Dial, HyperTransport, TransportConfig};
use postrider::{
    Builder, DeliveryState, Endpoint, EndpointId, EndpointSpec, EndpointStatus, EndpointUrl,
    EventState, FailReason, FailureKind, MemoryStore, Postrider, Schedule, Secret, Submission,
    Wall,
};
use serde_json::json;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::net::TcpStream;

/// The lines of the table, without those that need an escape.
fn refused() -> Vec<&'static str> {
    let lines = include_str!("addresses/refused.txt").lines();
    let lines = lines.map(|line| line.split(" #").next().unwrap_or_default().trim());
    let starts_none = |line: &&str| !line.is_empty() && !line.starts_with(['[', '#']);
    lines
        .filter(starts_none)
        .filter(|line| !line.contains("<U+"))
        .collect()
}

fn public_only(address: &str) -> Setup {
    Setup {
        guard: EgressGuard::public_only(),
        names: Names::always(address),
        ..Setup::default()
    }
}

async fn nothing_is_dialled(subject: Subject) {
    let lines = refused();
    assert!(lines.len() >= 300, "{} lines", lines.len());
    for line in lines {
        let (setup, url) = if line.parse::<IpAddr>().is_ok() {
            (public_only(line), "http://hooks.example/".to_owned())
        } else if EndpointUrl::parse(line).is_ok() {
            (public_only("192.0.2.1"), line.to_owned())
        } else {
            continue; // No request can be made of it at all.
        };
        let failed = failure(post(&*subject.with(&setup), &url).await);
        assert_eq!(failed, FailureKind::BlockedAddress, "{line}");
        assert_eq!(setup.names.dials(), 0, "{line}");
    }
}

#[tokio::test]
async fn hyper_dials_none_of_the_refused_addresses_and_spellings() {
    nothing_is_dialled(Subject::Hyper).await;
}

#[tokio::test]
async fn reqwest_dials_none_of_the_refused_addresses_and_spellings() {
    nothing_is_dialled(Subject::Reqwest).await;
}

#[tokio::test]
async fn none_of_the_refused_urls_can_be_registered() {
    let postrider = Postrider::builder().start().await.unwrap();
    for line in refused()
        .into_iter()
        .filter(|line| line.parse::<IpAddr>().is_err())
    {
        let registered = postrider.register_endpoint(line, SECRET).await;
        assert!(registered.is_err(), "{line}");
    }
}

/// A network on which every name leads to this machine, and every connection is counted.
#[derive(Clone, Default)]
struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn dials(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl Dial for Counted {
    type Stream = TcpStream;

    async fn resolve(&self, _: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        let loopback = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
        Ok(loopback.map(|it| SocketAddr::new(it, port)).into())
    }

    async fn connect(&self, address: SocketAddr) -> io::Result<TcpStream> {
        self.0.fetch_add(1, Ordering::Relaxed);
        TcpStream::connect(address).await
    }

    fn peer(&self, stream: &TcpStream) -> io::Result<SocketAddr> {
        stream.peer_addr()
    }
}

/// A Postrider on this network, behind the guard that is the default.
fn guarded(network: &Counted) -> Builder {
    let config = TransportConfig::new(EgressGuard::public_only()).unwrap();
    let transport = HyperTransport::with_dial(config, network.clone());
    Postrider::builder().transport(transport)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_registers_verifies_and_patches_no_spelling_and_dials_none() {
    let urls = spellings::all();
    assert!(urls.len() >= 1_500, "{} spellings", urls.len());
    let network = Counted::default();
    let postrider = guarded(&network).start().await.unwrap();
    let server = Server::on(postrider).await;
    let public = json!({ "url": "https://8.8.8.8/" });
    let made = server.post("/v1/endpoints", public).await.expect(201);
    let path = format!("/v1/endpoints/{}", made["id"].as_str().unwrap());
    for url in &urls {
        let form = json!({ "url": url });
        let created = server.post("/v1/endpoints", form.clone()).await;
        assert_eq!(created.status, 422, "{url}: {}", created.body);
        let verified = json!({ "url": url, "verify": true });
        let verified = server.post("/v1/endpoints", verified).await;
        assert_eq!(verified.status, 422, "{url}: {}", verified.body);
        assert_ne!(verified.body["code"], "ping_failed", "{url}");
        let patched = server.patch(&path, form).await;
        assert_eq!(patched.status, 422, "{url}: {}", patched.body);
    }
    assert_eq!(network.dials(), 0);
    let kept = server.get(&path).await.expect(200);
    assert_eq!(kept["url"], "https://8.8.8.8/");
}

#[tokio::test(flavor = "multi_thread")]
async fn endpoints_on_record_under_any_spelling_get_nothing_and_nothing_is_dialled() {
    let urls = spellings::all();
    let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
    let on_record = |(number, url): (usize, &String)| {
        let mut spec = EndpointSpec::new(url.as_str());
        spec.retry.schedule = Schedule::Delays(Vec::new());
        Change::AddEndpoint(Box::new(Endpoint {
            id: EndpointId::from_u128(number as u128 + 1),
            spec: Arc::new(spec),
            secrets: vec![EndpointSecret {
                secret: Secret::generate_hmac([7; 32]),
                expires_at: None,
            }],
            status: EndpointStatus::Active,
            health: Health::default(),
            created_at: Wall(1),
            revision: 1,
        }))
    };
    let changes = urls.iter().enumerate().map(on_record).collect();
    let added = Arc::clone(&store).commit(changes).await;
    assert!(added.iter().all(Result::is_ok));
    let network = Counted::default();
    let builder = guarded(&network).shared_store(store);
    let postrider = builder.start().await.unwrap();
    let event = Submission::new("a.b", "{}");
    let event = postrider.publish(event).await.unwrap();
    assert_eq!(event.deliveries.len(), urls.len());
    for _ in 0..2_000 {
        if postrider.event_status(&event.event).await.unwrap().state != EventState::Pending {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let status = postrider.event_status(&event.event).await.unwrap();
    let failed = status.deliveries.iter();
    let failed = failed.filter(|it| it.state == DeliveryState::Failed(FailReason::Exhausted));
    assert_eq!(failed.count(), urls.len());
    assert_eq!(network.dials(), 0);
}
