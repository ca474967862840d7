//! Client certificates.

use super::fixture::{Names, PATIENT, Setup, failure, request, status};
use crate::hostile::{Authority, Behaviour, OK, Receiver};
use postrider::transport::{HyperTransport, Transport, WireRequest};
use postrider::{ClientIdentity, TenantId};
use postrider_engine::{FailureKind, Outcome};
use tokio::time::Instant;

const HOST: &str = "hooks.example";

/// A receiver that takes clients of this authority only, and a transport that believes it.
async fn demanding(authority: &Authority) -> (Receiver, HyperTransport<Names>) {
    let config = authority.demanding_server(HOST, authority);
    let receiver = Receiver::start_tls(config, Behaviour::Answer(OK.into())).await;
    let setup = Setup {
        roots: authority.roots(),
        ..Setup::default()
    };
    (receiver, setup.hyper())
}

async fn post_as(
    transport: &HyperTransport<Names>,
    receiver: &Receiver,
    identity: Option<&ClientIdentity>,
) -> Outcome {
    let request = WireRequest {
        identity: identity.cloned(),
        ..request(&receiver.url("https", HOST))
    };
    transport.send(request, Instant::now() + PATIENT).await
}

/// The receiver says so after the handshake: whether it is heard before the connection is gone is up
/// to the network.
fn is_turned_away(outcome: Outcome) -> bool {
    matches!(failure(outcome), FailureKind::Tls | FailureKind::Reset)
}

#[tokio::test]
async fn a_receiver_that_asks_for_a_certificate_gets_that_of_the_endpoint() {
    let authority = Authority::new();
    let (receiver, transport) = demanding(&authority).await;
    let identity = authority.identity("sender.example");
    for _ in 0..2 {
        let outcome = post_as(&transport, &receiver, Some(&identity)).await;
        assert_eq!(status(outcome), 200);
    }
    assert_eq!(receiver.connections(), 1, "it is kept");
}

#[tokio::test]
async fn a_connection_is_used_again_as_the_same_sender_only() {
    let authority = Authority::new();
    let (receiver, transport) = demanding(&authority).await;
    let identity = authority.identity("sender.example");
    let stranger = Authority::new().identity("sender.example");
    let outcome = post_as(&transport, &receiver, Some(&identity)).await;
    assert_eq!(status(outcome), 200);
    for other in [None, Some(&stranger)] {
        assert!(is_turned_away(post_as(&transport, &receiver, other).await));
    }
    assert_eq!(receiver.requests().len(), 1, "nobody else was heard");
    let connections = receiver.connections();
    let outcome = post_as(&transport, &receiver, Some(&identity)).await;
    assert_eq!(status(outcome), 200);
    assert_eq!(receiver.connections(), connections);
}

#[tokio::test]
async fn the_certificate_of_a_tenant_serves_its_endpoints_that_have_none() {
    let authority = Authority::new();
    let (receiver, transport) = demanding(&authority).await;
    let identity = authority.identity("sender.example");
    let tenant = TenantId::default();
    assert!(transport.identify(&"acme".parse().unwrap(), Some(identity.clone())));
    assert!(is_turned_away(post_as(&transport, &receiver, None).await));
    assert!(transport.identify(&tenant, Some(identity)));
    assert_eq!(status(post_as(&transport, &receiver, None).await), 200);
    let stranger = Authority::new().identity("sender.example");
    let own = post_as(&transport, &receiver, Some(&stranger)).await;
    assert!(is_turned_away(own), "that of an endpoint goes before it");
    assert!(transport.identify(&tenant, None));
    assert!(is_turned_away(post_as(&transport, &receiver, None).await));
}
