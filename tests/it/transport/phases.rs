//! What took how long.

use super::fixture::{BLACK_HOLE, BRIEF, Lookup, Names, PATIENT, Setup, request};
use crate::hostile::{Authority, Behaviour, Http2Behaviour, OK, Receiver};
use postrider::PhaseTimes;
use postrider::transport::Transport;
use std::time::Duration;
use tokio::time::Instant;

const HOST: &str = "hooks.example";

fn trusting(authority: &Authority) -> Setup {
    Setup {
        roots: authority.roots(),
        ..Setup::default()
    }
}

async fn times(transport: &dyn Transport, url: &str, most: Duration) -> PhaseTimes {
    let timed = transport.send_timed(request(url), Instant::now() + most);
    timed.await.phases.unwrap()
}

/// Which phases happened: queued, look-up, connection, handshake, first byte.
fn happened(times: &PhaseTimes) -> [bool; 5] {
    let phases = [
        times.queued_ms,
        times.dns_ms,
        times.connect_ms,
        times.tls_ms,
        times.first_byte_ms,
    ];
    phases.map(|phase| phase.is_some())
}

#[tokio::test]
async fn a_request_on_a_used_connection_has_only_the_wait_for_its_answer() {
    let authority = Authority::new();
    let config = authority.server(HOST, "http/1.1");
    let receiver = Receiver::start_tls(config, Behaviour::Answer(OK.into())).await;
    let transport = trusting(&authority).hyper();
    let url = receiver.url("https", HOST);
    let first = times(&transport, &url, PATIENT).await;
    assert_eq!(happened(&first), [false, true, true, true, true]);
    let second = times(&transport, &url, PATIENT).await;
    assert_eq!(happened(&second), [false, false, false, false, true]);
}

#[tokio::test]
async fn who_waits_for_the_connection_of_another_request_was_queued() {
    let authority = Authority::new();
    let config = authority.server(HOST, "h2");
    let answer = Http2Behaviour::Answer { streams_max: 200 };
    let receiver = Receiver::start_http2(config, answer).await;
    let transport = trusting(&authority).hyper();
    let url = receiver.url("https", HOST);
    let both = tokio::join!(
        times(&transport, &url, PATIENT),
        times(&transport, &url, PATIENT)
    );
    let mut both = [both.0, both.1].map(|times| happened(&times));
    both.sort_unstable();
    let (made, queued) = (
        [false, true, true, true, true],
        [true, false, false, false, true],
    );
    assert_eq!(both, [made, queued]);
}

#[tokio::test]
async fn a_slow_answer_shows_in_the_wait_for_it() {
    let late = Duration::from_millis(300);
    let receiver = Receiver::start(Behaviour::AnswerAfter(late, OK.into())).await;
    let setup = Setup::default();
    let taken = times(&setup.hyper(), &receiver.http(), PATIENT).await;
    assert!(taken.first_byte_ms.unwrap() >= 250, "{taken:?}");
    assert!(taken.total_ms >= taken.first_byte_ms.unwrap(), "{taken:?}");
    // reqwest tells nothing of what came before.
    let taken = times(&setup.reqwest(), &receiver.http(), PATIENT).await;
    assert_eq!(happened(&taken), [false, false, false, false, true]);
    assert!(taken.first_byte_ms.unwrap() >= 250, "{taken:?}");
}

#[tokio::test]
async fn the_phase_in_which_an_attempt_fails_lasts_until_then() {
    let setup = Setup {
        names: Names::script([Lookup::of(&[BLACK_HOLE])]),
        ..Setup::default()
    };
    let taken = times(&setup.hyper(), "http://hooks.example/", BRIEF).await;
    assert_eq!(happened(&taken), [false, true, true, false, false]);
    // Of a deadline of 300 ms, whatever a busy machine has lost before it came to this.
    assert!(taken.connect_ms.unwrap() >= 50, "{taken:?}");
}
