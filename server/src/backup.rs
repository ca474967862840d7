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
/// and remove `postrider.db-wal` and `postrider.db-shm`.
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
    let config = Config::of(&args.data.settings(None).values()?)?;
    let from = database(&config.data);
    let bytes = SqliteStore::copy(&from, &args.file)?;
    let file = args.file.display().to_string();
    let text = match args.json {
        true => format!("{}\n", json!({ "file": file, "bytes": bytes })),
        false => format!(
            "{file}: {bytes} bytes\nits secrets open with {}-key alone: keep that in another place\n",
            from.display()
        ),
    };
    Ok(Answer { text, is_yes: true })
}
