//! A shop that is a process of its own, and is killed at any moment: `runtime/examples/outbox.rs`.

use super::{Shop, registered};
use crate::programs::program;
use crate::receiver::{Receiver, until};
use postrider::rusqlite::Connection;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const KILLS: usize = 12;

/// It is killed before this, in milliseconds; every fourth while it starts.
const LATEST_MS: u64 = 500;
const AT_START_MS: u64 = 60;

/// The last one may take so long.
const END_WITHIN: Duration = Duration::from_secs(60);

/// A shop that places so many orders, and runs an engine if it is told where to send.
fn shop(data: &Path, to: Option<&Receiver>, orders: u32) -> Child {
    let mut command = Command::new(program("examples/outbox"));
    command.arg("--data").arg(data);
    command.args(["--orders", &orders.to_string()]);
    if let Some(receiver) = to {
        command.args(["--to", &receiver.url()]);
    }
    command.stdout(Stdio::null()).spawn().unwrap()
}

/// The payloads of the orders that are there.
fn orders(database: &Path) -> Vec<String> {
    let database = Connection::open(database).unwrap();
    let mut select = database
        .prepare("SELECT number, item FROM orders ORDER BY number")
        .unwrap();
    let orders = select.query_map([], |row| {
        let (number, item): (i64, String) = (row.get(0)?, row.get(1)?);
        Ok(format!("{{\"order\":{number},\"item\":\"{item}\"}}"))
    });
    orders.unwrap().map(Result::unwrap).collect()
}

/// Kills it again and again, and lets the last one come to its end.
async fn killed(data: &Path, receiver: &Receiver, mut chance: u64) {
    for number in 0..KILLS {
        let mut child = shop(data, Some(receiver), 1_000_000);
        chance ^= chance << 13;
        chance ^= chance >> 7;
        chance ^= chance << 17;
        let latest = [LATEST_MS, AT_START_MS][usize::from(number % 4 == 0)];
        tokio::time::sleep(Duration::from_millis(chance % latest)).await;
        assert!(child.try_wait().unwrap().is_none(), "it ended by itself");
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let mut last = shop(data, Some(receiver), 10);
    let start = Instant::now();
    loop {
        match last.try_wait().unwrap() {
            Some(status) => return assert!(status.success(), "{status}"),
            None if start.elapsed() > END_WITHIN => {
                last.kill().unwrap();
                panic!("no end");
            }
            None => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_kills_exactly_the_orders_that_exist_were_delivered_in_order() {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let seed = u64::from(since.subsec_nanos()) | 1;
    println!("seed {seed}");
    let directory = tempfile::tempdir().unwrap();
    let receiver = Receiver::answering(200).await;
    killed(directory.path(), &receiver, seed).await;
    let orders = orders(&directory.path().join("shop.db"));
    // A repeat stands right behind its first request, or the order is broken.
    let mut bodies = receiver.bodies();
    println!("{} orders, {} requests", orders.len(), bodies.len());
    bodies.dedup();
    assert!(orders.len() > 50, "only {} orders", orders.len());
    let differ = (0..orders.len().max(bodies.len())).find(|at| bodies.get(*at) != orders.get(*at));
    let differ = differ.map(|at| (at, bodies.get(at), orders.get(at)));
    assert_eq!(differ, None, "delivered, and on record");
}

#[tokio::test]
async fn another_process_publishes_and_may_be_killed_at_it() {
    let (own, receiver) = (Shop::new(), Receiver::answering(200).await);
    let postrider = own.start().await;
    registered(&postrider, &receiver).await;
    let data = own.directory.path();
    let mut killed = shop(data, None, 1_000_000);
    until("some come", || async { receiver.count() > 20 }).await;
    killed.kill().unwrap();
    killed.wait().unwrap();
    assert!(shop(data, None, 10).wait().unwrap().success());
    let orders = orders(&own.path());
    until("all come in order", || async {
        receiver.bodies() == orders
    })
    .await;
}

#[test]
fn the_example_shows_a_rollback_before_a_commit() {
    let output = Command::new(program("examples/outbox")).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("tea is rolled back"), "{said}");
    let end = "the receiver gets {\"order\":1,\"item\":\"coffee\"}\n";
    assert!(said.ends_with(end), "{said}");
}
