//! `postrider demo`: one process with the whole engine in it, and receivers on real sockets that
//! misbehave in every usual way; then the check of what was promised.

mod chance;
mod check;
mod data;
mod plan;
mod progress;
mod receiver;
mod report;
mod run;

use crate::Answer;
use crate::stop::Stop;
use clap::builder::RangedU64ValueParser;
use data::Data;
use plan::Plan;
use progress::Progress;
use report::{Report, StopReport};
use run::{DemoError, Ending};
use std::path::PathBuf;

/// See it deliver in order, through storms
///
/// Starts receivers on loopback ports that behave, storm, refuse, reject, hang and exhaust all
/// retries, as the seed decides; sends them events; then checks that every event ended as
/// promised, in order, signed, once. Exit status 1 if a promise was broken.
///
/// With --data the events are in a file. Kill it at any moment and start it again: it goes on
/// where it was, and checks all lives together.
///
/// SIGTERM and SIGINT let it finish the requests under way and end with exit status 0; a second
/// one ends it at once.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// How many events to submit
    #[arg(long, default_value_t = 2_000, value_parser = up_to(1_000_000))]
    events: usize,
    /// How many endpoints to spread them over
    #[arg(long, default_value_t = 25, value_parser = up_to(1_000))]
    endpoints: usize,
    /// What decides who misbehaves, when and how
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Keep the events in this directory; made if it is not there [default: in memory]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Print one JSON object instead of the report
    #[arg(long)]
    json: bool,
}

fn up_to(most: u64) -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(1..=most)
}

pub(crate) fn run(args: &Args) -> Result<Answer, DemoError> {
    let plan = Plan::draw(args.seed, args.events, args.endpoints);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(DemoError::Runtime)?;
    // Before anything else: whoever asks it to end while it starts is heard, too.
    let stop = Stop::listen(None).map_err(DemoError::Signals)?;
    let data = args.data.as_ref();
    let data = data
        .map(|directory| Data::open(directory, args))
        .transpose()?;
    let progress = Progress::new(args.events as u64, args.json)?;
    match runtime.block_on(run::run(plan, data, stop, &progress))? {
        Ending::Done(ran) => {
            let report = Report::of(&ran);
            let text = if args.json {
                report.json()?
            } else {
                report.text(args)
            };
            let is_yes = report.is_kept();
            Ok(Answer { text, is_yes })
        }
        Ending::Stopped(stopped) => {
            let report = StopReport::of(&stopped);
            let text = if args.json {
                report.json()?
            } else {
                report.text(args)
            };
            let is_yes = report.is_drained();
            Ok(Answer { text, is_yes })
        }
    }
}
