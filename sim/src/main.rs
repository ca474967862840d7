//! `postrider-sim`: the command line.
use postrider_sim::*;
use std::sync::Arc;
fn main() {
    let args: Vec<u64> = std::env::args()
        .skip(1)
        .filter_map(|a| a.parse().ok())
        .collect();
    let (from, to) = (args[0], args[1]);
    let t = std::time::Instant::now();
    let (mut attempts, mut ms, mut bad, mut events, mut delivered) = (0, 0, 0, 0, 0);
    for seed in from..to {
        let plan = Arc::new(Plan::generate(seed, Tier::World));
        let run = World::run(&plan, checker::all(), args.len() > 2);
        attempts += run.attempts;
        ms += run.simulated_ms;
        events += run.events;
        delivered += run.delivered;
        if args.len() > 2 {
            for l in &run.text {
                println!("{l}");
            }
            println!("{}", run.trace_hash);
        }
        if let Some(v) = &run.violation {
            bad += 1;
            if bad < 40 {
                println!("{seed}: {v:?}");
            }
        }
    }
    let n = (to - from) as f64;
    let s = t.elapsed().as_secs_f64();
    println!(
        "{bad} bad; {:.0} attempts/seed {:.0} events {:.0} delivered; {:.2} ms/seed; {:.0} seeds/min/core; {:.0} sim hours/cpu-s",
        attempts as f64 / n,
        events as f64 / n,
        delivered as f64 / n,
        s * 1000.0 / n,
        n / s * 60.0,
        ms as f64 / 3.6e6 / s
    );
}
