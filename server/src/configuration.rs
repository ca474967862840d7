//! `postrider config`.

use crate::Answer;
use crate::config::{Config, ConfigError};
use crate::serve::SettingArgs;
use clap::Subcommand;

/// Look at the settings
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Show every setting, where it was made and what it is for
    ///
    /// A flag goes before the environment, that before the file, and that before the default.
    /// The output is a configuration file, in which defaults and secrets are comments. Exit status 2 if a setting cannot be used.
    Show(ShowArgs),
}

#[derive(clap::Args)]
struct ShowArgs {
    #[command(flatten)]
    settings: SettingArgs,
    /// Print a JSON array
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> Result<Answer, ConfigError> {
    let What::Show(args) = &args.what;
    let values = args.settings.values()?;
    crate::log::warn_of_unknown(&values);
    Config::of(&values)?;
    let shown = values.shown();
    let text = match args.json {
        true => format!("{}\n", serde_json::to_value(&shown).unwrap_or_default()),
        false => shown.iter().map(crate::config::Shown::line).collect(),
    };
    Ok(Answer { text, is_yes: true })
}
