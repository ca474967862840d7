//! How the requests of an endpoint are sent: what its owner decides beside what is sent.

use super::Server;
use crate::hostile::{self, Authority, Behaviour, OK};
use crate::receiver::{Receiver, loopback};
use http::Method;
use postrider::transport::tls::{DefaultTimeProvider, client_config};
use postrider::transport::{HyperTransport, TransportConfig, TransportLimits, Uplink};
use postrider::{ClientIdentity, Postrider};
use serde_json::{Value, json};
use std::sync::Arc;

/// A server that believes this authority.
async fn believing(authority: &Authority) -> Server {
    let guard = loopback();
    let time = Arc::new(DefaultTimeProvider);
    let config = TransportConfig {
        guard: guard.clone(),
        tls: client_config(authority.roots(), time).unwrap(),
        limits: TransportLimits::default(),
        uplink: Uplink::default(),
    };
    let postrider = Postrider::builder()
        .transport(HyperTransport::new(config))
        .egress(guard)
        .start();
    Server::on(postrider.await.unwrap()).await
}

/// A receiver that takes clients of this authority only.
async fn demanding(authority: &Authority) -> hostile::Receiver {
    let config = authority.demanding_server("127.0.0.1", authority);
    hostile::Receiver::start_tls(config, Behaviour::Answer(OK.into())).await
}

fn shown(identity: &ClientIdentity, key: &str) -> Value {
    json!({ "certificate": identity.certificates(), "private_key": key })
}

fn given(identity: &ClientIdentity) -> Value {
    shown(identity, identity.expose_private_key())
}

async fn put(server: &Server, body: Value) -> super::Answer {
    let path = "/v1/client-certificate";
    server
        .send(Method::PUT, path, Some(body.to_string()), &[])
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_certificate_of_an_endpoint_is_used_and_its_key_is_never_shown() {
    let authority = Authority::new();
    let (server, receiver) = (believing(&authority).await, demanding(&authority).await);
    let identity = authority.identity("sender.example");
    let url = receiver.url("https", "127.0.0.1");
    let body = json!({ "url": url, "client_certificate": given(&identity) });
    let made = server.post("/v1/endpoints", body).await.expect(201);
    let hidden = shown(&identity, "[secret]");
    assert_eq!(made["client_certificate"], hidden);
    let path = format!("/v1/endpoints/{}", made["id"].as_str().unwrap());
    // As it is shown it can be given back.
    let patch = json!({ "client_certificate": hidden, "description": "a" });
    let patched = server.patch(&path, patch).await.expect(200);
    assert_eq!(patched["client_certificate"], hidden);
    let event = server.publish("a.b", json!({})).await;
    server.event_in(&event, "delivered").await;
    assert_eq!(receiver.requests().len(), 1);
    let none = json!({ "client_certificate": null });
    let patched = server.patch(&path, none).await.expect(200);
    assert_eq!(patched["client_certificate"], Value::Null);
    let tested = server.post(&format!("{path}/test"), json!({})).await;
    assert_eq!(tested.expect(200)["status"], Value::Null);
    assert_eq!(receiver.requests().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_certificate_of_a_tenant_is_shown_by_its_endpoints_until_it_is_removed() {
    let authority = Authority::new();
    let (server, receiver) = (believing(&authority).await, demanding(&authority).await);
    let endpoint = server.endpoint(&receiver.url("https", "127.0.0.1")).await;
    let path = "/v1/client-certificate";
    server.get(path).await.problem(404, "not_found");
    let identity = authority.identity("sender.example");
    for _ in 0..2 {
        let set = put(&server, given(&identity)).await.expect(200);
        assert_eq!(set["private_key"], "[secret]");
    }
    let got = server.get(path).await.expect(200);
    assert_eq!(got["certificate"], identity.certificates());
    assert_eq!(got["private_key"], "[secret]");
    let event = server.publish("a.b", json!({})).await;
    server.event_in(&event, "delivered").await;
    assert_eq!(receiver.requests().len(), 1);
    server.delete(path).await.expect(204);
    server.delete(path).await.problem(404, "not_found");
    let test = format!("/v1/endpoints/{endpoint}/test");
    let tested = server.post(&test, json!({})).await.expect(200);
    assert_eq!(tested["status"], Value::Null);
    assert_eq!(receiver.requests().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_sent_so_is_refused_at_its_place() {
    let server = Server::start().await;
    let (one, other) = (
        Authority::new().identity("a.example"),
        Authority::new().identity("a.example"),
    );
    let mixed = shown(&one, other.expose_private_key());
    for (field, value, place) in [
        ("content_type", json!("json"), "/content_type"),
        ("user_agent", json!("a\r\nb"), "/user_agent"),
        ("client_certificate", mixed.clone(), "/client_certificate"),
        (
            "client_certificate",
            shown(&one, "[secret]"),
            "/client_certificate/private_key",
        ),
    ] {
        let mut body = json!({ "url": "https://merchant.example/" });
        body[field] = value;
        let refused = server.post("/v1/endpoints", body).await;
        let problem = refused.problem(422, "invalid_endpoint");
        assert_eq!(problem["errors"][0]["pointer"], place, "{problem}");
    }
    let refused = put(&server, mixed).await.problem(422, "invalid_value");
    let told = refused.to_string();
    assert!(told.contains("does not belong"), "{told}");
    let path = "/v1/client-certificate";
    server.get(path).await.problem(404, "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_gets_the_content_type_and_the_user_agent_of_its_endpoint() {
    let server = Server::start().await;
    let receiver = Receiver::answering(200).await;
    let body = json!({
        "url": receiver.url(),
        "content_type": "application/vnd.acme+json; charset=utf-8",
        "user_agent": "Acme-Webhooks/1.0",
    });
    server.post("/v1/endpoints", body).await.expect(201);
    let server = server.restart().await;
    let event = server.publish("a.b", json!({})).await;
    server.event_in(&event, "delivered").await;
    let received = &receiver.received()[0];
    let media_type = received.header("content-type");
    assert_eq!(media_type, "application/vnd.acme+json; charset=utf-8");
    assert_eq!(received.header("user-agent"), "Acme-Webhooks/1.0");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_forbids_it_is_sent_nothing_twice() {
    let server = Server::start().await;
    // What comes as a second request on a connection is heard and not answered.
    let behaviour = Behaviour::AnswerOnce(OK.into(), "".into());
    let receiver = hostile::Receiver::start(behaviour).await;
    let body = json!({
        "url": receiver.http(), "send_again": false, "retry": { "retries": 0 },
    });
    server.post("/v1/endpoints", body).await.expect(201);
    for sent in 1..=3 {
        let event = server.publish("a.b", json!({})).await;
        server.event_in(&event, "delivered").await;
        assert_eq!(receiver.requests().len(), sent);
    }
    assert!(
        receiver
            .requests()
            .iter()
            .all(|it| !it.contains("x-attempt-repeat"))
    );
}
