//! Through a proxy.

use super::fixture::{Lookup, Names, Setup, failure, post, status};
use crate::hostile::{Authority, Behaviour, OK, Receiver};
use postrider::egress::EgressGuard;
use postrider::transport::{Proxy, Uplink};
use postrider_engine::FailureKind;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinHandle;

const HOST: &str = "hooks.example";

/// A proxy that makes every connection it is asked for to the same port of the loopback, or answers
/// with this status.
struct Proxied {
    port: u16,
    asked: Arc<Mutex<Vec<String>>>,
    accepting: JoinHandle<()>,
}

impl Proxied {
    async fn to(receiver: &Receiver) -> Self {
        Self::start(Ok(receiver.port())).await
    }

    async fn answering(status: u16) -> Self {
        Self::start(Err(status)).await
    }

    async fn start(to: Result<u16, u16>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let log = Arc::clone(&asked);
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, to, Arc::clone(&log)));
            }
        });
        Self {
            port,
            asked,
            accepting,
        }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    fn proxy(&self) -> Proxy {
        let url = format!("http://Aladdin:open%20sesame@127.0.0.1:{}", self.port);
        url.parse().unwrap()
    }
}

impl Drop for Proxied {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn serve(mut stream: TcpStream, to: Result<u16, u16>, log: Arc<Mutex<Vec<String>>>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    log.lock().unwrap().push(String::from_utf8(head).unwrap());
    match to {
        Ok(port) => {
            let mut target = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            let made = b"HTTP/1.1 200 Connection established\r\n\r\n";
            stream.write_all(made).await.unwrap();
            let _ = copy_bidirectional(&mut stream, &mut target).await;
        }
        Err(status) => {
            let answer = format!("HTTP/1.1 {status} No\r\ncontent-length: 0\r\n\r\n");
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    }
}

fn through(proxy: Proxy) -> Setup {
    Setup {
        uplink: Uplink {
            proxy: Some(proxy),
            ..Uplink::default()
        },
        ..Setup::default()
    }
}

#[tokio::test]
async fn a_receiver_is_asked_for_by_the_address_that_was_vetted() {
    let authority = Authority::new();
    let config = authority.server(HOST, "http/1.1");
    let receiver = Receiver::start_tls(config, Behaviour::Answer(OK.into())).await;
    let proxied = Proxied::to(&receiver).await;
    let setup = Setup {
        roots: authority.roots(),
        ..through(proxied.proxy())
    };
    let transport = setup.hyper();
    for _ in 0..2 {
        let url = receiver.url("https", HOST);
        assert_eq!(status(post(&transport, &url).await), 200);
    }
    let asked = proxied.asked();
    assert_eq!(asked.len(), 1, "the connection is kept");
    let first = format!("CONNECT 127.0.0.1:{} HTTP/1.1\r\n", receiver.port());
    assert!(asked[0].starts_with(&first), "{asked:?}");
    let who = "\r\nProxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n";
    assert!(asked[0].contains(who), "{asked:?}");
    let requests = receiver.requests();
    assert!(requests[0].starts_with("POST /hooks?key=1 HTTP/1.1\r\n"));
    assert!(
        requests.iter().all(|it| !it.contains("roxy-")),
        "the receiver is told nothing of the proxy"
    );
}

#[tokio::test]
async fn what_the_guard_refuses_no_proxy_is_asked_for() {
    let receiver = Receiver::canary().await;
    let proxied = Proxied::to(&receiver).await;
    for host in ["hooks.example", "10.0.0.1"] {
        let setup = Setup {
            guard: EgressGuard::public_only(),
            names: Names::always("10.0.0.1"),
            ..through(proxied.proxy())
        };
        let outcome = post(&setup.hyper(), &receiver.url("http", host)).await;
        assert_eq!(failure(outcome), FailureKind::BlockedAddress, "{host}");
    }
    // Where the proxy looks names up, what needs no looking up is still refused.
    let setup = Setup {
        guard: EgressGuard::public_only(),
        ..through(proxied.proxy().resolving())
    };
    for host in ["10.0.0.1", "localhost", "a.localhost"] {
        let outcome = post(&setup.hyper(), &receiver.url("http", host)).await;
        assert_eq!(failure(outcome), FailureKind::BlockedAddress, "{host}");
    }
    assert_eq!(proxied.asked(), Vec::<String>::new());
}

#[tokio::test]
async fn a_proxy_that_looks_names_up_is_asked_for_the_name() {
    let receiver = Receiver::start(Behaviour::Answer(OK.into())).await;
    let proxied = Proxied::to(&receiver).await;
    let setup = Setup {
        guard: EgressGuard::public_only(),
        names: Names::script([Lookup::NotFound]),
        ..through(proxied.proxy().resolving())
    };
    let url = receiver.url("http", HOST);
    assert_eq!(status(post(&setup.hyper(), &url).await), 200);
    let first = format!("CONNECT {HOST}:{} HTTP/1.1\r\n", receiver.port());
    assert!(proxied.asked()[0].starts_with(&first));
    assert_eq!(setup.names.lookups(), 0);
}

#[tokio::test]
async fn a_receiver_in_a_network_that_is_excepted_is_reached_directly() {
    let receiver = Receiver::start(Behaviour::Answer(OK.into())).await;
    let proxied = Proxied::to(&receiver).await;
    let excepted = proxied.proxy().passed_by(["127.0.0.0/8".parse().unwrap()]);
    let url = receiver.url("http", HOST);
    assert_eq!(status(post(&through(excepted).hyper(), &url).await), 200);
    assert_eq!(proxied.asked(), Vec::<String>::new());
}

#[tokio::test]
async fn what_a_proxy_answers_is_the_receivers_fault_or_nobodys() {
    let receiver = Receiver::canary().await;
    for (answer, kind) in [
        (403, FailureKind::Connect),
        (502, FailureKind::Connect),
        (407, FailureKind::Local),
    ] {
        let proxied = Proxied::answering(answer).await;
        let url = receiver.url("http", HOST);
        let outcome = post(&through(proxied.proxy()).hyper(), &url).await;
        assert!(outcome.to_string().contains(&answer.to_string()));
        assert_eq!(failure(outcome), kind, "{answer}");
    }
    assert_eq!(receiver.connections(), 0);
}

#[tokio::test]
async fn a_proxy_that_is_not_there_is_no_receivers_fault() {
    // Held and not listened on.
    let held = TcpSocket::new_v4().unwrap();
    held.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let url = format!("http://user:hunter2@{}", held.local_addr().unwrap());
    let transport = through(url.parse().unwrap()).hyper();
    let outcome = post(&transport, "http://hooks.example/").await;
    let told = outcome.to_string();
    assert!(
        told.contains("proxy") && !told.contains("hunter2"),
        "{told}"
    );
    assert_eq!(failure(outcome), FailureKind::Local);
}
