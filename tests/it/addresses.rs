//! The addresses and spellings that no request may go to, through the whole of a transport.
//!
//! What refuses each of them, and why, is checked beside the guard; here it is that nothing is
//! dialled.

use crate::receiver::SECRET;
use crate::transport::fixture::{Names, Setup, Subject, failure, post};
use postrider::egress::EgressGuard;
use postrider::{EndpointUrl, FailureKind, Postrider};
use std::net::IpAddr;

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
