//! `crash-points`: the real store on a disk that fails at each of its operations.

use super::Answer;
use crate::failure::pasted;
use crate::figures::{Passed, counted, grouped, milliseconds};
use crate::jobs::cores;
use crate::progress::Progress;
use indicatif::style::TemplateError;
use postrider_sim::crash_points::{Broken, Cheat, Points, Tally};
use serde::Serialize;
use std::error::Error;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// So many scripts at least.
const SCRIPTS_MIN: u64 = 16;

/// After so many failures it has been shown.
const BROKEN_MAX: usize = 20;

/// Run the real store on a disk that fails at each of its operations
///
/// A process ends, by a kill or a loss of power, at every operation of its disk, and so do some of
/// those that are started after it; writes and syncs fail; the disk runs full; bits turn round. What
/// was acknowledged must be there, and nothing else.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// How many points are tried, about
    #[arg(long, value_name = "N", default_value_t = 20_000, value_parser = clap::value_parser!(u64).range(1..))]
    points: u64,
    /// The seed of the first script
    #[arg(long, value_name = "S", default_value_t = 0)]
    seed: u64,
    /// Try this point of that script alone
    #[arg(long, value_name = "P")]
    point: Option<u64>,
    /// Let it go wrong in this way, to see that it is found out
    #[arg(long, value_name = "NAME", hide = true, value_parser = cheat)]
    cheat: Option<Cheat>,
}

const EXAMPLES: &str = "\
Examples:
  postrider-sim crash-points
  postrider-sim crash-points --points 100000 --seed 7
  postrider-sim crash-points --seed 7 --point 1234";

fn cheat(name: &str) -> Result<Cheat, &'static str> {
    Cheat::named(name).ok_or("there is no such cheat: see `postrider-sim teeth`")
}

/// What programs are told.
#[derive(Serialize)]
struct Object<'a> {
    ok: bool,
    #[serde(flatten)]
    tally: &'a Tally,
    points_per_second: f64,
    wall_ms: u64,
}

pub(super) fn run(args: &Args, json: bool) -> Result<Answer, Box<dyn Error>> {
    let start = Instant::now();
    let tally = match args.point {
        Some(point) => match Points::of(args.seed, args.cheat) {
            Ok(points) => points.try_one(point),
            Err(broken) => of_broken(broken),
        },
        None => sweep(args.seed, args.points, args.cheat)?,
    };
    let wall = start.elapsed();
    let ok = tally.broken.is_empty();
    let object = Object {
        ok,
        tally: &tally,
        points_per_second: per_second(tally.points, wall),
        wall_ms: milliseconds(wall),
    };
    Answer::of(json, ok, &told(&tally, args.cheat, wall), &object)
}

/// Tries about so many points, those of the script of this seed first, on all cores.
pub(super) fn sweep(first: u64, points: u64, cheat: Option<Cheat>) -> Result<Tally, TemplateError> {
    let next = AtomicU64::new(first);
    let is_over = AtomicBool::new(false);
    let tally = Mutex::new(Tally::default());
    let each = (points / SCRIPTS_MIN).max(1);
    let bar = Progress::new("points", points)?;
    let work = || {
        while !is_over.load(Ordering::Relaxed) {
            let script = script(next.fetch_add(1, Ordering::Relaxed), each, cheat);
            let mut tally = held(&tally);
            tally.add(script);
            let is_done = tally.points >= points || tally.broken.len() >= BROKEN_MAX;
            bar.show(tally.points, tally.broken.len());
            is_over.fetch_or(is_done, Ordering::Relaxed);
        }
    };
    thread::scope(|scope| {
        for _ in 0..cores() {
            scope.spawn(work);
        }
    });
    bar.end();
    let mut tally = tally.into_inner().unwrap_or_else(PoisonError::into_inner);
    tally
        .broken
        .sort_by_key(|broken| (broken.seed, broken.point));
    Ok(tally)
}

fn held<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// So many points of one script.
fn script(seed: u64, points: u64, cheat: Option<Cheat>) -> Tally {
    let all = match Points::of(seed, cheat) {
        Ok(all) => all,
        Err(broken) => return of_broken(broken),
    };
    let mut tally = Tally {
        scripts: 1,
        ..Tally::default()
    };
    for point in all.some(points) {
        tally.add(all.try_one(point));
        if tally.broken.len() >= BROKEN_MAX {
            break;
        }
    }
    tally
}

fn of_broken(broken: Broken) -> Tally {
    Tally {
        points: 1,
        broken: vec![broken],
        ..Tally::default()
    }
}

fn told(tally: &Tally, cheat: Option<Cheat>, wall: Duration) -> Vec<String> {
    let mut lines: Vec<String> = tally
        .broken
        .iter()
        .flat_map(|it| failure(it, cheat))
        .collect();
    let verdict = if tally.broken.is_empty() {
        "the store kept its word".to_owned()
    } else {
        format!("the store BROKE its word at {}", tally.broken.len())
    };
    lines.push(format!("{}: {verdict}", summary(tally)));
    let second_ends = grouped(tally.second_ends);
    lines.push(format!(
        "  ends      {}, {second_ends} of them twice",
        grouped(tally.ends)
    ));
    lines.push(format!("  failures  {}", grouped(tally.failures)));
    lines.push(format!("  full      {}", grouped(tally.full)));
    lines.push(format!(
        "  flips     {}: {} found out, {} hid a delivery",
        grouped(tally.flips),
        grouped(tally.flips_found),
        grouped(tally.flips_hiding)
    ));
    let rate = per_second(tally.points, wall);
    lines.push(format!(
        "  in        {}: {rate} points a second",
        Passed(wall)
    ));
    lines
}

/// `3,000 points of 16 scripts`
pub(super) fn summary(tally: &Tally) -> String {
    let points = counted(tally.points, "point", "points");
    format!(
        "{points} of {}",
        counted(tally.scripts, "script", "scripts")
    )
}

/// A failure, and how to see it again.
pub(super) fn failure(broken: &Broken, cheat: Option<Cheat>) -> Vec<String> {
    let Broken {
        seed,
        point,
        what,
        said,
    } = broken;
    let cheat = cheat.map_or(String::new(), |cheat| format!(" --cheat {}", cheat.name()));
    let again = pasted(&format!(
        "crash-points --seed {seed} --point {point}{cheat}"
    ));
    vec![
        format!("script {seed}, point {point}: {what}"),
        format!("  {said}"),
        format!("  again     {again}"),
    ]
}

fn per_second(points: u64, wall: Duration) -> f64 {
    // Counts are far below what a double tells apart.
    #[expect(clippy::cast_precision_loss)]
    let points = points as f64;
    (points / wall.as_secs_f64().max(0.001)).round()
}
