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
    let at = unix_seconds(value, wall)?;
    Some(Duration::from_secs(at.saturating_sub(wall.unix_seconds())))
}

/// The Unix time of an HTTP date in any of its three forms, which a recipient must all accept
/// (RFC 9110, section 5.6.7): `Sun, 06 Nov 1994 08:49:37 GMT`, and the obsolete
/// `Sunday, 06-Nov-94 08:49:37 GMT` and `Sun Nov  6 08:49:37 1994`.
fn unix_seconds(date: &str, wall: Wall) -> Option<u64> {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let (day, month, year, time) = match date.split_once(", ") {
        Some((_weekday, date)) => with_zone(date.strip_suffix(" GMT")?, wall)?,
        None => of_asctime(date)?,
    };
    let month = MONTHS.iter().position(|known| *known == month)? as u64 + 1;
    let mut time = time.split(':');
    let hour = number(time.next()?, 2)?;
    let minute = number(time.next()?, 2)?;
    let second = number(time.next()?, 2)?;
    let whole = time.next().is_none();
    let in_range = (1..=31).contains(&day) && hour < 24 && minute < 60 && second <= 60;
    if !whole || !in_range || year < 1970 {
        return None;
    }
    Some(days_since_1970(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second)
}

/// Day, month, year and time of `06 Nov 1994 08:49:37` or `06-Nov-94 08:49:37`.
fn with_zone(date: &str, wall: Wall) -> Option<(u64, &str, u64, &str)> {
    let (date, time) = date.rsplit_once(' ')?;
    if let Some((day, rest)) = date.split_once('-') {
        let (month, year) = rest.split_once('-')?;
        let year = with_century(number(year, 2)?, wall);
        return Some((number(day, 2)?, month, year, time));
    }
    let (day, rest) = date.split_once(' ')?;
    let (month, year) = rest.split_once(' ')?;
    Some((number(day, 2)?, month, number(year, 4)?, time))
}

/// The same of `Sun Nov  6 08:49:37 1994`: every part has its place.
fn of_asctime(date: &str) -> Option<(u64, &str, u64, &str)> {
    let spaces = [3, 7, 10, 19];
    let spaced = spaces
        .iter()
        .all(|at| date.as_bytes().get(*at) == Some(&b' '));
    let day = date.get(8..10)?;
    let day = match day.strip_prefix(' ') {
        Some(digit) => number(digit, 1)?,
        None => number(day, 2)?,
    };
    let year = number(date.get(20..)?, 4)?;
    spaced.then_some((day, date.get(4..7)?, year, date.get(11..19)?))
}

/// A year of two digits: the next one that ends so, unless that is more than 50 years ahead.
fn with_century(year: u64, wall: Wall) -> u64 {
    const SECONDS_OF_A_YEAR: u64 = 31_556_952;
    let now = 1970 + wall.unix_seconds() / SECONDS_OF_A_YEAR;
    let ahead = (year + 100 - now % 100) % 100;
    if ahead > 50 {
        now + ahead - 100
    } else {
        now + ahead
    }
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
    fn the_obsolete_forms_of_dates_are_read_too() {
        assert_eq!(asked("Sunday, 06-Nov-94 09:49:37 GMT"), Some(3600));
        assert_eq!(asked("Sun Nov  6 09:49:37 1994"), Some(3600));
        assert_eq!(asked("Wed Nov 16 08:49:37 1994"), Some(864_000));
        // 2044 is 50 years ahead; 2045 would be more, and is 1945.
        assert!(asked("Sunday, 06-Nov-44 08:49:37 GMT") > Some(1_500_000_000));
        assert_eq!(asked("Tuesday, 06-Nov-45 08:49:37 GMT"), None);
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
            "Sunday, 06-Nov-1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37",
            "Sun Nov 6 08:49:37 1994",
            "Sun Nov  6 08:49:37 94",
            "Sun Nov  6 08:49:37 1994 GMT",
            "Sun Nov é6 08:49:37 1994",
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
