//! The engine over real HTTP, beside the bare client.

use crate::median;
use crate::process::{cpu_seconds, measure, start};
use postrider::{MemoryBounds, MemoryStore, Postrider, SqliteStore};
use std::time::{Duration, Instant};

pub(crate) const ENDPOINTS: usize = 100;
pub(crate) const PAYLOAD_BYTES: usize = 1_024;

const DELIVERIES: &str = "100000";
const ROUNDS: usize = 5;
/// Events submitted to each endpoint in one go.
const EACH: usize = 20;

pub(crate) fn figures() {
    println!("real HTTP: {DELIVERIES} deliveries of 1 KiB, {ENDPOINTS} endpoints, receiver apart");
    let (mut ours, mut bare, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    let (mut our_rates, mut bare_rates) = (Vec::new(), Vec::new());
    let count: f64 = DELIVERIES.parse().unwrap();
    let (_receiver, address) = start(&["receiver"]);
    for _ in 0..ROUNDS {
        let engine = measure(&["postrider", &address, DELIVERIES]);
        let client = measure(&["bare", &address, DELIVERIES]);
        ours.push(engine[1] / count * 1e6);
        bare.push(client[1] / count * 1e6);
        ratios.push(engine[1] / client[1]);
        our_rates.push(count / engine[0]);
        bare_rates.push(count / client[0]);
    }
    let (ours, bare) = (median(ours), median(bare));
    println!(
        "  engine      {ours:6.2} CPU s / 1e6 deliveries   ({:.4} CPU s / 1,000)",
        ours / 1e3
    );
    println!("              {:6.0} deliveries/s", median(our_rates));
    println!(
        "  bare hyper  {bare:6.2} CPU s / 1e6 POSTs        ({:.4} CPU s / 1,000)",
        bare / 1e3
    );
    println!("              {:6.0} POSTs/s", median(bare_rates));
    println!(
        "  ratio of CPU {:.2} (median of {ROUNDS} pairs; aim: at most 1.5)\n",
        median(ratios)
    );
}

pub(crate) fn run(address: &str, count: usize, durable: bool) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        // Little history: what is kept of the past is cold memory that each delivery touches.
        let bounds = MemoryBounds {
            ended_max: 1_000,
            ..MemoryBounds::default()
        };
        let directory = tempfile::tempdir().unwrap();
        let builder = Postrider::builder().egress("127.0.0.0/8".parse().unwrap());
        let builder = if durable {
            builder.store(SqliteStore::open(directory.path().join("events.db")).unwrap())
        } else {
            builder.store(MemoryStore::bounded(bounds))
        };
        let postrider = builder.start().await.unwrap();
        let url = format!("http://{address}/");
        let secret = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
        let mut endpoints = Vec::new();
        for _ in 0..ENDPOINTS {
            endpoints.push(postrider.register_endpoint(&url, secret).await.unwrap());
        }
        let payload = vec![b'x'; PAYLOAD_BYTES];
        let (start, cpu) = (Instant::now(), cpu_seconds());
        // Every lane has work, and what waits stays as small as in a service that keeps up.
        for _ in 0..count / (ENDPOINTS * EACH) {
            let submissions = endpoints.iter().map(|endpoint| {
                let (postrider, endpoint, payload) =
                    (postrider.clone(), *endpoint, payload.clone());
                tokio::spawn(async move {
                    for _ in 0..EACH {
                        postrider
                            .submit_event(&endpoint, "payment.succeeded", &payload)
                            .await
                            .unwrap();
                    }
                })
            });
            for submission in submissions.collect::<Vec<_>>() {
                submission.await.unwrap();
            }
            pending_below(&postrider, (ENDPOINTS * EACH) as u64).await;
        }
        pending_below(&postrider, 1).await;
        println!("{} {}", start.elapsed().as_secs_f64(), cpu_seconds() - cpu);
    });
}

async fn pending_below(postrider: &Postrider, most: u64) {
    while postrider.footprint().await.unwrap().pending_deliveries >= most {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
