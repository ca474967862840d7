//! `teeth`: planted bugs, and whether they are found.

use super::Answer;
use serde::Serialize;
use std::error::Error;

/// Plant bugs and see whether they are found
///
/// No bug is planted yet.
#[derive(clap::Args)]
pub(crate) struct Args {}

/// What programs are told.
#[derive(Serialize)]
struct Object {
    bugs: usize,
    caught: usize,
}

pub(super) fn run(_: &Args, json: bool) -> Result<Answer, Box<dyn Error>> {
    let object = Object { bugs: 0, caught: 0 };
    Answer::of(json, true, &["no bug is planted yet".to_owned()], &object)
}
