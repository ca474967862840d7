//! What a server is told: by flag, by environment, by file.

use super::{Following, Server, postrider, said, terminate, text};
use serde_json::{Value, json};
use std::fs::{self, File};

const KEY: &str = "a-key-of-more-than-24-characters";

#[test]
fn settings_are_shown_with_where_they_were_made_and_defaults_are_comments() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("postrider.toml");
    fs::write(&file, "keep_ended_days = 7").unwrap();
    let show = |args: &[&str]| {
        let mut command = postrider(directory.path());
        command.env("POSTRIDER_API_KEY", KEY);
        said(command.args(["config", "show"]).args(args))
    };
    let shown = show(&["--listen=127.0.0.1:1"]);
    assert_eq!(shown.code, Some(0), "{shown:?}");
    for start in [
        "listen = \"127.0.0.1:1\"  # flag: ",
        "keep_ended_days = \"7\"  # postrider.toml: ",
        "# keep_failed_days = \"90\"  # default: ",
        "# api_key = \"[secret]\"  # environment (POSTRIDER_API_KEY): ",
    ] {
        let is_there = shown.out.lines().any(|line| line.starts_with(start));
        assert!(is_there, "{start}: {}", shown.out);
    }
    assert!(!shown.out.contains(KEY), "{shown:?}");
    let set = shown.out.lines().filter(|line| !line.starts_with('#'));
    assert_eq!(set.count(), 2, "{}", shown.out);
    // What was shown is a configuration file, which sets what was set and nothing else.
    fs::write(&file, &shown.out).unwrap();
    let again = show(&[]);
    assert_eq!(again.code, Some(0), "{again:?}");
    assert!(
        again
            .out
            .contains("\nlisten = \"127.0.0.1:1\"  # postrider.toml: "),
        "{again:?}"
    );
    let json: Value = serde_json::from_str(&show(&["--json"]).out).unwrap();
    let of = |name: &str| {
        json.as_array()
            .unwrap()
            .iter()
            .find(|it| it["name"] == name)
            .unwrap()
    };
    assert_eq!(of("api_key")["origin"], "environment (POSTRIDER_API_KEY)");
    assert_eq!(of("keep_failed_days")["is_set"], false);
    let wrong = show(&["--log-format=xml"]);
    assert_eq!(wrong.code, Some(2), "{wrong:?}");
}

#[test]
fn the_largest_payload_is_a_setting() {
    let directory = tempfile::tempdir().unwrap();
    let mut command = postrider(directory.path());
    command.env("POSTRIDER_PAYLOAD_BYTES_MAX", "2000000");
    let server = Server::of(command, 0, None);
    let limits = server.json(&["system"])["limits"].clone();
    assert_eq!(limits["payload_bytes_max"], 2_000_000);
    assert_eq!(limits["rendered_bytes_max"], 4_000_000);
    let file = directory.path().join("payload");
    let publish = |bytes: usize| {
        fs::write(&file, json!("x".repeat(bytes - 2)).to_string()).unwrap();
        format!("--data=@{}", file.display())
    };
    let most = publish(2_000_000);
    server.json(&["events", "publish", "a.b", &most]);
    let more = publish(2_000_001);
    let refused = server.refused(1, &["events", "publish", "a.b", &more]);
    assert!(refused.contains("payload_bytes_max"), "{refused}");
    let mut wrong = postrider(directory.path());
    let wrong = said(wrong.args(["config", "show", "--payload-bytes-max=26214401"]));
    assert_eq!(wrong.code, Some(2), "{wrong:?}");
}

#[test]
fn a_server_in_a_cluster_starts_in_spite_of_what_others_put_into_its_environment() {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("log");
    let mut command = postrider(directory.path());
    for (name, value) in [
        ("SERVICE_HOST", "10.96.0.1"),
        ("SERVICE_PORT", "8080"),
        ("SERVICE_PORT_HTTP", "8080"),
        ("PORT", "tcp://10.96.0.1:8080"),
        ("PORT_8080_TCP", "tcp://10.96.0.1:8080"),
        ("PORT_8080_TCP_PROTO", "tcp"),
        ("PORT_8080_TCP_PORT", "8080"),
        ("PORT_8080_TCP_ADDR", "10.96.0.1"),
        ("API_SERVICE_HOST", "10.96.0.2"),
        ("API_PORT_8080_TCP", "tcp://10.96.0.2:8080"),
        ("LOG_PORT", "tcp://10.96.0.3:514"),
        ("LISTENN", "0.0.0.0:1"),
        ("API_KEY", KEY),
    ] {
        command.env(format!("POSTRIDER_{name}"), value);
    }
    command
        .args(["serve", "--listen=127.0.0.1:0", "--json"])
        .stderr(File::create(&log).unwrap());
    let server = Following::start(command);
    let started: Value = serde_json::from_str(&server.line()).unwrap();
    assert!(text(&started["url"]).starts_with("http://127.0.0.1:"));
    assert_eq!(started["api_key_from"], "environment (POSTRIDER_API_KEY)");
    terminate(&server.process);
    server.line();
    let log = fs::read_to_string(log).unwrap();
    let warnings: Vec<&str> = log
        .lines()
        .filter(|line| line.contains("POSTRIDER_"))
        .collect();
    assert_eq!(warnings.len(), 1, "{log}");
    assert!(
        warnings[0].contains("WARN") && warnings[0].contains("POSTRIDER_LISTENN"),
        "{log}"
    );
    assert!(
        warnings[0].contains("do you mean POSTRIDER_LISTEN?"),
        "{log}"
    );
}

#[test]
fn an_unknown_variable_is_told_of_where_the_log_is_silent_too() {
    let directory = tempfile::tempdir().unwrap();
    let mut command = postrider(directory.path());
    command
        .env("POSTRIDER_DATABASE", "x")
        .args(["config", "show"]);
    let shown = said(&mut command);
    assert_eq!(shown.code, Some(0), "{shown:?}");
    assert!(
        shown.err.contains("do you mean POSTRIDER_DATA?"),
        "{shown:?}"
    );
    for args in [&["--listenn=x"][..], &["--config=other.toml"]] {
        fs::write(directory.path().join("other.toml"), "listenn = 'x'").unwrap();
        let mut command = postrider(directory.path());
        let refused = said(command.args(["config", "show"]).args(args));
        assert_eq!(
            refused.code,
            Some(2),
            "a misspelt flag or key of the file: {refused:?}"
        );
    }
}
