//! What the cases share: the transports under test, their names, their questions.

use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use postrider::EndpointUrl;
use postrider::egress::EgressGuard;
use postrider::transport::tls::{DefaultTimeProvider, client_config};
use postrider::transport::{
    Dial, HyperTransport, ReqwestTransport, Transport, TransportConfig, TransportLimits, Uplink,
    WireRequest,
};
use postrider_engine::{FailureKind, Outcome, Response};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use rustls::RootCertStore;
use rustls::time_provider::TimeProvider;
use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::Instant;

/// Time enough for anything that should succeed, on a busy machine too.
pub(crate) const PATIENT: Duration = Duration::from_secs(10);

/// Time enough for a connection on the loopback, and soon over.
pub(crate) const BRIEF: Duration = Duration::from_millis(300);

/// An address at which nothing answers, for the transport that dials through [`Names`].
pub(crate) const BLACK_HOLE: &str = "127.0.0.3";

/// Which transport a case is run for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    Hyper,
    Reqwest,
}

/// What a transport under test is made of.
pub(crate) struct Setup {
    pub(crate) guard: EgressGuard,
    pub(crate) names: Names,
    pub(crate) roots: RootCertStore,
    pub(crate) time: Arc<dyn TimeProvider>,
    pub(crate) limits: TransportLimits,
    pub(crate) uplink: Uplink,
}

impl Default for Setup {
    /// Lets requests go to the loopback, where all names lead.
    fn default() -> Self {
        Self {
            guard: "127.0.0.0/8".parse().unwrap(),
            names: Names::always("127.0.0.1"),
            roots: RootCertStore::empty(),
            time: Arc::new(DefaultTimeProvider),
            limits: TransportLimits::default(),
            uplink: Uplink::default(),
        }
    }
}

impl Setup {
    pub(crate) fn config(&self) -> TransportConfig {
        TransportConfig {
            guard: self.guard.clone(),
            tls: client_config(self.roots.clone(), Arc::clone(&self.time)).unwrap(),
            limits: self.limits.clone(),
            uplink: self.uplink.clone(),
        }
    }

    pub(crate) fn hyper(&self) -> HyperTransport<Names> {
        HyperTransport::with_dial(self.config(), self.names.clone())
    }

    pub(crate) fn reqwest(&self) -> ReqwestTransport {
        let builder = reqwest::Client::builder();
        ReqwestTransport::with_resolver(builder, self.config(), self.names.clone()).unwrap()
    }
}

impl Subject {
    pub(crate) fn transport(self) -> Arc<dyn Transport> {
        self.with(&Setup::default())
    }

    pub(crate) fn with(self, setup: &Setup) -> Arc<dyn Transport> {
        match self {
            Self::Hyper => Arc::new(setup.hyper()),
            Self::Reqwest => Arc::new(setup.reqwest()),
        }
    }

    /// What this transport answers where the two differ.
    pub(crate) fn pick<T>(self, hyper: T, reqwest: T) -> T {
        match self {
            Self::Hyper => hyper,
            Self::Reqwest => reqwest,
        }
    }
}

