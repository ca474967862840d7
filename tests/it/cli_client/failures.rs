//! What the commands say when they are refused, or nobody answers.

use super::{Server, postrider, said};
use crate::receiver::closed_port;

#[test]
fn every_group_tells_the_code_of_a_refusal_with_exit_status_1() {
    let (server, _data) = Server::start();
    for (args, code) in [
        (&["endpoints", "get", "ep_0"][..], "not_found"),
        (&["endpoints", "create", "ftp://a"], "invalid_endpoint"),
        (&["events", "get", "evt_0"], "not_found"),
        (
            &["events", "publish", "no type", "--data=1"],
            "invalid_body",
        ),
        (&["trigger", "postrider.ping"], "invalid_event"),
        (
            &["deliveries", "list", "--failure=sloth"],
            "invalid_parameter",
        ),
        (&["deliveries", "retry", "dlv_0"], "not_found"),
        (&["dead-letters", "list", "--cursor=x"], "invalid_cursor"),
        (&["replay", "--since=1h", "--type=a b"], "invalid_value"),
        (&["event-types", "create", "a b"], "invalid_body"),
        (&["keys", "revoke", "key_0"], "not_found"),
        (&["tenants", "create", "default"], "already_exists"),
        (&["events", "list", "--tenant=nobody"], "not_found"),
        (&["sources", "get", "src_0"], "not_found"),
        (&["tail", "--endpoint=x"], "invalid_parameter"),
        (&["listen", "1", "--type=a b"], "invalid_parameter"),
    ] {
        let err = server.refused(1, args);
        let start = format!("postrider: {code}: ");
        assert!(err.starts_with(&start), "{args:?}: {err}");
        assert!(err.contains("\n  request: req_"), "{args:?}: {err}");
    }
}

#[test]
fn the_place_of_what_is_wrong_is_named() {
    let (server, _data) = Server::start();
    let create = ["endpoints", "create", "https://a.example/", "--spec"];
    let err = server.refused(1, &[&create[..], &[r#"{"retry": {"first": 1}}"#]].concat());
    assert!(err.contains("\n  at /retry"), "{err}");
    let err = server.refused(
        1,
        &["endpoints", "create", "https://a.example/", "--type=a,b c"],
    );
    assert!(err.contains("\n  at /event_types/1: "), "{err}");
}

#[test]
fn nobody_there_is_no_answer() {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("http://{}", closed_port());
    let ask = |args: &[&str]| said(postrider(directory.path()).args(args).args(["--url", &url]));
    for args in [
        &["events", "list"][..],
        &["tail"],
        &["listen", "3000"],
        &["trigger", "a"],
    ] {
        let answer = ask(args);
        assert_eq!((answer.code, &*answer.out), (Some(2), ""), "{answer:?}");
        assert!(answer.err.contains(" cannot be reached: "), "{answer:?}");
        assert!(answer.err.contains("postrider serve"), "{answer:?}");
    }
    for (args, help) in [
        (
            &["events", "list", "--since=yesterday"][..],
            "write 90s, 5m, 2h, 3d",
        ),
        (
            &["events", "publish", "a", "--data={"],
            "the payload is not JSON",
        ),
        (
            &["events", "publish", "a", "--data=@/nowhere"],
            "/nowhere cannot be read",
        ),
        (&["listen", "70000"], "write a port, such as 3000"),
        (&["replay"], "--since <TIME>"),
    ] {
        let answer = ask(args);
        assert_eq!(answer.code, Some(2), "{answer:?}");
        assert!(answer.err.contains(help), "{answer:?}");
    }
}

#[test]
fn a_key_or_an_address_of_the_environment_is_named_where_it_does_not_do() {
    let (server, directory) = Server::start();
    let mut list = server.command(&["events", "list"]);
    let refused = super::said(list.env("POSTRIDER_API_KEY", "pk_that_nobody_has_made_here"));
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(
        refused.err.contains("the key is from POSTRIDER_API_KEY"),
        "{refused:?}"
    );
    assert!(!refused.err.contains("nobody_has_made"), "{refused:?}");
    let file = directory.path().join("key");
    std::fs::write(&file, "pk_that_nobody_has_made_here\n").unwrap();
    let mut list = server.command(&["events", "list"]);
    list.env_remove("POSTRIDER_API_KEY");
    let refused = super::said(list.env("POSTRIDER_API_KEY_FILE", &file));
    let named = format!(
        "the key is from {} (POSTRIDER_API_KEY_FILE)",
        file.display()
    );
    assert!(refused.err.contains(&named), "{refused:?}");
    let mut list = server.command(&["events", "list"]);
    let lost = super::said(list.env("POSTRIDER_URL", "http://127.0.0.1:1"));
    assert_eq!(lost.code, Some(2), "{lost:?}");
    assert!(
        lost.err.contains("http://127.0.0.1:1 (from POSTRIDER_URL)"),
        "{lost:?}"
    );
}

#[test]
fn a_flag_that_is_no_number_is_told_of_in_our_own_words() {
    let directory = tempfile::tempdir().unwrap();
    for args in [&["dev", "--port=web"][..], &["demo", "--events=many"]] {
        let refused = super::said(super::postrider(directory.path()).args(args));
        assert_eq!(refused.code, Some(2), "{refused:?}");
        assert!(refused.err.contains("write a whole number"), "{refused:?}");
        assert!(!refused.err.contains("invalid digit"), "{refused:?}");
    }
}
