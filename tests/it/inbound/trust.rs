//! Secrets as people give them, sources where nothing is signed, and requests that are dressed otherwise.

use super::{Hook, Process, SECRET, send, source, source_with, types};
use crate::api::Server;
use flate2::Compression;
use flate2::write::GzEncoder;
use postrider::signature::Scheme;
use postrider_server::ApiOptions;
use serde_json::{Value, json};
use std::io::Write;

async fn unsigned_server(is_on: bool) -> Server {
    let options = ApiOptions {
        unsigned_sources: is_on,
        ..ApiOptions::default()
    };
    Server::with(options).await
}

fn unsigned_form() -> Value {
    json!({
        "name": "lan", "provider": "custom", "allowed_networks": ["127.0.0.0/8"],
        "custom": { "scheme": "none" },
    })
}

#[tokio::test]
async fn what_is_pasted_around_a_secret_is_left_out_and_said() {
    let server = Server::start().await;
    for (number, (text, note)) in [
        (SECRET.to_owned(), None),
        (format!(" {SECRET}\r\n"), Some("white space")),
        (format!("v1,{SECRET}"), Some("`v1,`")),
        (SECRET.replace("whsec_", ""), Some("it has no `whsec_`")),
    ]
    .into_iter()
    .enumerate()
    {
        let fields = json!({ "name": format!("source-{number}"), "secrets": [text] });
        let path = source_with(&server, "standard", fields).await;
        let hook = Hook::new(Scheme::Standard, &[], r#"{"type":"a.b"}"#);
        hook.taken(&server, &path).await;
        let shown = server.get(&path.replace("/in/", "/v1/sources/")).await;
        let shown = &shown.expect(200)["secrets"][0]["note"];
        match note {
            None => assert_eq!(*shown, Value::Null),
            Some(note) => assert!(shown.as_str().unwrap().contains(note), "{shown}"),
        }
    }
}

#[tokio::test]
async fn base64_without_its_prefix_is_the_text_too() {
    let server = Server::start().await;
    let text = "C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
    let path = source_with(&server, "standard", json!({ "secrets": [text] })).await;
    let mut hook = Hook::new(Scheme::Standard, &[], r#"{"type":"a.b"}"#);
    assert_eq!(hook.secret, format!("whsec_{text}"));
    hook.taken(&server, &path).await;
    hook.secret = text;
    hook.taken(&server, &path).await;
}

#[tokio::test]
async fn a_secret_that_can_never_be_right_is_refused() {
    let server = Server::start().await;
    for (provider, secret) in [
        ("stripe", "sk_live_4eC39HqLyjWDarjtT1zdp7dc"),
        ("github", "ghp_16C7e42F292c6912E7710c838347Ae178B4a"),
        ("discord", "not a key"),
        ("sendgrid", "SG.x.y"),
        ("adyen", "no hex"),
    ] {
        let form = json!({ "name": "new", "provider": provider, "secrets": [secret] });
        let problem = server.post("/v1/sources", form).await;
        let problem = problem.problem(422, "invalid_value");
        let pointer = problem["errors"][0]["pointer"].as_str().unwrap();
        assert!(pointer.starts_with("/secrets"), "{problem}");
        assert!(!problem.to_string().contains(secret), "{problem}");
    }
    let endpoint = json!({ "url": "https://a.example", "secret": format!("{SECRET}\n") });
    let problem = server.post("/v1/endpoints", endpoint).await;
    let problem = problem.problem(422, "invalid_endpoint");
    assert_eq!(problem["errors"][0]["pointer"], "/secret");
}

#[tokio::test]
async fn the_owner_is_told_the_cause_of_a_refusal() {
    let data = tempfile::tempdir().unwrap();
    let process = Process::start(data.path());
    let form = json!({ "name": "stripe", "provider": "stripe", "secrets": [SECRET] });
    let made = process.make("/v1/sources", form).await;
    let path = made["path"].as_str().unwrap();
    let mut hook = Hook::stripe("evt_1", "a.b");
    let headers = hook.signed();
    hook.body.push('\n');
    let sent = process.send(reqwest::Method::POST, path, &headers, hook.body);
    let (status, answer) = sent.await;
    assert_eq!((status, &answer["detail"]), (401, &json!("NO_MATCH")));
    let receipts = path.replace("/in/", "/v1/sources/") + "/receipts";
    let receipts = process.get(&receipts).await;
    let detail = receipts["data"][0]["detail"].as_str().unwrap();
    assert!(
        detail.starts_with("NO_MATCH: TRAILING_NEWLINE: "),
        "{detail}"
    );
    process.stop();
}

#[tokio::test]
async fn a_source_where_nothing_is_signed_is_off_unless_it_is_allowed() {
    let server = unsigned_server(false).await;
    let problem = server.post("/v1/sources", unsigned_form()).await;
    let problem = problem.problem(422, "invalid_value");
    assert_eq!(problem["errors"][0]["pointer"], "/custom/scheme");
    let path = source_with(
        &server,
        "custom",
        json!({ "custom": { "scheme": "github" } }),
    )
    .await;
    let change = json!({
        "custom": { "scheme": "none" }, "remove_secrets": [1], "allowed_networks": ["127.0.0.0/8"],
    });
    let source = path.replace("/in/", "/v1/sources/");
    server
        .patch(&source, change)
        .await
        .problem(422, "invalid_value");
}

#[tokio::test]
async fn a_source_where_nothing_is_signed_takes_what_its_networks_send() {
    let server = unsigned_server(true).await;
    for (field, value) in [
        ("allowed_networks", json!([])),
        ("secrets", json!(["a secret"])),
    ] {
        let mut form = unsigned_form();
        form[field] = value;
        let problem = server.post("/v1/sources", form).await;
        let problem = problem.problem(422, "invalid_value");
        assert_eq!(problem["errors"][0]["pointer"], format!("/{field}"));
    }
    let made = server
        .post("/v1/sources", unsigned_form())
        .await
        .expect(201);
    assert_eq!(
        (&made["signed"], &made["secrets"]),
        (&json!(false), &json!([]))
    );
    let path = made["path"].as_str().unwrap();
    let mut seen = Vec::new();
    for body in [
        r#"{"type":"beat"}"#,
        r#"{"type":"beat"}"#,
        r#"{"type":"a","id":1}"#,
    ] {
        let answer = send(&server, path, &[], body).await.expect(200);
        assert_eq!(answer["duplicate"], false, "{body}");
        seen.push(answer["event_id"].clone());
    }
    assert_ne!(seen[0], seen[1], "two that look the same are two");
    let again = send(&server, path, &[], r#"{"type":"a","id":1}"#).await;
    assert_eq!(again.expect(200)["event_id"], seen[2]);
    assert_eq!(types(&server).await, ["lan.beat", "lan.beat", "lan.a"]);
    let elsewhere = json!({ "allowed_networks": ["192.0.2.0/24"] });
    let source = path.replace("/in/", "/v1/sources/");
    server.patch(&source, elsewhere).await.expect(200);
    let problem = send(&server, path, &[], "{}").await;
    problem.problem(403, "source_network_refused");
}

#[tokio::test]
async fn test_events_of_one_id_are_as_many_as_their_bodies() {
    let server = Server::start().await;
    let path = source(&server, "stripe").await;
    let hook = Hook::stripe("evt_00000000000000", "charge.succeeded");
    let other = Hook::stripe("evt_00000000000000", "charge.failed");
    let (first, _) = hook.taken(&server, &path).await;
    let (second, duplicate) = other.taken(&server, &path).await;
    assert!(first != second && !duplicate);
    assert_eq!(hook.taken(&server, &path).await, (first, true));
    let expected = ["stripe.charge.succeeded", "stripe.charge.failed"];
    assert_eq!(types(&server).await, expected);
}

#[tokio::test]
async fn a_slash_at_the_end_of_the_path_is_the_same_source() {
    let server = Server::start().await;
    let path = source(&server, "stripe").await;
    let hook = Hook::stripe("evt_1", "a.b");
    let (first, _) = hook.taken(&server, &format!("{path}/")).await;
    assert_eq!(hook.taken(&server, &path).await, (first, true));
}

#[tokio::test]
async fn a_body_that_was_signed_before_it_was_packed_is_taken_plain() {
    let server = Server::start().await;
    let path = source(&server, "github").await;
    let hook = Hook::github("72d3162e", "push", r#"{"ref":"refs/heads/main"}"#);
    let pack = |plain: &str| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(plain.as_bytes()).unwrap();
        encoder.finish().unwrap()
    };
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let post = |body: Vec<u8>| {
        let request = http.post(format!("{}{path}", server.base)).body(body);
        let request = request.header("content-encoding", "gzip");
        let headers = hook.signed().into_iter();
        headers.fold(request, |request, (name, value)| {
            request.header(name, value)
        })
    };
    let answer = post(pack(&hook.body)).send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 200);
    let answer: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
    let id = answer["event_id"].as_str().unwrap();
    let event = server.postrider.event(&id.parse().unwrap()).await.unwrap();
    assert_eq!(event.event.payload, hook.body);
    let forged = post(pack("{}")).send().await.unwrap();
    assert_eq!(forged.status().as_u16(), 401);
}
