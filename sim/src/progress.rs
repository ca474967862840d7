//! The progress bar: on the standard error, if it is a terminal.

use crate::figures::counted;
use indicatif::style::TemplateError;
use indicatif::{ProgressBar, ProgressStyle};

pub(crate) struct Progress(ProgressBar);

impl Progress {
    /// A bar for so many runs.
    pub(crate) fn new(what: &str, runs: u64) -> Result<Self, TemplateError> {
        let style = ProgressStyle::with_template(
            "{prefix:>11} {wide_bar} {human_pos:>9} of {human_len}  {eta:>4}  {msg:18}",
        )?;
        // It hides itself where nobody would see it move.
        let bar = ProgressBar::new(runs).with_style(style);
        bar.set_prefix(what.to_owned());
        Ok(Self(bar))
    }

    pub(crate) fn show(&self, runs: u64, broken: usize) {
        self.0.set_position(runs);
        if broken > 0 {
            self.0.set_message(counted(broken, "failure", "failures"));
        }
    }

    /// Makes room for the report.
    pub(crate) fn end(&self) {
        self.0.finish_and_clear();
    }
}
