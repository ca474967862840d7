//! Answers, good and bad, over HTTP/1.

use super::fixture::{
    BRIEF, PATIENT, Subject, failure, post, post_briefly, request, response, status,
};
use crate::hostile::{Behaviour, OK, Receiver};
use http::HeaderValue;
use http::header::{ACCEPT_ENCODING, CONNECTION, CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use postrider_engine::{FailureKind, Outcome, Phase};
use std::time::Duration;
use tokio::time::Instant;

pub(super) async fn a_request_arrives_whole_and_its_answer_is_kept(subject: Subject) {
    let answer = "HTTP/1.1 503 Busy\r\nRetry-After: 7\r\ncontent-length: 5\r\n\r\nlater";
    let receiver = Receiver::start(Behaviour::Answer(answer.into())).await;
    let answer = response(post(&*subject.transport(), &receiver.http()).await);

    assert_eq!(answer.status, 503);
    assert!(
        answer
            .headers
            .contains(&("retry-after".to_owned(), "7".to_owned()))
    );
    assert_eq!((&answer.body[..], answer.body_cut), (&b"later"[..], false));
    assert!(u128::from(answer.head_ms) < PATIENT.as_millis());

    let sent = receiver.requests().remove(0);
    let (head, body) = sent.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("POST /hooks?key=1 HTTP/1.1\r\n"), "{head}");
    let head = head.to_lowercase() + "\r\n";
    assert!(
        head.contains(&format!("\r\nhost: 127.0.0.1:{}\r\n", receiver.port())),
        "{head}"
    );
    assert!(head.contains("\r\nwebhook-id: evt_1\r\n"), "{head}");
    assert!(
        head.contains("\r\ncontent-type: application/json\r\n"),
        "{head}"
    );
    assert!(!head.contains("\r\naccept-encoding:"), "{head}");
    assert_eq!(body, r#"{"type":"payment.succeeded"}"#);
}

pub(super) async fn headers_of_the_connection_are_not_the_callers(subject: Subject) {
    let receiver = Receiver::start(Behaviour::Answer(OK.into())).await;
    let mut request = request(&receiver.http());
    for (name, value) in [
        (HOST, "elsewhere.example"),
        (CONTENT_LENGTH, "3"),
        (TRANSFER_ENCODING, "chunked"),
        (CONNECTION, "close"),
        (ACCEPT_ENCODING, "gzip"),
    ] {
        request
            .headers
            .push((name, HeaderValue::from_static(value)));
    }
    let transport = subject.transport();
    assert_eq!(
        status(transport.send(request, Instant::now() + PATIENT).await),
        200
    );

    let sent = receiver.requests().remove(0).to_lowercase();
    assert!(sent.ends_with(r#"{"type":"payment.succeeded"}"#), "{sent}");
    assert!(
        sent.contains(&format!("\r\nhost: 127.0.0.1:{}\r\n", receiver.port())),
        "{sent}"
    );
    for foreign in ["elsewhere", "chunked", "close", "gzip"] {
        assert!(!sent.contains(foreign), "{foreign}: {sent}");
    }
}

pub(super) async fn a_receiver_that_never_answers_times_out(subject: Subject) {
    let receiver = Receiver::start(Behaviour::Silence).await;
    let transport = subject.transport();
    let failed = failure(post_briefly(&*transport, &receiver.http()).await);
    assert_eq!(failed, FailureKind::Timeout(Phase::Response));
    receiver.until_open(0).await;
}

pub(super) async fn an_answer_after_the_deadline_is_a_timeout(subject: Subject) {
    let late = Behaviour::AnswerAfter(BRIEF + Duration::from_millis(200), OK.into());
    let receiver = Receiver::start(late).await;
    let transport = subject.transport();
    let failed = failure(post_briefly(&*transport, &receiver.http()).await);
    assert_eq!(failed, FailureKind::Timeout(Phase::Response));
    // Nor does the answer turn up as that to the next request.
    let failed = failure(post_briefly(&*transport, &receiver.http()).await);
    assert_eq!(failed, FailureKind::Timeout(Phase::Response));
    assert_eq!(receiver.connections(), 2);
}

pub(super) async fn a_connection_closed_without_an_answer_is_a_reset(subject: Subject) {
    let receiver = Receiver::start(Behaviour::HangUp).await;
    let failed = failure(post(&*subject.transport(), &receiver.http()).await);
    assert_eq!(failed, FailureKind::Reset);
    assert_eq!(
        receiver.requests().len(),
        1,
        "a fresh connection's failure counts"
    );
}

pub(super) async fn a_half_closed_connection_is_a_reset(subject: Subject) {
    let receiver = Receiver::start(Behaviour::HalfClose).await;
    let failed = failure(post(&*subject.transport(), &receiver.http()).await);
    assert_eq!(failed, FailureKind::Reset);
    receiver.until_open(0).await;
}

pub(super) async fn a_reset_in_the_head_is_a_reset(subject: Subject) {
    let receiver = Receiver::start(Behaviour::Reset("HTTP/1.1 200 OK\r\ndate:".into())).await;
    let failed = failure(post(&*subject.transport(), &receiver.http()).await);
    assert_eq!(failed, FailureKind::Reset);
}

pub(super) async fn a_reset_in_the_body_leaves_the_status_to_decide(subject: Subject) {
    let head = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf";
    let receiver = Receiver::start(Behaviour::Reset(head.into())).await;
    let answer = response(post(&*subject.transport(), &receiver.http()).await);
    assert_eq!((answer.status, answer.body_cut), (200, true));
    assert_eq!(&answer.body[..], b"half");
}

pub(super) async fn a_dripping_body_is_cut_at_the_deadline_and_the_status_decides(
    subject: Subject,
) {
    let head = "HTTP/1.1 201 Created\r\ncontent-length: 1000\r\n\r\n".into();
    let receiver = Receiver::start(Behaviour::Drip(head, Duration::from_millis(50))).await;
    let answer = response(post_briefly(&*subject.transport(), &receiver.http()).await);
    assert_eq!((answer.status, answer.body_cut), (201, true));
    assert!(
        u128::from(answer.head_ms) < BRIEF.as_millis() / 2,
        "the head's time, not the end's"
    );
    assert!(answer.body.iter().all(|byte| *byte == b'x'));
    assert!(
        !answer.body.is_empty() && answer.body.len() < 50,
        "{}",
        answer.body.len()
    );
    receiver.until_open(0).await;
}

pub(super) async fn a_dripping_head_times_out(subject: Subject) {
    let head = "HTTP/1.1 200 OK\r\nx-slow: ".into();
    let receiver = Receiver::start(Behaviour::Drip(head, Duration::from_millis(50))).await;
    let failed = failure(post_briefly(&*subject.transport(), &receiver.http()).await);
    assert_eq!(failed, FailureKind::Timeout(Phase::Response));
    receiver.until_open(0).await;
}

pub(super) async fn an_endless_body_is_cut_at_its_limit(subject: Subject) {
    let block = "x".repeat(10_000);
    let endless = [
        ("HTTP/1.1 200 OK\r\n\r\n", block.clone()),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 999999999999\r\n\r\n",
            block.clone(),
        ),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
            format!("2710\r\n{block}\r\n"),
        ),
    ];
    for (head, again) in endless {
        let receiver = Receiver::start(Behaviour::Flood(head.into(), again.into())).await;
        let started = Instant::now();
        let answer = response(post(&*subject.transport(), &receiver.http()).await);
        assert_eq!((answer.status, answer.body_cut), (200, true));
        assert_eq!(answer.body.len(), 1024);
        assert!(
            started.elapsed() < PATIENT / 2,
            "the rest is not waited for"
        );
        receiver.until_open(0).await;
    }
}

pub(super) async fn a_body_as_long_as_its_limit_is_whole(subject: Subject) {
    let body = "x".repeat(1024);
    let sized = format!("content-length: 1024\r\n\r\n{body}");
    let chunked = format!("transfer-encoding: chunked\r\n\r\n400\r\n{body}\r\n0\r\n\r\n");
    for framed in [sized, chunked] {
        let whole = format!("HTTP/1.1 200 OK\r\n{framed}");
        let receiver = Receiver::start(Behaviour::Answer(whole.clone().into())).await;
        let answer = response(post(&*subject.transport(), &receiver.http()).await);
        assert_eq!(answer.body.len(), 1024);
        // reqwest may not know in time that these chunks were all.
        assert!(!answer.body_cut || subject == Subject::Reqwest, "{whole}");
    }
}

pub(super) async fn a_compressed_body_is_kept_as_it_came(subject: Subject) {
    // What matters is that nobody tries to inflate it: it is not even gzip.
    let bomb = "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 4\r\n\r\nbomb";
    let receiver = Receiver::start(Behaviour::Answer(bomb.into())).await;
    let answer = response(post(&*subject.transport(), &receiver.http()).await);
    assert_eq!((&answer.body[..], answer.body_cut), (&b"bomb"[..], false));
    assert!(
        answer
            .headers
            .contains(&("content-encoding".to_owned(), "gzip".to_owned()))
    );
}

pub(super) async fn what_is_not_http_is_malformed(subject: Subject) {
    for garbage in [
        "SSH-2.0-OpenSSH_9.6\r\n\r\n",
        "ok",
        "HTTP/9.9 200 OK\r\n\r\n",
        "HTTP/2 200\r\n\r\n",
        "HTTP/1.1 banana\r\n\r\n",
        "HTTP/1.1 99 Low\r\n\r\n",
        "HTTP/1.1 2000 Many\r\n\r\n",
        "HTTP/1.1 103 Early\r\nno colon\r\n\r\nHTTP/1.1 banana\r\n\r\n",
    ] {
        let receiver = Receiver::start(Behaviour::AnswerAndHangUp(garbage.into())).await;
        let failed = failure(post(&*subject.transport(), &receiver.http()).await);
        assert_eq!(failed, FailureKind::Malformed, "{garbage:?}");
    }
}

pub(super) async fn a_bad_chunk_leaves_the_status_to_decide(subject: Subject) {
    for chunk in ["banana\r\n", "fffffffffffffffff\r\n", "3\r\nabcdef\r\n"] {
        let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n";
        let receiver = Receiver::start(Behaviour::Answer(format!("{head}{chunk}").into())).await;
        let answer = response(post(&*subject.transport(), &receiver.http()).await);
        assert_eq!((answer.status, answer.body_cut), (200, true), "{chunk:?}");
        assert!(answer.body.starts_with(b"ok"), "{chunk:?}");
        receiver.until_open(0).await;
    }
}

/// What may stand in a head, and hyper reads over.
const UNTIDY: [&str; 7] = [
    "x-folded: one\r\n two\r\n\tthree\r\n",
    "x-space : before the colon\r\n",
    "set-cookie: a=\u{1}b\r\n",
    "no colon\r\n",
    ": no name\r\n",
    "a name: with a space\r\n",
    "line: feed\nalone: x\r\n",
];

/// What may stand in a head, and hyper does not read.
const BEYOND_HYPER: [&str; 5] = [
    "set-cookie: a=\0b\r\n",
    "content-length: -1\r\n",
    "content-length: 1\r\ncontent-length: 2\r\n",
    "content-length: 99999999999999999999\r\n",
    "content-length: 2, 3\r\n",
];

/// The response to one request, which comes at once.
async fn prompt(subject: Subject, answer: String) -> Outcome {
    let receiver = Receiver::start(Behaviour::Answer(answer.into())).await;
    let started = Instant::now();
    let outcome = post(&*subject.transport(), &receiver.http()).await;
    assert!(started.elapsed() < PATIENT / 2, "{outcome}");
    assert_eq!(receiver.requests().len(), 1);
    outcome
}

pub(super) async fn an_untidy_head_leaves_the_status_to_decide(subject: Subject) {
    for untidy in UNTIDY {
        for (code, rest) in [(200, "\r\nok"), (503, "content-length: 2\r\n\r\nno")] {
            // The connection stays open: where there is no length, the end of the body never comes.
            let framed = subject == Subject::Hyper || rest.starts_with("content");
            let rest = if framed {
                rest
            } else {
                "content-length: 2\r\n\r\nok"
            };
            let head = format!("HTTP/1.1 {code} Some\r\n{untidy}retry-after: 7\r\n{rest}");
            let answer = response(prompt(subject, head).await);
            assert_eq!(answer.status, code, "{untidy:?}");
            assert_eq!(answer.body.len(), 2, "{untidy:?}");
            let retry_after = ("retry-after".to_owned(), "7".to_owned());
            assert!(answer.headers.contains(&retry_after), "{untidy:?}");
        }
    }
}

pub(super) async fn bytes_beyond_ascii_in_a_value_are_tidy(subject: Subject) {
    let head = "HTTP/1.1 200 OK\r\nlatin: \u{e9}\u{80}\r\ncontent-length: 2\r\n\r\nok";
    let receiver = Receiver::start(Behaviour::Answer(head.into())).await;
    let transport = subject.transport();
    for _ in 0..2 {
        assert_eq!(status(post(&*transport, &receiver.http()).await), 200);
        assert_eq!(receiver.connections(), 1);
    }
}

pub(super) async fn a_head_that_hyper_does_not_read_leaves_the_status_to_decide(subject: Subject) {
    for untidy in BEYOND_HYPER {
        let head = format!("HTTP/1.1 503 Some\r\nRetry-After: 7\r\n{untidy}\r\n");
        let outcome = prompt(subject, head).await;
        if subject == Subject::Reqwest {
            assert_eq!(failure(outcome), FailureKind::Malformed, "{untidy:?}");
            continue;
        }
        let answer = response(outcome);
        assert_eq!((answer.status, answer.body_cut), (503, true), "{untidy:?}");
        let retry_after = ("retry-after".to_owned(), "7".to_owned());
        assert!(answer.headers.contains(&retry_after), "{untidy:?}");
    }
}

pub(super) async fn an_odd_status_line_with_a_status_in_it_decides(subject: Subject) {
    for line in [
        "HTTP/1.1 201",
        "HTTP/1.1 201 ",
        "HTTP/1.0 201 \u{e9}",
        "\r\nHTTP/1.1 201 OK",
    ] {
        let head = format!("{line}\r\ncontent-length: 0\r\n\r\n");
        assert_eq!(status(prompt(subject, head).await), 201, "{line:?}");
    }
    for line in [
        "HTTP/1.1  201  OK",
        "HTTP/1.1\t201\tOK",
        "HTTP/1.1 201 O\u{1}K",
        "HTTP/1.2 201 OK",
    ] {
        let head = format!("{line}\r\ncontent-length: 0\r\n\r\n");
        let outcome = prompt(subject, head).await;
        match subject {
            Subject::Hyper => assert_eq!(status(outcome), 201, "{line:?}"),
            Subject::Reqwest => assert_eq!(failure(outcome), FailureKind::Malformed, "{line:?}"),
        }
    }
}

pub(super) async fn an_untidy_interim_head_is_skipped_like_a_tidy_one(subject: Subject) {
    let interim = "HTTP/1.1 103 Early\r\nlink : x\r\n folded\r\nno colon\r\n\r\n";
    assert_eq!(status(prompt(subject, format!("{interim}{OK}")).await), 200);
}

pub(super) async fn a_head_without_end_leaves_the_status_to_decide(subject: Subject) {
    let start = "HTTP/1.1 200 OK\r\nx-endless: ";
    let receiver = Receiver::start(Behaviour::Flood(start.into(), "x".repeat(4096).into())).await;
    let outcome = post(&*subject.transport(), &receiver.http()).await;
    match subject {
        Subject::Hyper => assert_eq!(status(outcome), 200),
        Subject::Reqwest => assert_eq!(failure(outcome), FailureKind::TooLarge),
    }
    receiver.until_open(0).await;
}

pub(super) async fn blank_lines_without_end_are_too_large(subject: Subject) {
    let receiver = Receiver::start(Behaviour::Flood("".into(), "\r\n".repeat(2048).into())).await;
    let failed = failure(post(&*subject.transport(), &receiver.http()).await);
    assert_eq!(failed, FailureKind::TooLarge);
    receiver.until_open(0).await;
}

pub(super) async fn a_head_with_too_many_headers_leaves_the_status_to_decide(subject: Subject) {
    let head = |headers: usize| {
        let many = "x: y\r\n".repeat(headers);
        format!("HTTP/1.1 503 Busy\r\nretry-after: 7\r\n{many}content-length: 0\r\n\r\n")
    };
    for headers in [101, 1000] {
        let answer = response(prompt(subject, head(headers)).await);
        assert_eq!(answer.status, 503);
        let retry_after = ("retry-after".to_owned(), "7".to_owned());
        assert!(answer.headers.contains(&retry_after));
    }
    let outcome = prompt(subject, head(3000)).await;
    match subject {
        Subject::Hyper => assert_eq!(status(outcome), 503),
        Subject::Reqwest => assert_eq!(failure(outcome), FailureKind::TooLarge),
    }
}

pub(super) async fn interim_responses_are_skipped(subject: Subject) {
    let interim = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n";
    let receiver = Receiver::start(Behaviour::Answer(format!("{interim}{OK}").into())).await;
    let answer = response(post(&*subject.transport(), &receiver.http()).await);
    assert_eq!((answer.status, &answer.body[..]), (200, &b"ok"[..]));
}

pub(super) async fn a_flood_of_interim_responses_fails(subject: Subject) {
    let interim = "HTTP/1.1 102 Processing\r\n\r\n".repeat(100);
    let receiver = Receiver::start(Behaviour::Flood("".into(), interim.into())).await;
    let failed = failure(post_briefly(&*subject.transport(), &receiver.http()).await);
    // Under reqwest nothing but the deadline ends it.
    let timeout = FailureKind::Timeout(Phase::Response);
    assert_eq!(failed, subject.pick(FailureKind::TooLarge, timeout));
    receiver.until_open(0).await;
}

pub(super) async fn a_switch_of_protocols_is_malformed(subject: Subject) {
    let switch = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n";
    let receiver = Receiver::start(Behaviour::Answer(switch.into())).await;
    let failed = failure(post(&*subject.transport(), &receiver.http()).await);
    assert_eq!(failed, FailureKind::Malformed);
    receiver.until_open(0).await;
}

pub(super) async fn an_early_answer_is_taken_without_sending_the_rest(subject: Subject) {
    let early = "HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\n\r\n";
    let receiver = Receiver::start(Behaviour::Interrupt(early.into())).await;
    let mut request = request(&receiver.http());
    // More than sockets take without a reader.
    request.body = vec![b'x'; 64 << 20].into();
    let outcome = subject
        .transport()
        .send(request, Instant::now() + PATIENT)
        .await;
    assert_eq!(status(outcome), 413);
}

pub(super) async fn bytes_after_an_answer_are_not_the_next_answer(subject: Subject) {
    let smuggled = "HTTP/1.1 500 Smuggled\r\ncontent-length: 0\r\n\r\n";
    let receiver = Receiver::start(Behaviour::Answer(format!("{OK}{smuggled}").into())).await;
    let transport = subject.transport();
    for sent in 1..=3 {
        assert_eq!(status(post(&*transport, &receiver.http()).await), 200);
        assert_eq!(receiver.connections(), sent);
    }
}

pub(super) async fn a_redirect_is_an_answer_and_is_not_followed(subject: Subject) {
    let canary = Receiver::canary().await;
    for code in [301, 302, 303, 307, 308] {
        let location = canary.http();
        let head =
            format!("HTTP/1.1 {code} x\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n");
        let receiver = Receiver::start(Behaviour::Answer(head.into())).await;
        assert_eq!(
            status(post(&*subject.transport(), &receiver.http()).await),
            code
        );
    }
    assert_eq!(canary.connections(), 0);
}

pub(super) async fn a_redirect_loop_is_asked_once(subject: Subject) {
    let head = "HTTP/1.1 307 x\r\nlocation: /hooks?key=1\r\ncontent-length: 0\r\n\r\n";
    let receiver = Receiver::start(Behaviour::Answer(head.into())).await;
    assert_eq!(
        status(post(&*subject.transport(), &receiver.http()).await),
        307
    );
    assert_eq!(receiver.requests().len(), 1);
}
