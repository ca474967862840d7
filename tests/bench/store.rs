//! The durable store: publishing beside a bare append and sync, delivering beside the store in
//! memory.

use crate::http::{ENDPOINTS, PAYLOAD_BYTES};
use crate::median;
use crate::process::{measure, start};
use postrider::{EndpointSpec, Postrider, SqliteStore};
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

pub(crate) const PUBLISHERS: usize = 64;
const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(2);
const DELIVERIES: &str = "50000";

pub(crate) fn figures() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(publishing());
    delivering();
}

async fn publishing() {
    println!("durable publishing: 1 KiB, {PUBLISHERS} publishers");
    let directory = tempfile::tempdir().unwrap();
    let postrider = paused(&directory.path().join("events.db")).await;
    let (mut ours, mut bare, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let published = publish_for(&postrider, ROUND).await as f64 / ROUND.as_secs_f64();
        let path = directory.path().join(format!("bare-{round}"));
        let appended = append_for(&path, ROUND) as f64 / ROUND.as_secs_f64();
        ours.push(published);
        bare.push(appended);
        ratios.push(published / appended);
    }
    println!("  publish     {:8.0} events/s", median(ours));
    println!(
        "  bare append {:8.0} events/s (groups of {PUBLISHERS}, each synced)",
        median(bare)
    );
    println!(
        "  ratio {:.2} (median of {ROUNDS} pairs; aim: at least 0.7)\n",
        median(ratios)
    );
}

/// A Postrider whose one endpoint is paused: what is published stays pending.
pub(crate) async fn paused(path: &Path) -> Postrider {
    let store = SqliteStore::open(path).unwrap();
    let postrider = Postrider::builder().store(store).start().await.unwrap();
    let spec = EndpointSpec::new("https://receiver.example/");
    let endpoint = postrider.register(spec, None).await.unwrap();
    postrider.pause_endpoint(&endpoint.id).await.unwrap();
    postrider
}

/// How many events are accepted in this time.
pub(crate) async fn publish_for(postrider: &Postrider, time: Duration) -> usize {
    let endpoint = postrider.endpoints().await.unwrap()[0].id;
    let payload = vec![b'x'; PAYLOAD_BYTES];
    let end = Instant::now() + time;
    let publishers = (0..PUBLISHERS).map(|_| {
        let (postrider, payload) = (postrider.clone(), payload.clone());
        tokio::spawn(async move {
            let mut count = 0;
            while Instant::now() < end {
                let event = postrider.submit_event(&endpoint, "payment.succeeded", &payload);
                event.await.unwrap();
                count += 1;
            }
            count
        })
    });
    let mut sum = 0;
    for publisher in publishers.collect::<Vec<_>>() {
        sum += publisher.await.unwrap();
    }
    sum
}

/// How many payloads are appended, and synced group by group, in this time.
fn append_for(path: &Path, time: Duration) -> usize {
    let mut file = File::create(path).unwrap();
    let group = vec![b'x'; PAYLOAD_BYTES * PUBLISHERS];
    let end = Instant::now() + time;
    let mut count = 0;
    while Instant::now() < end {
        file.write_all(&group).unwrap();
        file.sync_data().unwrap();
        count += PUBLISHERS;
    }
    count
}

fn delivering() {
    println!("durable delivering: {DELIVERIES} deliveries of 1 KiB, {ENDPOINTS} endpoints");
    let (mut file, mut memory, mut rates, mut ratios) = (vec![], vec![], vec![], vec![]);
    let count: f64 = DELIVERIES.parse().unwrap();
    let (_receiver, address) = start(&["receiver"]);
    for _ in 0..ROUNDS {
        let durable = measure(&["postrider-durable", &address, DELIVERIES]);
        let plain = measure(&["postrider", &address, DELIVERIES]);
        file.push(durable[1] / count * 1e6);
        memory.push(plain[1] / count * 1e6);
        rates.push(count / durable[0]);
        ratios.push(durable[1] / plain[1]);
    }
    println!("  in a file   {:6.2} CPU µs per delivery", median(file));
    println!("              {:6.0} deliveries/s", median(rates));
    println!("  in memory   {:6.2} CPU µs per delivery", median(memory));
    println!(
        "  ratio of CPU {:.2} (median of {ROUNDS} pairs; aim: at most 2)\n",
        median(ratios)
    );
}
