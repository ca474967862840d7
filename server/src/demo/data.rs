//! A demo that can be killed: events in a file, and beside it a journal of what publishers were
//! told and receivers saw. Started again, it goes on where it was.

use super::Args;
use super::receiver::{Log, Sighting};
use postrider::store::sqlite::OpenError;
use postrider::{EventId, SqliteStore};
use serde::{Deserialize, Serialize};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::PoisonError;

/// What was asked for when the directory was new.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Asked {
    events: usize,
    endpoints: usize,
    seed: u64,
}

/// Why a directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DataError {
    #[error("{path} cannot be used: {error}", path = .0.display(), error = .1)]
    File(PathBuf, io::Error),
    #[error(transparent)]
    Store(#[from] OpenError),
    #[error(
        "{path} was begun with --events {events} --endpoints {endpoints} --seed {seed}: go on with \
         these, or use another directory",
        path = path.display()
    )]
    OtherArguments {
        path: PathBuf,
        events: usize,
        endpoints: usize,
        seed: u64,
    },
    #[error("{path}, line {line}, cannot be read: `{text}`", path = path.display())]
    Journal {
        path: PathBuf,
        line: usize,
        text: String,
    },
}

/// A line of the journal, about an event by its endpoint and its number there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    /// A process begins.
    Started,
    /// It ends because it was asked to: nothing is under way any more.
    Stopped,
    /// The publisher was told that it is accepted, under this id.
    Accepted(usize, usize, EventId),
    /// A receiver was sent it.
    Arrived(usize, usize, EventId),
    /// It is about to answer.
    Answered(usize, usize, u16),
    /// It will not answer.
    Silent(usize, usize),
}

/// The journal, open to be gone on with.
pub(super) struct Journal(Mutex<Written>);

struct Written {
    file: File,
    /// The first line that could not be written.
    failed: Option<io::Error>,
}

/// A directory, and what it knows of the lives before this one.
pub(super) struct Data {
    pub(super) store: SqliteStore,
    pub(super) journal: Journal,
    pub(super) before: Vec<Entry>,
}

impl Data {
    /// Opens the directory, or makes it.
    pub(super) fn open(directory: &Path, args: &Args) -> Result<Self, DataError> {
        let file = |path: &Path| {
            let path = path.to_owned();
            move |error| DataError::File(path, error)
        };
        fs::create_dir_all(directory).map_err(file(directory))?;
        // First, so that a second process does not write into the journal.
        let store = SqliteStore::open(directory.join("postrider.db"))?;
        check_arguments(&directory.join("demo.json"), args)?;
        let path = directory.join("journal.txt");
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(DataError::File(path, error)),
        };
        let before = text.lines().enumerate().map(|(number, line)| {
            Entry::parse(line).ok_or_else(|| DataError::Journal {
                path: path.clone(),
                line: number + 1,
                text: line.to_owned(),
            })
        });
        let before = before.collect::<Result<_, _>>()?;
        let mut options = OpenOptions::new();
        let opened = options.create(true).append(true).open(&path);
        let journal = Journal(Mutex::new(Written {
            file: opened.map_err(file(&path))?,
            failed: None,
        }));
        journal.add(Entry::Started);
        Ok(Self {
            store,
            journal,
            before,
        })
    }
}

fn check_arguments(path: &Path, args: &Args) -> Result<(), DataError> {
    let asked = Asked {
        events: args.events,
        endpoints: args.endpoints,
        seed: args.seed,
    };
    let known = fs::read_to_string(path)
        .ok()
        .and_then(|text| serde_json::from_str::<Asked>(&text).ok());
    match known {
        Some(known) if known == asked => Ok(()),
        Some(known) => Err(DataError::OtherArguments {
            path: path.to_owned(),
            events: known.events,
            endpoints: known.endpoints,
            seed: known.seed,
        }),
        None => {
            let text = serde_json::to_string(&asked).unwrap_or_default();
            fs::write(path, text).map_err(|error| DataError::File(path.to_owned(), error))
        }
    }
}

impl Journal {
    /// Adds a line, in one piece: it is there even if the process is killed the next moment.
    pub(super) fn add(&self, entry: Entry) {
        let line = entry.line();
        let mut written = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = written.file.write_all(line.as_bytes()) {
            written.failed.get_or_insert(error);
        }
    }

