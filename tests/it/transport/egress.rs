//! Where no request goes. The ranges themselves have tests of their own.

use super::fixture::{Lookup, Names, PATIENT, Setup, Subject, failure, post, request, status};
use crate::hostile::{Behaviour, OK, Receiver};
use postrider::egress::EgressGuard;
use postrider::transport::{ReqwestTransport, Transport};
use postrider_engine::FailureKind;
use std::env;
use std::process::Command;
use tokio::time::Instant;

fn public_only(answers: impl IntoIterator<Item = Lookup>) -> Setup {
    Setup {
        guard: EgressGuard::public_only(),
        names: Names::script(answers),
        ..Setup::default()
    }
}

pub(super) async fn a_literal_private_address_is_never_dialled(subject: Subject) {
    let canary = Receiver::canary().await;
    let setup = public_only([Lookup::of(&["127.0.0.1"])]);
    let transport = subject.with(&setup);
    for host in [
        "127.0.0.1",
        "2130706433",
        "0x7f.1",
        "0177.0.0.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "0.0.0.0",
        "10.0.0.1",
        "169.254.169.254",
        "[fe80::1]",
    ] {
        for scheme in ["http", "https"] {
            let failed = failure(post(&*transport, &canary.url(scheme, host)).await);
            assert_eq!(failed, FailureKind::BlockedAddress, "{host}");
        }
    }
    assert_eq!((setup.names.lookups(), setup.names.dials()), (0, 0));
    assert_eq!(canary.connections(), 0);
}

pub(super) async fn a_name_with_a_private_address_is_never_dialled(subject: Subject) {
    let canary = Receiver::canary().await;
    for address in [
        "127.0.0.1",
        "::1",
        "::ffff:127.0.0.1",
        "10.0.0.1",
        "169.254.169.254",
    ] {
        let setup = public_only([Lookup::of(&[address])]);
        let url = canary.url("http", "hooks.example");
        let failed = failure(post(&*subject.with(&setup), &url).await);
        assert_eq!(failed, FailureKind::BlockedAddress, "{address}");
        assert_eq!(setup.names.dials(), 0);
    }
    assert_eq!(canary.connections(), 0);
}

pub(super) async fn one_private_address_among_public_ones_refuses_the_name(subject: Subject) {
    let canary = Receiver::canary().await;
    let url = canary.url("http", "hooks.example");
    for mixed in [["8.8.8.8", "127.0.0.1"], ["127.0.0.1", "8.8.8.8"]] {
        let setup = public_only([Lookup::of(&mixed)]);
        let failed = failure(post(&*subject.with(&setup), &url).await);
        assert_eq!(failed, FailureKind::BlockedAddress, "{mixed:?}");
        assert_eq!(setup.names.dials(), 0);
    }
    assert_eq!(canary.connections(), 0);
}

pub(super) async fn the_address_that_was_vetted_is_the_one_that_is_dialled(subject: Subject) {
    let receiver = Receiver::start(Behaviour::AnswerAndHangUp(OK.into())).await;
    // One address of the loopback stands for the public ones, another for the private ones.
    let setup = Setup {
        guard: "127.0.0.1/32".parse().unwrap(),
        names: Names::script([Lookup::of(&["127.0.0.1"]), Lookup::of(&["127.0.0.2"])]),
        ..Setup::default()
    };
    let transport = subject.with(&setup);
    let url = receiver.url("http", "hooks.example");
    assert_eq!(status(post(&*transport, &url).await), 200);
    assert_eq!(
        setup.names.lookups(),
        1,
        "what was vetted is not looked up again"
    );

    receiver.until_open(0).await;
    assert_eq!(
        failure(post(&*transport, &url).await),
        FailureKind::BlockedAddress
    );
    assert_eq!(receiver.connections(), 1);
}

/// The environment is that of the process, so this takes one of its own.
pub(super) async fn proxies_of_the_environment_are_not_used(subject: Subject) {
    let canary = Receiver::canary().await;
    let case = "a_request_arrives_whole_and_its_answer_is_kept";
    let module = subject.pick("over_hyper", "over_reqwest");
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", &format!("transport::{module}::{case}")]);
    for name in [
        "http_proxy",
        "HTTP_PROXY",
        "https_proxy",
        "HTTPS_PROXY",
        "all_proxy",
        "ALL_PROXY",
    ] {
        command.env(name, format!("http://127.0.0.1:{}", canary.port()));
    }
    command.env_remove("no_proxy").env_remove("NO_PROXY");
    let run = tokio::task::spawn_blocking(move || command.output().unwrap())
        .await
        .unwrap();
    let printed = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success(), "{printed}");
    assert!(printed.contains("1 passed"), "{printed}");
    assert_eq!(canary.connections(), 0);
}

#[tokio::test]
async fn hyper_refuses_a_connection_that_ends_up_at_a_private_address() {
    let canary = Receiver::canary().await;
    let setup = Setup {
        guard: "127.0.0.1/32".parse().unwrap(),
        names: Names::redirected_to("10.0.0.1:80".parse().unwrap()),
        ..Setup::default()
    };
    let outcome = post(&setup.hyper(), &canary.url("http", "hooks.example")).await;
    assert_eq!(failure(outcome), FailureKind::BlockedAddress);
    assert!(canary.requests().is_empty());
}

#[tokio::test]
async fn reqwest_goes_through_the_proxy_it_is_given_even_a_private_one() {
    let proxy = Receiver::start(Behaviour::Answer(OK.into())).await;
    let setup = public_only([Lookup::NotFound]);
    let through = proxy.http().parse().unwrap();
    let builder = reqwest::Client::builder();
    let transport = ReqwestTransport::through_proxy(builder, setup.config(), through).unwrap();

    let outcome = post(&transport, "http://hooks.example/hooks").await;
    assert_eq!(status(outcome), 200);
    assert!(proxy.requests()[0].starts_with("POST http://hooks.example/hooks HTTP/1.1\r\n"));

    let literal = request("http://10.0.0.1/hooks");
    let outcome = transport.send(literal, Instant::now() + PATIENT).await;
    assert_eq!(failure(outcome), FailureKind::BlockedAddress);
    assert_eq!(proxy.requests().len(), 1);
}
