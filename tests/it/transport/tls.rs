//! Handshakes, good and bad.

use super::fixture::{Setup, Subject, failure, post, post_briefly, status};
use crate::hostile::{Authority, Behaviour, OK, Receiver};
use postrider::transport::tls::{add_roots, public_roots};
use postrider_engine::{FailureKind, Phase};
use rustls::ServerConfig;
use rustls::pki_types::UnixTime;
use rustls::time_provider::TimeProvider;
use std::sync::Arc;
use std::time::Duration;

const HOST: &str = "hooks.example";

fn trusting(authority: &Authority) -> Setup {
    Setup {
        roots: authority.roots(),
        ..Setup::default()
    }
}

async fn refused(subject: Subject, setup: &Setup, config: ServerConfig) {
    let receiver = Receiver::start_tls(config, Behaviour::Answer(OK.into())).await;
    let url = receiver.url("https", HOST);
    assert_eq!(
        failure(post(&*subject.with(setup), &url).await),
        FailureKind::Tls
    );
    assert!(
        receiver.requests().is_empty(),
        "nothing is said to whom is not trusted"
    );
}

pub(super) async fn a_good_certificate_is_accepted(subject: Subject) {
    let authority = Authority::new();
    for host in [HOST, "127.0.0.1"] {
        let config = authority.server(host, "http/1.1");
        let receiver = Receiver::start_tls(config, Behaviour::Answer(OK.into())).await;
        let transport = subject.with(&trusting(&authority));
        for _ in 0..2 {
            assert_eq!(
                status(post(&*transport, &receiver.url("https", host)).await),
                200
            );
        }
        assert_eq!(receiver.connections(), 1);
    }
}

pub(super) async fn an_expired_certificate_is_refused(subject: Subject) {
    let authority = Authority::new();
    refused(subject, &trusting(&authority), authority.expired(HOST)).await;
}

pub(super) async fn certificates_are_judged_by_the_clock_that_is_given(subject: Subject) {
    #[derive(Debug)]
    struct FarFuture;
    impl TimeProvider for FarFuture {
        fn current_time(&self) -> Option<UnixTime> {
            Some(UnixTime::since_unix_epoch(Duration::from_secs(
                100_000_000_000,
            )))
        }
    }
    let authority = Authority::new();
    let setup = Setup {
        time: Arc::new(FarFuture),
        ..trusting(&authority)
    };
    refused(subject, &setup, authority.server(HOST, "http/1.1")).await;
}

pub(super) async fn a_certificate_for_another_host_is_refused(subject: Subject) {
    let authority = Authority::new();
    let config = authority.server("other.example", "http/1.1");
    refused(subject, &trusting(&authority), config).await;
}

pub(super) async fn a_certificate_of_an_unknown_authority_is_refused(subject: Subject) {
    let config = Authority::new().server(HOST, "http/1.1");
    refused(subject, &trusting(&Authority::new()), config).await;
}

pub(super) async fn a_chain_without_the_authority_between_is_refused(subject: Subject) {
    let authority = Authority::new();
    let setup = trusting(&authority);
    refused(subject, &setup, authority.server_of_another(HOST, false)).await;
}

pub(super) async fn a_chain_with_the_authority_between_is_accepted(subject: Subject) {
    let authority = Authority::new();
    let config = authority.server_of_another(HOST, true);
    let receiver = Receiver::start_tls(config, Behaviour::Answer(OK.into())).await;
    let transport = subject.with(&trusting(&authority));
    let url = receiver.url("https", HOST);
    assert_eq!(status(post(&*transport, &url).await), 200);
}

pub(super) async fn a_receiver_that_speaks_tls_1_2_only_is_reached(subject: Subject) {
    let authority = Authority::new();
    let config = authority.old_server(HOST);
    let receiver = Receiver::start_tls(config, Behaviour::Answer(OK.into())).await;
    let transport = subject.with(&trusting(&authority));
    let url = receiver.url("https", HOST);
    assert_eq!(status(post(&*transport, &url).await), 200);
}

pub(super) async fn an_authority_that_was_read_from_a_file_is_believed(subject: Subject) {
    let (authority, other) = (Authority::new(), Authority::new());
    let mut roots = public_roots();
    let before = roots.len();
    let file = format!("# ours\n{}\n{}", other.pem(), authority.pem());
    assert_eq!(add_roots(&mut roots, file.as_bytes()), Ok(2));
    assert_eq!(roots.len(), before + 2, "beside those that were there");
    let setup = Setup {
        roots,
        ..Setup::default()
    };
    let config = authority.server(HOST, "http/1.1");
    let receiver = Receiver::start_tls(config, Behaviour::Answer(OK.into())).await;
    let url = receiver.url("https", HOST);
    assert_eq!(status(post(&*subject.with(&setup), &url).await), 200);
}

pub(super) async fn a_stalled_handshake_times_out(subject: Subject) {
    let receiver = Receiver::start(Behaviour::Silence).await;
    let url = receiver.url("https", HOST);
    let failed = failure(post_briefly(&*subject.transport(), &url).await);
    assert_eq!(
        failed,
        FailureKind::Timeout(subject.pick(Phase::Tls, Phase::Response))
    );
    receiver.until_open(0).await;
}

pub(super) async fn plain_text_in_place_of_a_handshake_is_refused(subject: Subject) {
    let receiver = Receiver::start(Behaviour::Blurt("220 ready\r\n".into())).await;
    let url = receiver.url("https", HOST);
    assert_eq!(
        failure(post(&*subject.transport(), &url).await),
        FailureKind::Tls
    );
}

pub(super) async fn a_connection_closed_in_the_handshake_is_refused(subject: Subject) {
    let receiver = Receiver::start(Behaviour::Blurt("".into())).await;
    let url = receiver.url("https", HOST);
    assert_eq!(
        failure(post(&*subject.transport(), &url).await),
        FailureKind::Tls
    );
}
