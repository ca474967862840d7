//! From which address, and to which.

use super::fixture::{Lookup, Names, Setup, failure, post, status};
use crate::hostile::{Behaviour, OK, Receiver};
use postrider::transport::{AddressFamily, Uplink};
use postrider_engine::FailureKind;

fn of(family: AddressFamily, addresses: &[&str]) -> Setup {
    Setup {
        guard: "127.0.0.0/8,::1/128".parse().unwrap(),
        names: Names::script([Lookup::of(addresses)]),
        uplink: Uplink {
            family,
            ..Uplink::default()
        },
        ..Setup::default()
    }
}

#[tokio::test]
async fn only_addresses_of_the_chosen_family_are_dialled() {
    let receiver = Receiver::start(Behaviour::Answer(OK.into())).await;
    let url = receiver.url("http", "hooks.example");
    let setup = of(AddressFamily::Ipv4, &["::1", "127.0.0.1"]);
    assert_eq!(status(post(&setup.hyper(), &url).await), 200);
    assert_eq!(setup.names.dials(), 1);
    let setup = of(AddressFamily::Ipv6, &["127.0.0.1"]);
    let outcome = post(&setup.hyper(), &url).await;
    assert!(outcome.to_string().contains("address_family"), "{outcome}");
    assert_eq!(failure(outcome), FailureKind::Connect);
    assert_eq!(setup.names.dials(), 0);
}

#[tokio::test]
async fn every_address_is_vetted_whatever_the_family() {
    let receiver = Receiver::canary().await;
    let url = receiver.url("http", "hooks.example");
    let setup = of(AddressFamily::Ipv4, &["127.0.0.1", "fd00::1"]);
    let outcome = post(&setup.hyper(), &url).await;
    assert_eq!(failure(outcome), FailureKind::BlockedAddress);
}

/// Elsewhere the loopback network has one address.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn requests_come_from_the_chosen_address() {
    use postrider::transport::HyperTransport;
    use std::net::IpAddr;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let source: IpAddr = "127.0.0.2".parse().unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let receiving = tokio::spawn(async move {
        let (mut stream, peer) = listener.accept().await.unwrap();
        let _ = stream.read_u8().await;
        stream.write_all(OK.as_bytes()).await.unwrap();
        // What is unread would reset the connection.
        let mut rest = vec![0; 4096];
        while stream.read(&mut rest).await.is_ok_and(|bytes| bytes > 0) {}
        peer.ip()
    });
    let mut setup = Setup::default();
    setup.uplink.sources = vec![source];
    let transport = HyperTransport::new(setup.config());
    assert_eq!(status(post(&transport, &url).await), 200);
    drop(transport);
    assert_eq!(receiving.await.unwrap(), source);
}
