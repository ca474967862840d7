//! The engine over real HTTP, beside the bare client.

use crate::process::{cpu_seconds, measure, start};
use crate::median;
use postrider::{MemoryBounds, MemoryStore, Postrider};
use std::time::{Duration, Instant};

pub(crate) const ENDPOINTS: usize = 100;
pub(crate) const PAYLOAD_BYTES: usize = 1_024;

const DELIVERIES: &str = "100000";
const ROUNDS: usize = 5;

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
    println!("  engine      {ours:6.2} CPU s / 1e6 deliveries   ({:.4} CPU s / 1,000)", ours / 1e3);
    println!("              {:6.0} deliveries/s", median(our_rates));
    println!("  bare hyper  {bare:6.2} CPU s / 1e6 POSTs        ({:.4} CPU s / 1,000)", bare / 1e3);
    println!("              {:6.0} POSTs/s", median(bare_rates));
    println!("  ratio of CPU {:.2} (median of {ROUNDS} pairs; aim: at most 1.5)\n", median(ratios));
}

pub(crate) fn run(address: &str, count: usize) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let bounds = MemoryBounds { deliveries_max: 2_000_000, ..MemoryBounds::default() };
        let postrider = Postrider::builder()
            .egress("127.0.0.0/8".parse().unwrap())
            .store(MemoryStore::bounded(bounds))
            .start()
            .await
            .unwrap();
        let url = format!("http://{address}/");
        let mut publishers = Vec::new();
        let mut endpoints = Vec::new();
        for _ in 0..ENDPOINTS {
            endpoints.push(postrider.register_endpoint(&url, "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD").await.unwrap());
        }
        let (start, cpu) = (Instant::now(), cpu_seconds());
        for endpoint in endpoints {
            let postrider = postrider.clone();
            publishers.push(tokio::spawn(async move {
                let payload = vec![b'x'; PAYLOAD_BYTES];
                for _ in 0..count / ENDPOINTS {
                    postrider.submit_event(&endpoint, "payment.succeeded", &payload).await.unwrap();
                }
            }));
        }
        for publisher in publishers {
            publisher.await.unwrap();
        }
        while postrider.footprint().await.unwrap().pending_deliveries > 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        println!("{} {}", start.elapsed().as_secs_f64(), cpu_seconds() - cpu);
    });
}
