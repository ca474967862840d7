//! The file with the key that secrets are sealed with. It is made once, before anything is sealed,
//! and never again: what was sealed opens with no other key.

use super::modes;
use super::patience::Told;
use super::seal::{KeyRing, SealError, sync_directory};
use super::watch::Lost;
use super::{OpenError, beside};
use crate::transport::is_shortage;
use rusqlite::{Connection, OptionalExtension};
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// A key, and where it is kept.
pub(super) struct KeyFile {
    path: PathBuf,
    text: Zeroizing<String>,
    told: Told,
}

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
        Ok(Some((Self::holding(path, text), ring)))
    }

    fn holding(path: &Path, text: Zeroizing<String>) -> Self {
        Self {
            path: path.to_owned(),
            text,
            told: Told::default(),
        }
    }

    /// Makes a key, and the file; it must not be there.
    pub(super) fn make(path: &Path) -> Result<(Self, KeyRing), SealError> {
        let mut key = Zeroizing::new([0; 32]);
        getrandom::fill(key.as_mut()).map_err(SealError::Randomness)?;
        let text = Zeroizing::new(hex::encode(*key));
        write(path, &text)?;
        let ring = KeyRing::new([text.as_str()])?;
        Ok((Self::holding(path, text), ring))
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
    /// that knows it. So it goes on, too, if the file cannot be read or written now: the next look
    /// tries again. One with another key is somebody's, and what is sealed from now on would not
    /// open with it.
    ///
    /// The file is read at each look: its times and its length do not tell that it was written
    /// twice within one tick of the file system's clock.
    pub(super) fn look(&mut self) -> Result<(), Lost> {
        match self.put_back() {
            Ok(true) => (),
            Ok(false) => return Err(Lost::OtherKey(self.path.clone())),
            // What this machine is short of says nothing about the file.
            Err(error) if is_shortage(&error) => (),
            Err(error) if self.told.is_due() => {
                let key = self.path.display();
                tracing::error!(%key, %error, "postrider.store.key_is_not_in_its_file: the last that knows it is this process");
            }
            Err(_) => (),
        }
        Ok(())
    }

    /// Writes the file again unless it has a key. False if that is another one.
    fn put_back(&self) -> io::Result<bool> {
        let there = match fs::read(&self.path).map(Zeroizing::new) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Zeroizing::new(Vec::new()),
            there => there?,
        };
        let there = there.trim_ascii();
        if there == self.text.as_bytes() {
            return Ok(true);
        }
        if std::str::from_utf8(there).is_ok_and(|it| KeyRing::new([it]).is_ok()) {
            return Ok(false);
        }
        write(&self.path, &self.text)?;
        let key = self.path.display();
        tracing::error!(%key, "postrider.store.key_was_gone_and_is_written_again");
        Ok(true)
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

/// Something that was sealed, if anything was.
fn something_sealed(connection: &Connection) -> rusqlite::Result<Option<Vec<u8>>> {
    let mut select = connection.prepare(
        "SELECT * FROM (SELECT secrets FROM postrider_endpoint LIMIT 1)
         UNION ALL SELECT * FROM (SELECT value FROM postrider_record LIMIT 1)
         UNION ALL SELECT * FROM (SELECT value FROM postrider_audit LIMIT 1)",
    )?;
    select.query_row([], |row| row.get(0)).optional()
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_cannot_be_written_now_is_written_later() {
        let name = format!("key-later-{}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        fs::create_dir_all(&directory).unwrap();
        let path = directory.join("events.db-key");
        let (mut file, _) = KeyFile::make(&path).unwrap();
        let text = fs::read(&path).unwrap();
        fs::remove_file(&path).unwrap();
        // Whoever the tests are run by, no file takes the place of a directory with something in it.
        let unfinished = beside(&path, "unfinished");
        fs::create_dir_all(unfinished.join("something")).unwrap();
        for _ in 0..3 {
            file.look().unwrap();
            assert!(!path.exists());
        }
        fs::remove_dir_all(&unfinished).unwrap();
        file.look().unwrap();
        assert_eq!(fs::read(&path).unwrap(), text);
        // At once: the clock of the file system may not have moved since.
        fs::write(&path, "ab".repeat(32)).unwrap();
        assert!(matches!(file.look(), Err(Lost::OtherKey(_))));
        fs::remove_dir_all(directory).unwrap();
    }
}
