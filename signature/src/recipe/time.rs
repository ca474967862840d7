//! Times as providers write them.

use super::TimeUnit;
use crate::timestamp;

impl TimeUnit {
    /// Unix time in seconds; `None` for what is written otherwise.
    pub(super) fn parse(self, text: &str) -> Option<u64> {
        match self {
            Self::Seconds => timestamp::parse(text.as_bytes()),
            Self::Milliseconds => timestamp::parse(text.as_bytes()).map(|time| time / 1_000),
            Self::Rfc3339 => rfc_3339(text),
        }
    }

    /// What is expected, in words.
    pub(super) fn expected(self) -> &'static str {
        match self {
            Self::Seconds => "Unix time in whole seconds",
            Self::Milliseconds => "Unix time in whole milliseconds",
            Self::Rfc3339 => "a time as 2026-01-31T12:00:00Z (RFC 3339)",
        }
    }
}

/// RFC 3339, section 5.6, from 1970 on. A leap second counts as the second after it.
fn rfc_3339(text: &str) -> Option<u64> {
    let (date, rest) = text.split_at_checked(10)?;
    let rest = rest.strip_prefix(['T', 't', ' '])?;
    let (clock, rest) = rest.split_at_checked(8)?;
    let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
    let [hour, minute, second] = numbers(clock, ':', [2, 2, 2])?;
    let fine = (1..=12).contains(&month)
        && (1..=days_in(year, month)).contains(&day)
        && hour < 24
        && minute < 60
        && second <= 60;
    let days = days_since_1970(year, month, day).filter(|_| fine)?;
    let local = days * 86_400 + hour * 3_600 + minute * 60 + second;
    let zone = match rest.strip_prefix('.') {
        Some(fraction) => {
            let zone = fraction.trim_start_matches(|digit: char| digit.is_ascii_digit());
            (zone.len() < fraction.len()).then_some(zone)?
        }
        None => rest,
    };
    let (sign, ahead) = match zone.split_at_checked(1)? {
        ("Z" | "z", "") => return Some(local),
        (sign @ ("+" | "-"), ahead) => (sign, ahead),
        _ => return None,
    };
    let [hours, minutes] = numbers(ahead, ':', [2, 2])?;
    let ahead = (hours < 24 && minutes < 60).then_some(hours * 3_600 + minutes * 60)?;
    if sign == "+" {
        local.checked_sub(ahead)
    } else {
        local.checked_add(ahead)
    }
}

/// Numbers of exactly so many digits each.
fn numbers<const N: usize>(text: &str, between: char, digits: [usize; N]) -> Option<[u64; N]> {
    let mut found = [0; N];
    let mut parts = text.split(between);
    for (number, digits) in found.iter_mut().zip(digits) {
        let part = parts.next().filter(|part| part.len() == digits)?;
        *number = timestamp::parse(part.as_bytes())?;
    }
    parts.next().is_none().then_some(found)
}

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

fn days_in(year: u64, month: u64) -> u64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn days_since_1970(year: u64, month: u64, day: u64) -> Option<u64> {
    let past = year.checked_sub(1970)?;
    let leaps = |year: u64| year / 4 - year / 100 + year / 400;
    // The year before is at least 1969.
    let years = past * 365 + leaps(year - 1) - leaps(1969);
    let months: u64 = (1..month).map(|month| days_in(year, month)).sum();
    Some(years + months + day - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_and_a_time_are_unix_time() {
        for (text, seconds) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2021-03-25T05:09:27Z", 1_616_648_967),
            ("2000-02-29T23:59:59Z", 951_868_799),
            ("2024-02-29T00:00:00.123456789Z", 1_709_164_800),
            ("2024-03-01T01:30:00+01:30", 1_709_251_200),
            ("2024-02-29t23:00:00-01:00", 1_709_251_200),
        ] {
            assert_eq!(TimeUnit::Rfc3339.parse(text), Some(seconds), "{text}");
        }
    }

    #[test]
    fn what_is_no_date_is_refused() {
        for text in [
            "",
            "2021-03-25",
            "2021-03-25T05:09:27",
            "2021-02-29T00:00:00Z",
            "2021-13-01T00:00:00Z",
            "2021-00-01T00:00:00Z",
            "2021-01-00T00:00:00Z",
            "2021-01-01T24:00:00Z",
            "2021-01-01T00:60:00Z",
            "1969-12-31T23:59:59Z",
            "2021-01-01T00:00:00.Z",
            "2021-01-01T00:00:00+1:00",
            "2021-01-01T00:00:00Zx",
            "+021-01-01T00:00:00Z",
            "1970-01-01T00:00:00+01:00",
        ] {
            assert_eq!(TimeUnit::Rfc3339.parse(text), None, "{text}");
        }
    }

    #[test]
    fn milliseconds_are_cut_to_seconds() {
        assert_eq!(
            TimeUnit::Milliseconds.parse("1700000000999"),
            Some(1_700_000_000)
        );
        assert_eq!(TimeUnit::Seconds.parse("1700000000"), Some(1_700_000_000));
        assert_eq!(TimeUnit::Seconds.parse("1700000000.5"), None);
    }
}
