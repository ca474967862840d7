use super::*;
use serde_json::Value;

#[test]
fn a_tree_of_values_takes_no_more_than_what_is_counted() {
    for text in [
        "[1,1,1,1]",
        r#"[{"":0},{"":0}]"#,
        "[[],[],[]]",
        r#"{"a":{"b":[{}]}}"#,
    ] {
        let value: Value = serde_json::from_str(text).unwrap();
        let places = places(&value) * std::mem::size_of::<Value>() as u64;
        assert!(tree_bytes(text.as_bytes()) >= places, "{text}");
    }
}

fn places(value: &Value) -> u64 {
    match value {
        Value::Array(all) => 1 + all.iter().map(places).sum::<u64>(),
        // A node has room for eleven.
        Value::Object(all) => 12 + all.values().map(places).sum::<u64>(),
        _ => 1,
    }
}

/// A body of which nothing comes.
struct Never;

impl hyper::body::Body for Never {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Poll::Pending
    }
}

fn room(most: u64) -> Room {
    let budget = Budget::new(most, 1);
    Room {
        held: Arc::new(Mutex::new(budget.take(Peer::default(), 0).unwrap())),
        metrics: Metrics::new(),
    }
}

async fn read(room: &Room, body: Body) -> Result<Bytes, Problem> {
    let request = bounded(Request::new(body), room.clone());
    super::super::extract::read(request.into_body(), 1 << 20).await
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_end_is_refused_when_its_time_is_over() {
    let room = room(1 << 20);
    let start = Instant::now();
    let refused = read(&room, Body::new(Never)).await.unwrap_err();
    assert_eq!((refused.status(), start.elapsed()), (408, BODY_TIMEOUT));
}

#[tokio::test]
async fn a_body_beyond_what_requests_may_hold_is_told_to_come_again() {
    let small = room(299);
    let refused = read(&small, Body::from(vec![b' '; 100])).await;
    assert_eq!(refused.unwrap_err().status(), 503);
    let enough = room(300);
    assert!(read(&enough, Body::from(vec![b' '; 100])).await.is_ok());
    assert_eq!(enough.grow(1).unwrap_err().code(), "busy");
}

#[tokio::test]
async fn what_an_answer_holds_goes_back_with_its_last_byte() {
    let budget = Budget::new(100_000, 1);
    let held = budget.take(Peer::default(), 100_000).unwrap();
    let response = Response::new(Body::from(vec![b'x'; 100_000]));
    let mut body = handed_out(response, held).await.into_body();
    let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
    assert_eq!(first.len(), CHUNK_BYTES);
    drop(body);
    assert!(
        budget.take(Peer::default(), 1).is_err(),
        "a part of it is there"
    );
    drop(first);
    assert!(budget.take(Peer::default(), 100_000).is_ok());
}
