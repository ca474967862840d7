//! `postrider doctor`, `backup`, `dev` and `completions`.

use super::{Following, Server, has_line, postrider, said, terminate, text, unset, until};
use crate::programs::program;
use serde_json::Value;
use std::fs::{self, File};
use std::process::Command;

#[test]
fn a_server_to_try_out_delivers_its_first_event_and_leaves_nothing_behind() {
    let directory = tempfile::tempdir().unwrap();
    let mut dev = postrider(directory.path());
    // Settings of another server are none of its business.
    dev.env("POSTRIDER_DATA", "elsewhere")
        .env("TMPDIR", directory.path());
    let said = said(dev.args(["dev", "--once", "--port=0"]));
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(
        said.out
            .contains("demo.hello was delivered: signed, verified"),
        "{said:?}"
    );
    assert!(has_line(
        &said.out,
        &["received", "demo.hello", r#"{"hello":"world"}"#]
    ));
    let left = fs::read_dir(directory.path()).unwrap().count();
    assert_eq!(left, 0, "nothing is left behind");
}

#[test]
fn a_server_to_try_out_says_that_its_port_is_another_one_and_what_it_says_can_be_typed() {
    let directory = tempfile::tempdir().unwrap();
    // If somebody else has it, it is taken all the same.
    let _taken = std::net::TcpListener::bind("127.0.0.1:8080");
    let mut dev = postrider(directory.path());
    dev.env("TMPDIR", directory.path()).arg("dev");
    let dev = Following::start(dev);
    let lines = std::iter::repeat_with(|| dev.line());
    let said: Vec<String> = lines.take_while(|line| line != "Ctrl-C ends it.").collect();
    let said = said.join("\n");
    assert!(
        said.contains("(port 8080 is taken, so this is another; "),
        "{said}"
    );
    let exports = said.lines().filter(|line| line.starts_with("export "));
    let exports = exports.collect::<Vec<_>>().join("\n");
    let typed = said
        .lines()
        .find(|line| line.ends_with(" trigger payment.succeeded"));
    let typed = typed.expect("how to publish with the program");
    let curl = said.lines().find(|line| line.contains("/v1/deliveries"));
    let curl = curl.expect("how to look at deliveries");
    assert!(
        curl.starts_with("curl \"$POSTRIDER_URL/v1/deliveries\""),
        "{curl}"
    );
    let script = format!("{exports}\n{typed}\n{curl}");
    let mut shell = unset(Command::new("sh"), directory.path());
    let ran = super::said(shell.args(["-euc", &script]).env("NO_PROXY", "127.0.0.1"));
    assert_eq!(ran.code, Some(0), "{script}\n{ran:?}");
    assert!(ran.out.contains("payment.succeeded"), "{ran:?}");
}

#[test]
fn a_server_to_try_out_says_how_to_go_on_and_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let mut dev = postrider(directory.path());
    dev.env("TMPDIR", directory.path())
        .args(["dev", "--port=0", "--json"]);
    let dev = Following::start(dev);
    let lines = [dev.line(), dev.line()];
    let lines = lines.map(|line| serde_json::from_str::<Value>(&line).unwrap());
    let hello = lines.iter().find(|line| line["url"].is_string()).unwrap();
    assert_eq!(hello["delivered"], true);
    let ask = |args: &[&str]| {
        let mut command = postrider(directory.path());
        command.env("POSTRIDER_URL", text(&hello["url"]));
        said(
            command
                .env("POSTRIDER_API_KEY", text(&hello["api_key"]))
                .args(args),
        )
    };
    let triggered = ask(&["trigger", "payment.ok", "--data", r#"{"amount":1}"#]);
    assert_eq!(triggered.code, Some(0), "{triggered:?}");
    let received: Value = serde_json::from_str(&dev.line()).unwrap();
    assert_eq!(
        (&received["verified"], &received["body"]),
        (&true.into(), &r#"{"amount":1}"#.into())
    );
}

#[test]
fn the_doctor_finds_a_machine_and_a_server_well() {
    let (server, directory) = Server::start();
    let mut command = server.command(&["doctor", "--host=localhost", "--json"]);
    let answer = said(command.current_dir(directory.path()).arg("--data=data"));
    let report: Value = serde_json::from_str(&answer.out).unwrap();
    let checks = report["checks"].as_array().unwrap().iter();
    let failed: Vec<_> = checks.filter(|it| it["verdict"] == "fail").collect();
    assert_eq!((answer.code, failed.len()), (Some(0), 0), "{report}");
    let checks = report["checks"].as_array().unwrap().iter();
    let names: Vec<_> = checks.map(|it| text(&it["check"])).collect();
    assert_eq!(
        names,
        [
            "settings", "disk", "fsync", "limits", "sqlite", "dns", "server", "clock"
        ]
    );
    let check = "--check=http://127.0.0.1:9000/";
    let said = server.run(&["doctor", "--host=localhost", check]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(
        has_line(&said.out, &["fail", "egress", "127.0.0.1", "refused:"]),
        "{said:?}"
    );
    assert!(said.out.contains("--allow-networks"), "{said:?}");
    let allowed = [
        "doctor",
        "--host=localhost",
        "--allow-networks=127.0.0.0/8",
        check,
    ];
    assert_eq!(server.run(&allowed).code, Some(0));
    let watched = ["doctor", "--only=server"];
    assert!(has_line(
        &server.text(&watched),
        &["ok", "server", "accepts", "events"]
    ));
    let gone = server.run(&["doctor", "--only=server", "--url=http://127.0.0.1:1"]);
    assert_eq!(
        (gone.code, gone.out.lines().count()),
        (Some(1), 2),
        "{gone:?}"
    );
    let refused = server.run(&["doctor", "--host=localhost", "--allow-networks=x"]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(has_line(&refused.out, &["fail", "settings"]), "{refused:?}");
}

#[test]
fn a_backup_of_a_running_server_is_a_server_to_start() {
    let (server, directory) = Server::start();
    let endpoint = server.endpoint("https://merchant.example/", &[]);
    let secret = server.json(&["endpoints", "secret", &endpoint]);
    server.text(&["endpoints", "pause", &endpoint]);
    server.text(&["events", "publish", "a.b", "--data=1"]);
    let backup = || said(postrider(directory.path()).args(["backup", "copy.db", "--data=data"]));
    let made = backup();
    assert_eq!(made.code, Some(0), "{made:?}");
    for told in [
        "data/postrider.db was copied to copy.db: ",
        "with 1 endpoints, 1 events, 1 pending deliveries and 0 dead letters",
        "data/postrider.db-key alone",
    ] {
        assert!(made.out.contains(told), "{told}: {made:?}");
    }
    let again = backup();
    assert_eq!(again.code, Some(2), "{again:?}");
    assert!(again.err.contains("copy.db is there already"), "{again:?}");
    server.text(&["events", "publish", "a.b", "--data=2"]);
    let key = server.key.clone();
    server.stop();

    let restored = directory.path().join("restored");
    let data = restored.join("data");
    fs::create_dir_all(&data).unwrap();
    let old = directory.path().join("data");
    fs::rename(directory.path().join("copy.db"), data.join("postrider.db")).unwrap();
    fs::copy(old.join("postrider.db-key"), data.join("postrider.db-key")).unwrap();
    let server = Server::on(&restored, 0, Some(&key));
    assert_eq!(server.json(&["endpoints", "secret", &endpoint]), secret);
    let events = server.json(&["events", "list"]);
    assert_eq!(
        events["data"].as_array().unwrap().len(),
        1,
        "that of the moment"
    );
    let pending = ["endpoints", "deliveries", &endpoint, "--state=pending"];
    assert_eq!(server.json(&pending)["data"].as_array().unwrap().len(), 1);
}

#[test]
fn a_server_says_in_json_where_it_is_and_how_it_has_ended() {
    let directory = tempfile::tempdir().unwrap();
    let start = || {
        let mut command = postrider(directory.path());
        command.args(["serve", "--data=data", "--listen=127.0.0.1:0", "--json"]);
        let server = Following::start(command);
        let started: Value = serde_json::from_str(&server.line()).unwrap();
        (server, started)
    };
    let (server, started) = start();
    let (url, key) = (text(&started["url"]), text(&started["api_key"]));
    let list = ["events", "list", "--url", &url];
    let asked = said(
        postrider(directory.path())
            .env("POSTRIDER_API_KEY", key)
            .args(list),
    );
    assert_eq!(asked.code, Some(0), "{asked:?}");
    terminate(&server.process);
    let ended: Value = serde_json::from_str(&server.line()).unwrap();
    assert_eq!(ended["stopped"], true);
    assert_eq!(
        (&ended["store_failed"], &ended["pending"]),
        (&false.into(), &0.into())
    );
    let (_server, started) = start();
    assert_eq!(started["api_key"], Value::Null, "a key is shown once");
}

#[test]
fn a_server_whose_store_has_failed_ends_with_status_1_and_what_it_accepted_is_kept() {
    let directory = tempfile::tempdir().unwrap();
    // Some megabytes more than the room that it keeps free; then writing fails, and not for want of
    // room.
    let limited = r#"trap "" XFSZ; ulimit -f 40000; exec "$0" "$@""#;
    let mut command = Command::new("sh");
    command.args(["-c", limited]).arg(program("postrider"));
    let log = directory.path().join("log");
    command.stderr(File::create(&log).unwrap());
    let mut server = Server::of(unset(command, directory.path()), 0, None);
    let payload = directory.path().join("payload.json");
    fs::write(&payload, format!(r#""{}""#, "x".repeat(200_000))).unwrap();
    let data = format!("--data=@{}", payload.display());
    let publish = ["events", "publish", "a.b", &data];
    let accepted = (0..400).take_while(|_| server.run(&publish).code == Some(0));
    let accepted = accepted.count();
    assert!((10..400).contains(&accepted), "{accepted}");
    let mut ended = None;
    until("it has ended", || {
        ended = server.process.try_wait().unwrap();
        ended.is_some()
    });
    assert_eq!(ended.unwrap().code(), Some(1));
    let log = fs::read_to_string(log).unwrap();
    assert!(
        log.contains("ERROR postrider::shell: postrider.store.failed"),
        "{log}"
    );
    assert!(!log.contains('\x1b'), "colours are for terminals: {log}");

    let server = Server::on(directory.path(), 0, Some(&server.key));
    let kept = server.json(&["events", "list", "--limit=500"]);
    // One whose answer was lost may be there, too.
    let kept = kept["data"].as_array().unwrap().len();
    assert!((accepted..=accepted + 1).contains(&kept), "{kept}");
}

#[test]
fn shells_are_told_every_command() {
    let directory = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish"] {
        let said = said(postrider(directory.path()).args(["completions", shell]));
        assert_eq!(said.code, Some(0), "{said:?}");
        for word in ["dead-letters", "rotate-secret", "timeline", "doctor"] {
            assert!(said.out.contains(word), "{shell}: {word}");
        }
    }
}
