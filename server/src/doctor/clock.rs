//! The clocks: whether they run, and whether the calendar is right.

use super::Finding;
use jiff::Timestamp;
use jiff::fmt::rfc2822;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// No earlier version of this program exists.
const EARLIEST_S: i64 = 1_750_000_000;

/// A second of it is how the `Date` header is cut off, and the request takes time.
const SKEW_MAX_S: u64 = 5;

/// Receivers refuse signatures whose time is five minutes off.
const SKEW_FAIL_S: u64 = 240;

/// How long both clocks are watched.
const WATCHED: Duration = Duration::from_millis(50);

/// Judges the clocks, and the calendar by a server's `Date` header (RFC 9110, section 6.6.1) if
/// there is one.
pub(super) fn check(date: Option<&str>) -> Finding {
    let (start, before) = (Instant::now(), Timestamp::now());
    sleep(WATCHED);
    let (passed, after) = (start.elapsed(), Timestamp::now());
    judge(
        after,
        after.duration_since(before).unsigned_abs(),
        passed,
        date,
    )
}

fn judge(now: Timestamp, by_calendar: Duration, passed: Duration, date: Option<&str>) -> Finding {
    const SET_IT: &str = "let the system keep its time by NTP";
    if now.as_second() < EARLIEST_S {
        return Finding::fail("clock", format!("the calendar says {now:.0}"), SET_IT);
    }
    if passed < WATCHED || by_calendar.abs_diff(passed) > WATCHED {
        let detail = format!("in {passed:?} the calendar moved by {by_calendar:?}");
        return Finding::warn("clock", detail, SET_IT);
    }
    let server = date.and_then(|date| rfc2822::parse(date).ok());
    let Some(server) = server else {
        return Finding::ok("clock", format!("{now:.0}; no server to compare it with"));
    };
    let skew = now.duration_since(server.timestamp()).unsigned_abs();
    let seconds = skew.as_secs();
    let detail = format!("{now:.0}; {seconds} s from the server's");
    match seconds {
        SKEW_FAIL_S.. => Finding::fail("clock", detail, SET_IT),
        seconds if seconds > SKEW_MAX_S => Finding::warn("clock", detail, SET_IT),
        _ => Finding::ok("clock", detail),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;

    fn verdict(now: &str, by_calendar_ms: u64, date: Option<&str>) -> Verdict {
        let by_calendar = Duration::from_millis(by_calendar_ms);
        judge(now.parse().unwrap(), by_calendar, WATCHED, date).verdict
    }

    #[test]
    fn a_calendar_is_judged_by_the_servers() {
        let date = Some("Sun, 22 Nov 2026 21:06:27 GMT");
        for (now, expected) in [
            ("2026-11-22T21:06:28Z", Verdict::Ok),
            ("2026-11-22T21:06:40Z", Verdict::Warn),
            ("2026-11-22T21:06:14Z", Verdict::Warn),
            ("2026-11-22T21:16:27Z", Verdict::Fail),
        ] {
            assert_eq!(verdict(now, 50, date), expected, "{now}");
        }
        assert_eq!(verdict("2026-11-22T00:00:00Z", 50, None), Verdict::Ok);
    }

    #[test]
    fn a_calendar_that_jumps_or_was_never_set_is_told() {
        assert_eq!(verdict("2026-11-22T00:00:00Z", 5_000, None), Verdict::Warn);
        assert_eq!(verdict("1970-01-02T00:00:00Z", 50, None), Verdict::Fail);
    }
}
