use super::program::Program;
use bytes::Bytes;
use http::Request;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::timeout;

/// Of each body: most of the largest batch.
const BODY_BYTES: usize = 4 << 20;

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_do_not_end_are_bounded_in_their_bytes() {
    let program = Program::start(&[]);
    let body = Bytes::from(vec![b' '; BODY_BYTES]);
    let mut held = Vec::new();
    let mut answers = Vec::new();
    for from in 1..=3 {
        let socket = program.connect_from(from).await;
        let (mut sender, connection) = h2::client::handshake(socket).await.unwrap();
        tokio::spawn(connection);
        for _ in 0..60 {
            let request = Request::post("http://x/v1/events/batch")
                .header("authorization", format!("Bearer {}", program.key()))
                .header("content-type", "application/json");
            sender = sender.ready().await.unwrap();
            let request = request.body(()).unwrap();
            let (answer, mut stream) = sender.send_request(request, false).unwrap();
            stream.send_data(body.clone(), false).unwrap();
            // Without its end.
            held.push(stream);
            answers.push(tokio::spawn(timeout(Duration::from_secs(10), answer)));
        }
    }
    let mut refused = 0;
    for answer in answers {
        if let Ok(Ok(answer)) = answer.await.unwrap() {
            assert_eq!(answer.status(), 503);
            assert_eq!(answer.headers()["retry-after"], "1");
            refused += 1;
        }
    }
    assert!(refused > 100, "{refused} of 180 were told to come again");
    program.assert_bounded();
    let (status, _) = program.ask(9, "GET /livez", b"").await;
    assert_eq!(status, 200);
    let batch = json!({ "events": [{ "event": { "type": "a.b", "payload": {} } }] });
    let batch = batch.to_string();
    let (status, answer) = program
        .ask(9, "POST /v1/events/batch", batch.as_bytes())
        .await;
    assert_eq!(
        (status, &answer["results"][0]["status"]),
        (200, &json!(202))
    );
    drop(held);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_that_is_much_larger_in_memory_than_as_text_is_counted_until_it_is_answered() {
    const FORMS: usize = 8;
    let program = Program::start(&[]);
    let example = format!("[{}]", vec![r#"{"":0}"#; 35_000].join(","));
    assert!(example.len() < 256 << 10);
    // Checking it takes all the steps that there are, and a form waits for those before it.
    let schema = json!({ "items": { "allOf": vec![json!({ "minProperties": 1 }); 100] } });
    let asking = (0..FORMS).map(|number| {
        let form = format!(r#"{{"name":"n.{number}","schema":{schema},"example":{example}}}"#);
        let program = &program;
        async move {
            loop {
                let asked = program.ask(1, "POST /v1/event-types", form.as_bytes());
                match asked.await {
                    // It was refused before or while it was read: then it comes again.
                    (0 | 503, _) => tokio::time::sleep(Duration::from_millis(250)).await,
                    (status, answer) => return (status, answer["code"].clone()),
                }
            }
        }
    });
    let answers = timeout(Duration::from_secs(300), futures_of(asking));
    for answer in answers.await.unwrap() {
        assert_eq!(answer, (422, json!("schema_too_costly")));
    }
    program.assert_bounded();
}

/// All of them at once.
async fn futures_of<F: Future>(all: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut all: Vec<_> = all.map(Box::pin).collect();
    let mut done: Vec<Option<F::Output>> = all.iter().map(|_| None).collect();
    std::future::poll_fn(|context| {
        for (future, done) in all.iter_mut().zip(&mut done) {
            if done.is_none()
                && let std::task::Poll::Ready(output) = future.as_mut().poll(context)
            {
                *done = Some(output);
            }
        }
        match done.iter().all(Option::is_some) {
            true => std::task::Poll::Ready(()),
            false => std::task::Poll::Pending,
        }
    })
    .await;
    done.into_iter().flatten().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_ends_at_its_bytes_and_the_next_one_goes_on() {
    const EVENTS: usize = 40;
    let program = Program::start(&[]);
    let receiver = refusing(16 << 10).await;
    let endpoint =
        json!({ "url": receiver, "retry": { "delays_ms": vec![5; 20] }, "breaker": null });
    let (status, made) = program
        .ask(1, "POST /v1/endpoints", endpoint.to_string().as_bytes())
        .await;
    assert_eq!(status, 201, "{made}");
    for number in 0..EVENTS {
        // Each in a lane of its own: none waits for the attempts of another.
        let event = json!({ "type": "a.b", "payload": {}, "ordering_key": number.to_string() });
        let event = event.to_string();
        let (status, _) = program.ask(1, "POST /v1/events", event.as_bytes()).await;
        assert_eq!(status, 202);
    }
    let dead = async {
        loop {
            let (_, found) = program.ask(1, "GET /v1/dead-letters/groups", b"").await;
            if found["groups"][0]["count"] == EVENTS {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(Duration::from_secs(180), dead).await.unwrap();
    for list in ["deliveries", "dead-letters"] {
        let (mut seen, mut pages, mut cursor) = (0, 0, String::new());
        loop {
            let path = format!("GET /v1/{list}?limit=250{cursor}");
            let (status, page) = program.ask(1, &path, b"").await;
            assert_eq!(status, 200, "{page}");
            assert!(page.to_string().len() < 5 << 20);
            seen += page["data"].as_array().unwrap().len();
            pages += 1;
            let Value::String(next) = &page["next"] else {
                break;
            };
            cursor = format!("&cursor={next}");
        }
        assert_eq!(seen, EVENTS, "{list}: each is on one page");
        assert!(pages >= 3, "{list}: {pages} pages of 13 MiB");
    }
    program.assert_bounded();
}

/// A receiver that answers 503 with a body of so many bytes: its URL.
async fn refusing(bytes: usize) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let answer = move || async move { (http::StatusCode::SERVICE_UNAVAILABLE, "x".repeat(bytes)) };
    let routes = axum::Router::new().fallback(answer);
    tokio::spawn(async move { axum::serve(listener, routes).await });
    format!("http://{address}/")
}
