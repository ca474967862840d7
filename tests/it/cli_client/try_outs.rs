//! Looking for events, their exact payloads, and what is tried out before it is saved.

use super::{Server, has_line, text};
use crate::receiver::Receiver;

#[test]
fn the_payload_of_an_event_is_printed_byte_for_byte() {
    let (server, _data) = Server::start();
    let payload = r#"{"big": 9007199254740993,  "big": 1.10, "half": "\ud83d"}"#;
    let accepted = server.json(&["events", "publish", "a.b", "--data", payload]);
    let id = text(&accepted["id"]);
    assert_eq!(server.text(&["events", "payload", &id]), payload);
    let unknown = "evt_00000000000000000000000000";
    let refused = server.refused(1, &["events", "payload", unknown]);
    assert!(refused.starts_with("postrider: not_found: "), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn events_and_deliveries_are_found_by_more_than_their_type() {
    let (server, _data) = Server::start();
    let receiver = Receiver::answering(404).await;
    let endpoint = server.endpoint(&receiver.url(), &["--type=a.*"]);
    let publish = |event_type: &str, data: &str, more: &[&str]| {
        let publish = ["events", "publish", event_type, "--data", data];
        let args = [&publish[..], more].concat();
        text(&server.json(&args)["id"])
    };
    let first = publish("a.b", "4711", &["--key=k", "--idempotency-key=once"]);
    let second = publish("c.d", "4712", &[]);
    super::until("it is refused", || {
        server.json(&["events", "get", &first])["state"] == "failed"
    });
    let found = |args: &[&str]| -> Vec<String> {
        let list = server.json(&[&["events", "list"], args].concat());
        let events = list["data"].as_array().unwrap().iter();
        events.map(|event| text(&event["id"])).collect()
    };
    assert_eq!(found(&["--state=failed"]), [&*first]);
    assert_eq!(found(&["--state=no_subscribers,pending"]), [&*second]);
    assert_eq!(found(&["--endpoint", &endpoint]), [&*first]);
    assert_eq!(found(&["--key=k"]), [&*first]);
    assert_eq!(found(&["--key="]), [&*second]);
    assert_eq!(found(&["--idempotency-key=once"]), [&*first]);
    assert_eq!(found(&["--payload=471"]), [&*second, &*first]);
    assert_eq!(found(&["--payload=4712"]), [&*second]);
    let list = server.text(&["events", "list"]);
    assert!(has_line(&list, &[&first, "a.b", "failed", "k"]), "{list}");
    for args in [
        &["--key=k"][..],
        &["--status=404"],
        &["--reason=rejected,gone"],
    ] {
        let list = server.text(&[&["deliveries", "list"], args].concat());
        let words = ["failed", "a.b", &first, &endpoint, "1", "404"];
        assert!(has_line(&list, &words), "{args:?}: {list}");
    }
    let list = server.text(&["deliveries", "list", "--status=200"]);
    assert_eq!(list, "there are none\n");
    let letters = server.text(&["dead-letters", "list"]);
    assert!(
        has_line(&letters, &["failed", "a.b", "1", "404"]),
        "{letters}"
    );
    let full = server.json(&["deliveries", "list"]);
    assert_eq!(full["data"][0]["attempts"][0]["status"], 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn forms_are_tried_before_they_are_saved() {
    let (server, _data) = Server::start();
    let receiver = Receiver::answering(200).await;
    let url = receiver.url();
    let test = ["endpoints", "test", "--to", &url, "--type=a.b", "--data=7"];
    let said = server.text(&test);
    assert!(has_line(&said, &["status", "200"]), "{said}");
    assert_eq!(receiver.bodies(), ["7"]);
    assert_eq!(receiver.received()[0].header("x-event-type"), "a.b");
    let spec = r#"--spec={"payload_form": "envelope"}"#;
    server.text(&[&test[..], &[spec]].concat());
    assert!(receiver.bodies()[1].contains(r#""data":7"#));
    let list = server.json(&["endpoints", "list"]);
    assert_eq!(list["data"].as_array().unwrap().len(), 0);
    let said = server.run(&["endpoints", "test"]);
    assert_eq!(said.code, Some(2), "{said:?}");

    let filter = r#"{"amount": {"$gt": 100}}"#;
    let said = server.text(&["filters", "try", filter, r#"--data={"amount": 101}"#]);
    assert_eq!(said, "the payload matches\n");
    let said = server.run(&["filters", "try", filter, r#"--data={"amount": 100}"#]);
    assert_eq!(
        (said.code, &*said.out),
        (Some(1), "the payload does not match\n")
    );
    let wrong = ["filters", "try", "{}", "--data=1"];
    assert!(server.refused(1, &wrong).contains("at /filter: "));

    let template = r#"{"t": "{{type}}", "n": "{{data.n}}"}"#;
    let data = r#"--data={"n": 1.10}"#;
    let said = server.text(&["templates", "try", template, "--type=a.b", data]);
    assert_eq!(said, "{\"t\":\"a.b\",\"n\":1.10}\n");
    let unknown = ["templates", "try", "--name=receipt", data];
    let refused = server.refused(1, &unknown);
    assert!(refused.contains("at /template: "), "{refused}");
}
