//! The progress bars: on the standard error, if it is a terminal.

use indicatif::style::TemplateError;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use postrider::Ledger;

pub(super) struct Progress {
    all: MultiProgress,
    accepted: ProgressBar,
    ended: ProgressBar,
}

impl Progress {
    /// Bars for so many events. Hidden if asked for, or where nobody would see them move.
    pub(super) fn new(events: u64, hidden: bool) -> Result<Self, TemplateError> {
        let target = if hidden {
            ProgressDrawTarget::hidden()
        } else {
            ProgressDrawTarget::stderr()
        };
        let all = MultiProgress::with_draw_target(target);
        let style = ProgressStyle::with_template(
            "{prefix:>9} {wide_bar} {human_pos:>9} of {human_len}  {msg:30}",
        )?;
        let bar = |prefix| {
            let bar = all.add(ProgressBar::new(events));
            bar.set_style(style.clone());
            bar.set_prefix(prefix);
            bar
        };
        Ok(Self {
            accepted: bar("accepted"),
            ended: bar("ended"),
            all,
        })
    }

    pub(super) fn show(&self, account: &Ledger) {
        self.accepted.set_position(account.accepted);
        self.ended.set_position(account.delivered + account.failed);
        self.ended
            .set_message(format!("{} dead letters", account.failed));
    }

    /// Makes room for the report.
    pub(super) fn end(&self) {
        self.accepted.finish_and_clear();
        self.ended.finish_and_clear();
        // What could not be erased stays.
        let _ = self.all.clear();
    }
}