    /// Whether all lines were written.
    pub(super) fn is_whole(&self) -> io::Result<()> {
        let mut written = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        written.failed.take().map_or(Ok(()), Err)
    }
}

impl Entry {
    fn line(self) -> String {
        match self {
            Self::Started => "started\n".to_owned(),
            Self::Stopped => "stopped\n".to_owned(),
            Self::Accepted(endpoint, number, id) => format!("accepted {endpoint} {number} {id}\n"),
            Self::Arrived(endpoint, number, id) => format!("arrived {endpoint} {number} {id}\n"),
            Self::Answered(endpoint, number, status) => {
                format!("answered {endpoint} {number} {status}\n")
            }
            Self::Silent(endpoint, number) => format!("silent {endpoint} {number}\n"),
        }
    }

    fn parse(line: &str) -> Option<Self> {
        let words: Vec<&str> = line.split(' ').collect();
        Some(match words[..] {
            ["started"] => Self::Started,
            ["stopped"] => Self::Stopped,
            ["accepted", endpoint, number, id] => Self::Accepted(
                endpoint.parse().ok()?,
                number.parse().ok()?,
                id.parse().ok()?,
            ),
            ["arrived", endpoint, number, id] => Self::Arrived(
                endpoint.parse().ok()?,
                number.parse().ok()?,
                id.parse().ok()?,
            ),
            ["answered", endpoint, number, status] => {
                let status = status.parse().ok()?;
                Self::Answered(endpoint.parse().ok()?, number.parse().ok()?, status)
            }
            ["silent", endpoint, number] => {
                Self::Silent(endpoint.parse().ok()?, number.parse().ok()?)
            }
            _ => return None,
        })
    }
}

/// How often a process was begun before this one.
pub(super) fn starts(before: &[Entry]) -> usize {
    let starts = before.iter().filter(|entry| **entry == Entry::Started);
    starts.count()
}

/// How often one ended with requests under way. One that was asked to end is none of these: it
/// has drained, and excuses no repeat.
pub(super) fn kills(before: &[Entry]) -> usize {
    let stops = before.iter().filter(|entry| **entry == Entry::Stopped);
    starts(before).saturating_sub(stops.count())
}

/// What an endpoint's receiver saw in the lives before this one, and how often it kept silent.
pub(super) fn seen(before: &[Entry], endpoint: usize) -> (Log, usize) {
    let (mut log, mut silent) = (Log::default(), 0);
    for entry in before {
        match *entry {
            Entry::Arrived(of, number, id) if of == endpoint => {
                log.sightings.push(Sighting::Arrived(number, id));
            }
            Entry::Answered(of, number, status) if of == endpoint => {
                log.sightings.push(Sighting::Answered(number, status));
            }
            Entry::Silent(of, _) if of == endpoint => silent += 1,
            _ => (),
        }
    }
    (log, silent)
}

/// The ids under which an endpoint's events were accepted, by their numbers.
pub(super) fn accepted(before: &[Entry], endpoint: usize) -> Vec<(usize, EventId)> {
    let accepted = before.iter().filter_map(|entry| match *entry {
        Entry::Accepted(of, number, id) if of == endpoint => Some((number, id)),
        _ => None,
    });
    accepted.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_journal_is_read_back() {
        let id = "evt_01jgfjjz34ej5vq1kq0wydsrvy".parse().unwrap();
        for entry in [
            Entry::Started,
            Entry::Stopped,
            Entry::Accepted(1, 2, id),
            Entry::Arrived(3, 4, id),
            Entry::Answered(5, 6, 503),
            Entry::Silent(7, 8),
        ] {
            let line = entry.line();
            assert_eq!(Entry::parse(line.trim_end()), Some(entry));
        }
        assert_eq!(Entry::parse("arrived 1"), None);
    }

    #[test]
    fn a_process_that_drained_excuses_no_repeat() {
        let lives = [Entry::Started, Entry::Stopped, Entry::Started];
        assert_eq!((starts(&lives), kills(&lives)), (2, 1));
    }
}
