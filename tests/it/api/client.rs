//! A client in TypeScript, generated from the served description, and the description held against
//! the server by schemathesis.

use super::Server;
use super::server::KEY;
use crate::node::with_node;
use crate::receiver::Receiver;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|error| {
        panic!("{command:?}: {error}; `cargo xtask test` installs what is missing")
    });
    let shown = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        output.status.success(),
        "{command:?}\n{}\n{}",
        shown(&output.stdout),
        shown(&output.stderr)
    );
    output
}

#[tokio::test(flavor = "multi_thread")]
async fn a_generated_client_compiles_publishes_and_lists() {
    let server = Server::start().await;
    let receiver = Receiver::answering(200).await;
    let directory = here("client");
    std::fs::create_dir_all(directory.join("made")).unwrap();
    let served = server.get("/openapi.json").await.expect(200);
    std::fs::write(directory.join("made/openapi.json"), served.to_string()).unwrap();
    let (base, url) = (server.base.clone(), receiver.url());
    let said = tokio::task::spawn_blocking(move || {
        let bin = |name: &str| directory.join("node_modules/.bin").join(name);
        let within = |program: PathBuf, arguments: &[&str]| {
            run(with_node(program).args(arguments).current_dir(&directory))
        };
        let generate = ["made/openapi.json", "--output", "made/api.d.ts"];
        within(bin("openapi-typescript"), &generate);
        within(bin("tsc"), &["--project", "."]);
        within("node".into(), &["made/js/client.js", &base, KEY, &url]).stdout
    });
    let said: Value = serde_json::from_slice(&said.await.unwrap()).unwrap();
    assert_eq!(said["listed"], said["published"]);
    assert_eq!(said["status"], 200);
    assert_eq!(said["refused"], "not_found");
    assert_eq!(said["nobody"], true);
    assert_eq!(receiver.bodies(), [r#"{"amount":4200}"#]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_holds_what_its_description_says() {
    let server = Server::start().await;
    let receiver = Receiver::answering(200).await;
    // Something of each kind is there to be found.
    let id = server.endpoint(&receiver.url()).await;
    server.publish("a.b", json!({})).await;
    server
        .post(&format!("/v1/endpoints/{id}/pause"), json!({}))
        .await
        .expect(200);
    let base = server.base.clone();
    let tested = tokio::task::spawn_blocking(move || {
        let directory = here("schemathesis");
        let made = tempfile::tempdir().unwrap();
        let mut command = Command::new(directory.join("venv/bin/schemathesis"));
        command
            .arg("--config-file")
            .arg(directory.join("schemathesis.toml"));
        command.args(["run", &format!("{base}/openapi.json")]);
        command.args(["--header", &format!("Authorization: Bearer {KEY}")]);
        command.args(["--max-examples", "10", "--generation-deterministic"]);
        // It does not end.
        command.args(["--exclude-path", "/v1/stream"]);
        // A test event to a name that does not resolve takes as long as an attempt may.
        command.args(["--request-timeout", "45"]);
        run(command.current_dir(made.path())).stdout
    });
    let tested = String::from_utf8(tested.await.unwrap()).unwrap();
    assert!(!tested.contains("Authentication failed"), "{tested}");
    server.get("/readyz").await.expect(200);
}