pub(crate) fn request(url: &str) -> WireRequest {
    WireRequest {
        tenant: postrider::TenantId::default(),
        url: EndpointUrl::parse(url).unwrap(),
        headers: vec![
            (
                http::header::CONTENT_TYPE,
                HeaderValue::from_static("application/json"),
            ),
            (
                HeaderName::from_static("webhook-id"),
                HeaderValue::from_static("evt_1"),
            ),
        ],
        body: Bytes::from_static(br#"{"type":"payment.succeeded"}"#),
        response_bytes_max: 1024,
        send_again: true,
        identity: None,
    }
}

/// Sends a request with all the time it needs.
pub(crate) async fn post(transport: &dyn Transport, url: &str) -> Outcome {
    transport.send(request(url), Instant::now() + PATIENT).await
}

/// Sends a request with little time, and checks that it keeps to it.
pub(crate) async fn post_briefly(transport: &dyn Transport, url: &str) -> Outcome {
    let started = Instant::now();
    let outcome = transport.send(request(url), started + BRIEF).await;
    let took = started.elapsed();
    assert!(
        took < BRIEF + Duration::from_secs(2),
        "took {took:?}: {outcome}"
    );
    outcome
}

pub(crate) fn response(outcome: Outcome) -> Response {
    match outcome {
        Outcome::Response(response) => response,
        Outcome::Failure(failure) => panic!("no response: {failure}"),
    }
}

pub(crate) fn status(outcome: Outcome) -> u16 {
    response(outcome).status
}

pub(crate) fn failure(outcome: Outcome) -> FailureKind {
    match outcome {
        Outcome::Response(response) => panic!("a response: {response:?}"),
        Outcome::Failure(failure) => {
            assert!(
                !failure.detail.contains("key=1"),
                "the query may be a secret: {failure}"
            );
            assert!(
                !failure.detail.contains('\n'),
                "more than one line: {failure}"
            );
            failure.kind
        }
    }
}

/// What a name server answers.
#[derive(Clone, Debug)]
pub(crate) enum Lookup {
    Addresses(Vec<IpAddr>),
    /// NXDOMAIN, as the system's resolver reports it.
    NotFound,
    /// SERVFAIL, likewise.
    ServerFailure,
    Silence,
}

impl Lookup {
    pub(crate) fn of(addresses: &[&str]) -> Self {
        Self::Addresses(
            addresses
                .iter()
                .map(|address| address.parse().unwrap())
                .collect(),
        )
    }
}

/// A network whose name server follows a script. Connections are real.
#[derive(Clone)]
pub(crate) struct Names(Arc<Script>);

struct Script {
    /// The answers to come. The last one is given for ever.
    answers: Mutex<VecDeque<Lookup>>,
    lookups: AtomicUsize,
    dials: AtomicUsize,
    /// What a connection says its other end is, if not the truth.
    peer: Option<SocketAddr>,
}

impl Names {
    pub(crate) fn script(answers: impl IntoIterator<Item = Lookup>) -> Self {
        Self::new(answers, None)
    }

    pub(crate) fn always(address: &str) -> Self {
        Self::script([Lookup::of(&[address])])
    }

    /// All names lead to the loopback, from where connections are led on to another address.
    pub(crate) fn redirected_to(peer: SocketAddr) -> Self {
        Self::new([Lookup::of(&["127.0.0.1"])], Some(peer))
    }

    fn new(answers: impl IntoIterator<Item = Lookup>, peer: Option<SocketAddr>) -> Self {
        Self(Arc::new(Script {
            answers: Mutex::new(answers.into_iter().collect()),
            lookups: AtomicUsize::new(0),
            dials: AtomicUsize::new(0),
            peer,
        }))
    }

    pub(crate) fn lookups(&self) -> usize {
        self.0.lookups.load(Ordering::SeqCst)
    }

    /// Connections tried. reqwest makes its own.
    pub(crate) fn dials(&self) -> usize {
        self.0.dials.load(Ordering::SeqCst)
    }

    async fn look_up(self) -> io::Result<Vec<IpAddr>> {
        self.0.lookups.fetch_add(1, Ordering::SeqCst);
        let answer = {
            let mut answers = self.0.answers.lock().unwrap();
            match answers.len() {
                1 => answers[0].clone(),
                _ => answers.pop_front().unwrap(),
            }
        };
        match answer {
            Lookup::Addresses(addresses) => Ok(addresses),
            Lookup::NotFound => Err(io::Error::other("Name or service not known")),
            Lookup::ServerFailure => Err(io::Error::other("Temporary failure in name resolution")),
            Lookup::Silence => std::future::pending().await,
        }
    }
}

impl Dial for Names {
    type Stream = TcpStream;

    async fn resolve(&self, _name: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        let addresses = self.clone().look_up().await?;
        Ok(addresses
            .into_iter()
            .map(|address| SocketAddr::new(address, port))
            .collect())
    }

    async fn connect(&self, address: SocketAddr) -> io::Result<TcpStream> {
        self.0.dials.fetch_add(1, Ordering::SeqCst);
        if address.ip().to_string() == BLACK_HOLE {
            std::future::pending::<()>().await;
        }
        TcpStream::connect(address).await
    }

    fn peer(&self, stream: &TcpStream) -> io::Result<SocketAddr> {
        self.0.peer.map_or_else(|| stream.peer_addr(), Ok)
    }
}

impl Resolve for Names {
    fn resolve(&self, _name: Name) -> Resolving {
        let lookup = self.clone().look_up();
        Box::pin(async move {
            let addresses = lookup
                .await?
                .into_iter()
                .map(|address| SocketAddr::new(address, 0));
            Ok(Box::new(addresses) as Addrs)
        })
    }
}
