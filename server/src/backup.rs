//! `postrider backup`: a copy of the database while a server uses it.

use crate::Answer;
use crate::config::{Config, ConfigError};
use crate::serve::{DataArgs, database};
use postrider::SqliteStore;
use postrider::store::sqlite::BackupError;
use serde_json::json;
use std::path::PathBuf;

/// Copy the database, also while a server runs
///
/// The copy is what the database held at one moment, without gaps, and is on the disk when this
/// returns. It does not hold the key that opens the secrets in it, `postrider.db-key`: keep that
/// in another place. To restore it, stop the server, put the copy in the place of `postrider.db`,
/// and remove `postrider.db-wal`, `postrider.db-shm` and `postrider.db-lock`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The file to make; it must not be there
    file: PathBuf,
    #[command(flatten)]
    data: DataArgs,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

/// Why there is no copy.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BackupFailed {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("{0}: say with --data where it is")]
    NoDatabase(BackupError),
    #[error(transparent)]
    Backup(BackupError),
}

impl From<BackupError> for BackupFailed {
    fn from(error: BackupError) -> Self {
        match error {
            BackupError::NoDatabase(_) => Self::NoDatabase(error),
            other => Self::Backup(other),
        }
    }
}

pub(crate) fn run(args: &Args) -> Result<Answer, BackupFailed> {
    let values = args.data.settings(None).values()?;
    crate::log::warn_of_unknown(&values);
    let config = Config::of(&values)?;
    let from = database(&config.data);
    let copied = SqliteStore::copy(&from, &args.file)?;
    let (from, file) = (from.display(), args.file.display());
    let text = match args.json {
        true => {
            let said = json!({
                "from": from.to_string(),
                "file": file.to_string(),
                "bytes": copied.bytes,
                "endpoints": copied.endpoints,
                "events": copied.events,
                "pending": copied.pending,
                "dead_letters": copied.dead_letters,
            });
            format!("{said}\n")
        }
        false => format!(
            "{from} was copied to {file}: {} bytes\n\
             with {} endpoints, {} events, {} pending deliveries and {} dead letters\n\
             its secrets open with {from}-key alone: keep that in another place\n",
            copied.bytes, copied.endpoints, copied.events, copied.pending, copied.dead_letters
        ),
    };
    Ok(Answer { text, is_yes: true })
}
