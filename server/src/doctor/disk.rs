//! The disk: whether it can be written, how much room it has, and whether it keeps its word.

use super::Finding;
use crate::serve::database;
use postrider::store::sqlite::{loose, loose_files};
use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, Instant};

/// Syncs that are measured.
const SYNCS: usize = 20;

/// No medium is that fast: whatever answers keeps the bytes in memory.
const SYNC_MIN: Duration = Duration::from_micros(50);

/// Each group of events waits for a sync.
const SYNC_MAX: Duration = Duration::from_millis(50);

/// Room in bytes below which something is wrong already, and below which it soon is.
const ROOM: (u64, u64) = (64 << 20, 1 << 30);

/// Checks the directory, or the one that it would be made in.
pub(super) fn check(data: &Path) -> Vec<Finding> {
    let Some(directory) = data.ancestors().map(here).find(|it| it.is_dir()) else {
        let detail = format!("no directory above {} is there", data.display());
        return vec![Finding::fail(
            "disk",
            detail,
            "name another one with --data",
        )];
    };
    let shown = directory.display();
    let measured = match measure(directory) {
        Ok(measured) => measured,
        Err(error) => {
            let detail = format!("{shown} cannot be written: {error}");
            let remedy = "let the user of the server write there, or name another one with --data";
            return vec![Finding::fail("disk", detail, remedy)];
        }
    };
    let room = match room(directory) {
        Ok(room) => judge_room(room, &shown.to_string()),
        Err(error) => {
            let detail = format!("how much room {shown} has is not known: {error}");
            Finding::warn("disk", detail, "look for yourself")
        }
    };
    let mut findings = vec![room, judge_sync(measured)];
    findings.extend(judge_modes(data));
    findings
}

/// What is in the data is for the user of the server alone.
fn judge_modes(data: &Path) -> Option<Finding> {
    let directory = loose(data).filter(|_| data.is_dir());
    let files = loose_files(&database(data));
    let first = directory.iter().chain(&files).next()?;
    let chmod: Vec<String> = [("700", directory.as_slice()), ("600", &files)]
        .into_iter()
        .filter(|(_, loose)| !loose.is_empty())
        .map(|(mode, loose)| {
            let paths = loose.iter().map(|it| format!(" {}", it.path.display()));
            format!("chmod {mode}{}", paths.collect::<String>())
        })
        .collect();
    let detail = format!("others may use {} ({:o})", first.path.display(), first.mode);
    Some(Finding::warn("modes", detail, chmod.join(" && ")))
}

/// An empty path is where we are.
fn here(path: &Path) -> &Path {
    match path.as_os_str().is_empty() {
        true => Path::new("."),
        false => path,
    }
}

/// The median of some syncs.
fn measure(directory: &Path) -> io::Result<Duration> {
    let mut file = tempfile::NamedTempFile::new_in(directory)?;
    let mut times = Vec::with_capacity(SYNCS);
    for _ in 0..SYNCS {
        file.write_all(&[0; 4_096])?;
        let start = Instant::now();
        file.as_file().sync_all()?;
        times.push(start.elapsed());
    }
    times.sort_unstable();
    Ok(times[SYNCS / 2])
}

fn judge_sync(median: Duration) -> Finding {
    let detail = format!("{:.2} ms", median.as_secs_f64() * 1_000.0);
    if median < SYNC_MIN {
        let remedy = "no disk is that fast: what is acknowledged may be lost with the power. Use a \
                      disk that syncs, no memory file system";
        return Finding::warn("fsync", detail, remedy);
    }
    if median > SYNC_MAX {
        let remedy = "every group of events waits that long: use a faster disk";
        return Finding::warn("fsync", detail, remedy);
    }
    Finding::ok("fsync", detail)
}

fn judge_room(bytes: u64, directory: &str) -> Finding {
    let detail = format!("{} MiB are free in {directory}", bytes >> 20);
    let (low, scarce) = ROOM;
    match bytes {
        bytes if bytes < low => {
            let remedy = "make room: events are refused when the disk is full";
            Finding::fail("disk", detail, remedy)
        }
        bytes if bytes < scarce => {
            let remedy = "make room, or keep records for a shorter time (keep_ended_days)";
            Finding::warn("disk", detail, remedy)
        }
        _ => Finding::ok("disk", detail),
    }
}

/// The bytes that we may still write.
#[cfg(unix)]
fn room(directory: &Path) -> io::Result<u64> {
    let found = rustix::fs::statvfs(directory)?;
    Ok(found.f_bavail.saturating_mul(found.f_frsize))
}

/// Elsewhere nobody says.
#[cfg(not(unix))]
fn room(_: &Path) -> io::Result<u64> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;

    #[test]
    fn a_disk_that_is_too_fast_or_too_slow_is_told() {
        for (us, expected) in [
            (10, Verdict::Warn),
            (800, Verdict::Ok),
            (60_000, Verdict::Warn),
        ] {
            let finding = judge_sync(Duration::from_micros(us));
            assert_eq!(finding.verdict, expected, "{finding:?}");
        }
    }

    #[test]
    fn little_room_is_told_before_there_is_none() {
        for (bytes, expected) in [
            (1 << 20, Verdict::Fail),
            (512 << 20, Verdict::Warn),
            (8 << 30, Verdict::Ok),
        ] {
            assert_eq!(judge_room(bytes, "x").verdict, expected);
        }
    }

    #[test]
    fn a_directory_that_is_not_there_yet_is_judged_by_the_one_above() {
        let directory = tempfile::tempdir().unwrap();
        let findings = check(&directory.path().join("a/b"));
        assert_eq!(findings.len(), 2, "{findings:?}");
        assert!(findings.iter().all(|it| it.verdict != Verdict::Fail));
        let left = std::fs::read_dir(directory.path()).unwrap().count();
        assert_eq!(left, 0, "nothing is left behind");
    }
}
