//! The program with its playground on: its own requests reach it, and it is gone with the program.

use super::server::{KEY, Program, http};
use serde_json::{Value, json};
use std::ffi::OsStr;
use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};

#[tokio::test(flavor = "multi_thread")]
async fn a_server_with_a_playground_delivers_to_it_and_to_nothing_else_of_the_machine() {
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("postrider.toml");
    // In the clear to nobody, but to the playground.
    fs::write(&config, "playground = true\nallow_http = false").unwrap();
    let data = directory.path().join("data");
    let [with, at] = ["--config", "--data"].map(OsStr::new);
    let arguments = [with, config.as_os_str(), at, data.as_os_str()];
    let server = Program::serve(&arguments, Stdio::null());
    let http = http();
    let get = async |path: &str| {
        let answer = http.get(format!("{}{path}", server.base)).bearer_auth(KEY);
        let text = answer.send().await.unwrap().text().await.unwrap();
        serde_json::from_str::<Value>(&text).unwrap()
    };
    let send = async |method: reqwest::Method, path: &str, body: Value| {
        let asked = http.request(method, format!("{}{path}", server.base));
        let asked = asked.header("content-type", "application/json");
        let answer = asked.bearer_auth(KEY).body(body.to_string()).send().await;
        let answer = answer.unwrap();
        let status = answer.status().as_u16();
        let text = answer.text().await.unwrap();
        (status, serde_json::from_str::<Value>(&text).unwrap())
    };
    let shown = get("/v1/playground").await;
    let url = shown["receivers"][0]["url"].as_str().unwrap();
    assert!(url.ends_with("/ok"), "{shown}");
    let path = "/v1/endpoints/by-name/playground-ok";
    let form = json!({ "url": url, "event_types": ["playground.nothing_else"] });
    let (status, endpoint) = send(reqwest::Method::PUT, path, form).await;
    assert_eq!(status, 201, "{endpoint}");
    let event = json!({ "type": "a.b", "payload": 1, "endpoint_id": endpoint["id"] });
    let (status, event) = send(reqwest::Method::POST, "/v1/events", event).await;
    assert_eq!(status, 202, "{event}");
    let path = format!("/v1/events/{}", event["id"].as_str().unwrap());
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let event = get(&path).await;
        if event["state"] == "delivered" {
            break;
        }
        assert!(Instant::now() < deadline, "{event}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // The API itself is on the same machine.
    let form = json!({ "url": format!("{}/livez", server.base) });
    let (status, refused) = send(reqwest::Method::POST, "/v1/endpoints", form).await;
    assert_eq!(status, 422, "{refused}");
}
