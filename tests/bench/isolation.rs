//! Whether endpoints that hang slow those that answer.

use crate::median;
use crate::process::{measure, start};
use postrider::{EventState, Postrider};
use std::time::{Duration, Instant};

const HEALTHY: usize = 1_000;
const HANGING: usize = 1_000;
/// Events for each healthy endpoint, the next one when the one before is delivered.
const EVENTS: usize = 40;
const ROUNDS: usize = 7;

pub(crate) fn figures() {
    println!("isolation: {HEALTHY} endpoints that answer, beside {HANGING} that hang until 30 s");
    let (_receiver, address) = start(&["receiver"]);
    let hanging = HANGING.to_string();
    let pairs: Vec<_> = (0..ROUNDS)
        .map(|_| {
            let alone = measure(&["isolation", &address, "0"]);
            (alone, measure(&["isolation", &address, &hanging]))
        })
        .collect();
    let of = |figure: fn(&(Vec<f64>, Vec<f64>)) -> f64| median(pairs.iter().map(figure).collect());
    let (alone, beside) = (of(|pair| pair.0[0]), of(|pair| pair.1[0]));
    println!(
        "  alone   {alone:6.0} deliveries/s  p99 {:6.1} ms",
        of(|pair| pair.0[1])
    );
    println!(
        "  beside  {beside:6.0} deliveries/s  p99 {:6.1} ms",
        of(|pair| pair.1[1])
    );
    println!(
        "  rate {:.2} of alone (aim: at least 0.9), p99 {:.2} times (aim: at most 2); medians of \
         {ROUNDS} pairs\n",
        of(|pair| pair.1[0] / pair.0[0]),
        of(|pair| pair.1[1] / pair.0[1])
    );
}

pub(crate) fn run(address: &str, hanging: usize) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let builder = Postrider::builder().egress("127.0.0.0/8".parse().unwrap());
        let postrider = builder.start().await.unwrap();
        let hang = format!("http://{address}/hang");
        for _ in 0..hanging {
            let id = postrider
                .register_endpoint(&hang, "a secret that is long enough")
                .await
                .unwrap();
            for _ in 0..5 {
                postrider
                    .submit_event(&id, "a.b", [b'x'; 1_024])
                    .await
                    .unwrap();
            }
        }
        while hanging > 0 && postrider.footprint().await.unwrap().attempts < hanging {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let url = format!("http://{address}/");
        let mut endpoints = Vec::new();
        for _ in 0..HEALTHY {
            endpoints.push(
                postrider
                    .register_endpoint(&url, "a secret that is long enough")
                    .await
                    .unwrap(),
            );
        }
        let start = Instant::now();
        let tasks: Vec<_> = endpoints
            .into_iter()
            .map(|endpoint| tokio::spawn(deliver(postrider.clone(), endpoint)))
            .collect();
        let mut latencies = Vec::new();
        for task in tasks {
            latencies.extend(task.await.unwrap());
        }
        let elapsed = start.elapsed().as_secs_f64();
        latencies.sort();
        let p99 = latencies[latencies.len() * 99 / 100].as_secs_f64() * 1e3;
        println!("{} {p99}", latencies.len() as f64 / elapsed);
        // The hanging requests are given up with the process.
    });
}

async fn deliver(postrider: Postrider, endpoint: postrider::EndpointId) -> Vec<Duration> {
    let mut latencies = Vec::with_capacity(EVENTS);
    for _ in 0..EVENTS {
        let start = Instant::now();
        let event = postrider
            .submit_event(&endpoint, "a.b", [b'x'; 1_024])
            .await
            .unwrap();
        while postrider.event_status(&event).await.unwrap().state != EventState::Delivered {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        latencies.push(start.elapsed());
    }
    latencies
}
