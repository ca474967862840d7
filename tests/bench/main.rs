//! The figures: what a delivery costs, beside what the bare parts cost, in one run.
//!
//! `cargo xtask bench` runs all of it. Absolute numbers are those of the machine; the ratios are
//! what counts.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a benchmark"
)]
#![expect(clippy::cast_precision_loss, reason = "figures are rounded")]

mod backlog;
mod bare;
mod dashboard;
mod engine;
mod http;
mod isolation;
mod process;
mod receiver;
mod server;
mod store;

/// The allocator of the `postrider` binary, for both sides of each comparison.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|it| it != "--bench")
        .collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        // The other processes of a benchmark are this program again.
        ["receiver"] => receiver::run(),
        ["postrider", address, count] => http::run(address, count.parse().unwrap(), false),
        ["postrider-durable", address, count] => http::run(address, count.parse().unwrap(), true),
        ["bare", address, count] => bare::run(address, count.parse().unwrap()),
        ["isolation", address, hanging] => isolation::run(address, hanging.parse().unwrap()),
        ["memory"] => engine::memory(),
        ["backlog-fill", path, events, dead, healthy] => {
            backlog::fill(path, events.parse().unwrap(), dead, healthy);
        }
        ["backlog-sender", path] => backlog::send(path),
        [] => {
            engine::figures();
            http::figures();
            isolation::figures();
            store::figures();
            backlog::figures(backlog::EVENTS);
            server::figures();
        }
        ["engine"] => engine::figures(),
        ["http"] => http::figures(),
        ["isolation"] => isolation::figures(),
        ["store"] => store::figures(),
        ["server"] => server::figures(),
        ["backlog"] => backlog::figures(backlog::EVENTS),
        ["dashboard"] => dashboard::figures(dashboard::EVENTS),
        ["dashboard", "--events", events] => dashboard::figures(events.parse().unwrap()),
        ["backlog", "--events", events] => backlog::figures(events.parse().unwrap()),
        other => {
            println!(
                "unknown benchmark {other:?}: engine, http, isolation, store, backlog, server, \
                 dashboard, or none for all but the last"
            );
            std::process::exit(2);
        }
    }
}

/// The middle of the values.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The value that this part of the values, from 0 to 1, does not exceed.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a place in a list"
)]
fn percentile(mut values: Vec<f64>, part: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    values[((values.len() - 1) as f64 * part) as usize]
}
