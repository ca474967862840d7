//! Chaos by seed: whatever comes in whatever order, the promises hold, and once all is well
//! everything ends.

mod chaos;
mod heal;

use chaos::Chaos;

const SEEDS: u64 = 500;
const STEPS: u32 = 200;

/// Runs one seed; on failure the panic's message names it.
fn run(seed: u64) {
    let mut chaos = Chaos::new(seed);
    for _ in 0..STEPS {
        chaos.step();
    }
    chaos.heal();
}

#[test]
fn order_accounts_and_liveness_survive_chaos_by_seed() {
    let failed: Vec<u64> = (0..SEEDS)
        .filter(|seed| std::panic::catch_unwind(|| run(*seed)).is_err())
        .collect();
    assert!(
        failed.is_empty(),
        "these seeds fail; give one to `one_seed_by_itself`: {failed:?}"
    );
}

#[test]
fn one_seed_by_itself() {
    run(0);
}
