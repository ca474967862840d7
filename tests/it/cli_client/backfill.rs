//! `postrider backfill`.

use super::{Server, has_line, until};
use crate::receiver::Receiver;

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_is_given_what_it_has_missed_after_a_dry_run() {
    let (server, _data) = Server::start();
    let receiver = Receiver::answering(200).await;
    for number in 0..2 {
        let data = format!("--data={number}");
        server.text(&["events", "publish", "a.b", &data]);
    }
    let endpoint = server.endpoint(&receiver.url(), &[]);
    let backfill = ["backfill", endpoint.as_str(), "--since=1h", "--type=a.*"];
    let dry_run = server.text(&[&backfill[..], &["--dry-run"]].concat());
    assert!(
        dry_run.starts_with("it would make 2 deliveries that were missed\n"),
        "{dry_run}"
    );
    assert!(has_line(&dry_run, &[&endpoint, "a.b", "2"]), "{dry_run}");
    let done = server.text(&[&backfill[..], &["--wait"]].concat());
    assert!(done.contains("is done: 2 made, 0 passed over"), "{done}");
    until("they have come", || receiver.count() == 2);
    assert_eq!(receiver.bodies(), ["0", "1"]);
    let again = server.text(&[&backfill[..], &["--wait"]].concat());
    let nothing = "is done: 0 made, 2 passed over (already_reached 2)";
    assert!(again.contains(nothing), "{again}");
}
