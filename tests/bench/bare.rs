//! The yardstick: hyper's client doing the same POSTs in a loop, a task and a connection per
//! endpoint, and nothing else.

use crate::process::cpu_seconds;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use std::time::Instant;
use tokio::net::TcpStream;

/// As many headers, of about the same size, as a delivery has.
const HEADERS: [(&str, &str); 10] = [
    ("content-type", "application/json"),
    ("user-agent", "Postrider/0.1.0"),
    ("x-event-type", "payment.succeeded"),
    ("x-event-id", "evt_01kaw0000000000000000000000"),
    ("x-delivery-id", "dlv_01kaw0000000000000000000000"),
    ("x-attempt", "1"),
    ("webhook-id", "evt_01kaw0000000000000000000000"),
    ("webhook-timestamp", "1760000000"),
    (
        "webhook-signature",
        "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    ),
    (
        "x-signature",
        "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
    ),
];

pub(crate) fn run(address: &str, count: usize) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let each = count / crate::http::ENDPOINTS;
        let (start, cpu) = (Instant::now(), cpu_seconds());
        let loops: Vec<_> = (0..crate::http::ENDPOINTS)
            .map(|_| tokio::spawn(post(address.to_owned(), each)))
            .collect();
        for posted in loops {
            posted.await.unwrap();
        }
        println!("{} {}", start.elapsed().as_secs_f64(), cpu_seconds() - cpu);
    });
}

async fn post(address: String, count: usize) {
    let stream = TcpStream::connect(&address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let payload = Bytes::from(vec![b'x'; crate::http::PAYLOAD_BYTES]);
    for _ in 0..count {
        let mut request = hyper::Request::post("/").header("host", &address);
        for (name, value) in HEADERS {
            request = request.header(name, value);
        }
        sender.ready().await.unwrap();
        let response = sender
            .send_request(request.body(Full::new(payload.clone())).unwrap())
            .await;
        let response = response.unwrap();
        assert_eq!(response.status(), 200);
        response.into_body().collect().await.unwrap();
    }
}
