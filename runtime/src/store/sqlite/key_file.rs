//! The file with the key that secrets are sealed with. It is made once, before anything is sealed,
//! and never again: what was sealed opens with no other key.

use super::held::FileId;
use super::modes;
use super::seal::{KeyRing, SealError, sync_directory};
use super::watch::Lost;
use super::{OpenError, beside};
use rusqlite::{Connection, OptionalExtension};
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use zeroize::Zeroizing;

/// A key, and where it is kept.
pub(super) struct KeyFile {
    path: PathBuf,
    text: Zeroizing<String>,
    seen: Option<Stamp>,
}

/// What tells that a file has not changed, without reading it.
type Stamp = (FileId, u64, Option<SystemTime>);

impl KeyFile {
    /// The key in this file, if it is there.
    pub(super) fn read(path: &Path) -> Result<Option<(Self, KeyRing)>, SealError> {
        let text = match fs::read_to_string(path) {
            Ok(text) => Zeroizing::new(text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let text = Zeroizing::new(text.trim().to_owned());
        let ring = KeyRing::new([text.as_str()])?;
        let file = Self {
            path: path.to_owned(),
            text,
            seen: stamp(path).ok(),
        };
        Ok(Some((file, ring)))
    }

    /// Makes a key, and the file; it must not be there.
    pub(super) fn make(path: &Path) -> Result<(Self, KeyRing), SealError> {
        let mut key = Zeroizing::new([0; 32]);
        getrandom::fill(key.as_mut()).map_err(SealError::Randomness)?;
        let text = Zeroizing::new(hex::encode(*key));
        write(path, &text)?;
        let ring = KeyRing::new([text.as_str()])?;
        let file = Self {
            path: path.to_owned(),
            text,
            seen: stamp(path).ok(),
        };
        Ok((file, ring))
    }

    /// The key of this database: that of its file, or a new one if nothing was sealed yet.
    pub(super) fn of(
        connection: &Connection,
        database: &Path,
    ) -> Result<(Self, KeyRing), OpenError> {
        let path = beside(database, "key");
        let error = |error| OpenError::Key {
            path: path.clone(),
            error,
        };
        let sealed = something_sealed(connection).map_err(super::SchemaError::Sqlite)?;
        match (Self::read(&path).map_err(error)?, sealed) {
            (Some((_, ring)), Some(sealed)) if !ring.knows(&sealed) => Err(OpenError::WrongKey {
                path,
                database: database.to_owned(),
            }),
            (Some(found), _) => Ok(found),
            (None, Some(_)) => Err(OpenError::NoKey {
                path,
                database: database.to_owned(),
            }),
            (None, None) => {
                let made = Self::make(&path).map_err(error)?;
                tracing::info!(key = %path.display(), "postrider.store.key_made");
                Ok(made)
            }
        }
    }

    /// A file that has gone, or holds no key any more, is written again: this process is the last
    /// that knows it. One with another key is somebody's, and what is sealed from now on would not
    /// open with it.
    pub(super) fn look(&mut self) -> Result<(), Lost> {
        let now = stamp(&self.path).ok();
        if now.is_some() && now == self.seen {
            return Ok(());
        }
        let unusable = |error| Lost::Unusable {
            path: self.path.clone(),
            error,
        };
        let there = match fs::read(&self.path).map(Zeroizing::new) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Zeroizing::new(Vec::new()),
            there => there.map_err(unusable)?,
        };
        let there = there.trim_ascii();
        let is_ours = there == self.text.as_bytes();
        let is_key = std::str::from_utf8(there).is_ok_and(|it| KeyRing::new([it]).is_ok());
        if !is_ours && is_key {
            return Err(Lost::OtherKey(self.path.clone()));
        }
        if !is_ours {
            write(&self.path, &self.text).map_err(unusable)?;
            let key = self.path.display();
            tracing::error!(%key, "postrider.store.key_was_gone_and_is_written_again");
        }
        self.seen = stamp(&self.path).ok();
        Ok(())
    }
}

/// Whole or not at all: half a key would end every start.
fn write(path: &Path, text: &str) -> io::Result<()> {
    let unfinished = beside(path, "unfinished");
    match fs::remove_file(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => (),
    }
    let mut file = modes::make(&unfinished)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&unfinished, path)?;
    sync_directory(path)
}

fn stamp(path: &Path) -> io::Result<Stamp> {
    let there = fs::metadata(path)?;
    Ok((FileId::of(&there), there.len(), there.modified().ok()))
}

/// Something that was sealed, if anything was.
fn something_sealed(connection: &Connection) -> rusqlite::Result<Option<Vec<u8>>> {
    let mut select = connection.prepare(
        "SELECT * FROM (SELECT secrets FROM postrider_endpoint LIMIT 1)
         UNION ALL SELECT * FROM (SELECT value FROM postrider_record LIMIT 1)",
    )?;
    select.query_row([], |row| row.get(0)).optional()
}
