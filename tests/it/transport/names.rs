//! Names and the connections they lead to.

use super::fixture::{
    BLACK_HOLE, Lookup, Names, Setup, Subject, failure, post, post_briefly, status,
};
use crate::hostile::{Behaviour, OK, Receiver};
use postrider_engine::{FailureKind, Phase};

fn naming(answers: impl IntoIterator<Item = Lookup>) -> Setup {
    Setup {
        names: Names::script(answers),
        ..Setup::default()
    }
}

async fn fails(subject: Subject, lookup: Lookup) {
    let setup = naming([lookup]);
    let failed = failure(post(&*subject.with(&setup), "http://hooks.example/?key=1").await);
    assert_eq!(failed, FailureKind::Dns);
}

pub(super) async fn a_name_that_does_not_exist_is_a_dns_failure(subject: Subject) {
    fails(subject, Lookup::NotFound).await;
}

pub(super) async fn a_failing_name_server_is_a_dns_failure(subject: Subject) {
    fails(subject, Lookup::ServerFailure).await;
}

pub(super) async fn a_name_without_addresses_is_a_dns_failure(subject: Subject) {
    fails(subject, Lookup::of(&[])).await;
}

pub(super) async fn a_slow_name_server_times_out(subject: Subject) {
    let setup = naming([Lookup::Silence]);
    let outcome = post_briefly(&*subject.with(&setup), "http://hooks.example/?key=1").await;
    assert_eq!(failure(outcome), FailureKind::Timeout(Phase::Resolve));
}

pub(super) async fn a_flapping_name_server_fails_only_when_it_fails(subject: Subject) {
    let receiver = Receiver::start(Behaviour::AnswerAndHangUp(OK.into())).await;
    let loopback = || Lookup::of(&["127.0.0.1"]);
    let setup = naming([
        Lookup::ServerFailure,
        loopback(),
        Lookup::NotFound,
        loopback(),
    ]);
    let transport = subject.with(&setup);
    let url = receiver.url("http", "hooks.example");
    for _ in 0..2 {
        assert_eq!(failure(post(&*transport, &url).await), FailureKind::Dns);
        assert_eq!(status(post(&*transport, &url).await), 200);
        receiver.until_open(0).await;
    }
}

pub(super) async fn the_second_address_is_dialled_when_the_first_refuses(subject: Subject) {
    let receiver = Receiver::start(Behaviour::Answer(OK.into())).await;
    // Nobody listens on the first.
    let setup = naming([Lookup::of(&["127.0.0.2", "127.0.0.1"])]);
    let url = receiver.url("http", "hooks.example");
    assert_eq!(status(post(&*subject.with(&setup), &url).await), 200);
}

pub(super) async fn a_refused_connection_is_a_connect_failure(subject: Subject) {
    let receiver = Receiver::start(Behaviour::Silence).await;
    let setup = naming([Lookup::of(&["127.0.0.2"])]);
    let transport = subject.with(&setup);
    for scheme in ["http", "https"] {
        for host in ["hooks.example", "127.0.0.2"] {
            let failed = failure(post(&*transport, &receiver.url(scheme, host)).await);
            assert_eq!(failed, FailureKind::Connect, "{scheme} {host}");
        }
    }
}

#[tokio::test]
async fn hyper_times_out_connecting_to_an_address_that_swallows_packets() {
    let setup = naming([Lookup::of(&[BLACK_HOLE])]);
    let outcome = post_briefly(&setup.hyper(), "http://hooks.example/?key=1").await;
    assert_eq!(failure(outcome), FailureKind::Timeout(Phase::Connect));
}

#[tokio::test]
async fn hyper_leaves_time_for_the_second_address_when_the_first_swallows_packets() {
    let receiver = Receiver::start(Behaviour::Answer(OK.into())).await;
    let setup = naming([Lookup::of(&[BLACK_HOLE, "127.0.0.1"])]);
    let url = receiver.url("http", "hooks.example");
    assert_eq!(status(post_briefly(&setup.hyper(), &url).await), 200);
}

#[tokio::test]
async fn hyper_dials_only_so_many_addresses_of_a_name() {
    let receiver = Receiver::start(Behaviour::Answer(OK.into())).await;
    let many: Vec<String> = (10..100).map(|last| format!("127.0.0.{last}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let setup = naming([Lookup::of(&many)]);
    let outcome = post(&setup.hyper(), &receiver.url("http", "hooks.example")).await;
    assert_eq!(failure(outcome), FailureKind::Connect);
    assert_eq!(setup.names.dials(), setup.limits.dials_max);
}
