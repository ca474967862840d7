//! `Retry-After` (RFC 9110, section 10.2.3): seconds or an HTTP date, from a hand that may be
//! hostile.

use crate::time::Wall;
use std::time::Duration;

/// How long the receiver asks to wait, from `wall`. `None` if it does not say so in one of the
/// forms of the RFC; a date in the past asks for nothing. The caller clamps it.
pub(crate) fn retry_after(value: &str, wall: Wall) -> Option<Duration> {
    let value = value.trim_matches([' ', '\t']);
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than a u64 holds is a very long time, not nothing.
        return Some(Duration::from_secs(value.parse().unwrap_or(u64::MAX)));
    }
    let at = unix_seconds(value)?;
    Some(Duration::from_secs(at.saturating_sub(wall.unix_seconds())))
}

/// The Unix time of an IMF-fixdate, `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110, section 5.6.7).
/// The two obsolete forms of dates are not read.
fn unix_seconds(date: &str) -> Option<u64> {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let (_weekday, date) = date.split_once(", ")?;
    let mut words = date.split(' ');
    let day = number(words.next()?, 2)?;
    let month = words.next()?;
    let month = MONTHS.iter().position(|known| *known == month)? as u64 + 1;
    let year = number(words.next()?, 4)?;
    let mut time = words.next()?.split(':');
    let hour = number(time.next()?, 2)?;
    let minute = number(time.next()?, 2)?;
    let second = number(time.next()?, 2)?;
    let whole = words.next()? == "GMT" && words.next().is_none() && time.next().is_none();
    let in_range = (1..=31).contains(&day) && hour < 24 && minute < 60 && second <= 60;
    if !whole || !in_range || year < 1970 {
        return None;
    }
    Some(days_since_1970(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second)
}

/// Exactly `digits` decimal digits.
fn number(text: &str, digits: usize) -> Option<u64> {
    let decimal = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
    if decimal { text.parse().ok() } else { None }
}

/// Days from 1970-01-01 to this date of the Gregorian calendar, for years from 1970.
fn days_since_1970(year: u64, month: u64, day: u64) -> u64 {
    // The year starts in March, so that a leap day is its last one.
    let year = if month <= 2 { year - 1 } else { year };
    let months_since_march = (month + 9) % 12;
    let leap_days = year / 4 - year / 100 + year / 400;
    let days_to_march_1970_from_0 = 719_468;
    year * 365 + leap_days + (153 * months_since_march + 2) / 5 + day
        - 1
        - days_to_march_1970_from_0
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOV_6_1994: Wall = Wall(784_111_777_000);

    fn asked(value: &str) -> Option<u64> {
        retry_after(value, NOV_6_1994).map(|delay| delay.as_secs())
    }

    #[test]
    fn seconds_and_dates_are_read() {
        assert_eq!(asked("120"), Some(120));
        assert_eq!(asked(" 5\t"), Some(5));
        assert_eq!(asked("Sun, 06 Nov 1994 08:49:37 GMT"), Some(0));
        assert_eq!(asked("Sun, 06 Nov 1994 09:49:37 GMT"), Some(3600));
        assert_eq!(
            asked("Tue, 29 Feb 2000 00:00:00 GMT").map(|s| s / 86_400),
            Some(1940)
        );
    }

    #[test]
    fn a_date_in_the_past_asks_for_nothing_and_one_in_9999_for_very_long() {
        assert_eq!(asked("Thu, 01 Jan 1970 00:00:00 GMT"), Some(0));
        assert_eq!(
            asked("Fri, 31 Dec 9999 23:59:59 GMT"),
            Some(253_402_300_799 - 784_111_777)
        );
        assert_eq!(asked("99999999999999999999999999"), Some(u64::MAX));
    }

    #[test]
    fn whatever_else_is_written_there_is_ignored() {
        for value in [
            "",
            " ",
            "inf",
            "NaN",
            "-1",
            "+1",
            "1.5",
            "1e3",
            "0x10",
            "soon",
            "١٢",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
            "Sun, 6 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:37 CET",
            "Sun, 06 Nov 1994 24:00:00 GMT",
            "Sun, 00 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1901 08:49:37 GMT",
            "Sun, 06 Nov 1994 08:49 GMT",
            ", ",
            "Sun, ",
        ] {
            assert_eq!(asked(value), None, "{value:?}");
        }
    }
}
