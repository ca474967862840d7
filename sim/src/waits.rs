//! How long a delivery waits for its next attempt: worked out anew from the policy and from
//! RFC 9110, so that the engine's own arithmetic is not believed.

use postrider_engine::{RetryPolicy, Schedule, Wall};
use std::time::Duration;

/// Attempts after the first.
#[must_use]
pub fn retries(policy: &RetryPolicy) -> u64 {
    match &policy.schedule {
        Schedule::Exponential { retries, .. } => u64::from(*retries),
        Schedule::Delays(delays) => delays.len() as u64,
    }
}

/// The shortest and the longest wait before retry number `retry` (from 1), in milliseconds, when
/// the receiver has asked for `asked` milliseconds. One millisecond of rounding either way.
#[must_use]
pub fn bounds(policy: &RetryPolicy, retry: u32, asked: Option<u64>) -> (u64, u64) {
    let delay = match &policy.schedule {
        Schedule::Exponential {
            first, factor, cap, ..
        } => {
            let times = i32::try_from(retry.saturating_sub(1)).unwrap_or(i32::MAX);
            let grown = first.as_secs_f64() * factor.powi(times);
            if grown >= cap.as_secs_f64() {
                ms(*cap)
            } else {
                ms(Duration::from_secs_f64(grown))
            }
        }
        Schedule::Delays(delays) => {
            let place = usize::try_from(retry).unwrap_or(usize::MAX);
            delays
                .get(place.saturating_sub(1))
                .map_or(0, |delay| ms(*delay))
        }
    };
    let spread = delay.saturating_mul(u64::from(policy.jitter_percent)) / 100 + 1;
    let asked = asked.unwrap_or(0).min(ms(policy.retry_after_max));
    (
        delay.saturating_sub(spread).max(asked),
        delay.saturating_add(spread).max(asked),
    )
}

/// The longest wait that the policy can lead to, in milliseconds.
#[must_use]
pub fn longest(policy: &RetryPolicy) -> u64 {
    let retries = u32::try_from(retries(policy)).unwrap_or(u32::MAX).min(64);
    let of_schedule = (1..=retries).map(|retry| bounds(policy, retry, None).1);
    of_schedule
        .max()
        .unwrap_or(0)
        .max(ms(policy.retry_after_max))
}

/// What a `Retry-After` asks for, in milliseconds from `wall`; `None` if it is in no form of
/// RFC 9110, sections 10.2.3 and 5.6.7. A date in the past asks for nothing.
#[must_use]
pub fn retry_after(text: &str, wall: Wall) -> Option<u64> {
    let text = text.trim_matches([' ', '\t']);
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        let seconds = text.parse::<u64>().unwrap_or(u64::MAX);
        return Some(seconds.saturating_mul(1_000));
    }
    let until = date(text, wall)?;
    Some(until.saturating_sub(wall.0 / 1_000).saturating_mul(1_000))
}

/// The Unix time of `Sun, 06 Nov 1994 08:49:37 GMT`, of `Sunday, 06-Nov-94 08:49:37 GMT`, or of
/// `Sun Nov  6 08:49:37 1994`.
fn date(text: &str, wall: Wall) -> Option<u64> {
    let padded = if text.contains(',') {
        text.to_owned()
    } else {
        text.replacen("  ", " 0", 1)
    };
    let words: Vec<&str> = padded.split(' ').collect();
    let (day, month, year, time) = match words[..] {
        [weekday, day, month, year, time, "GMT"] if weekday.ends_with(',') => {
            (day, month, digits(year, 4)?, time)
        }
        [weekday, date, time, "GMT"] if weekday.ends_with(',') => {
            let parts: Vec<&str> = date.split('-').collect();
            let [day, month, year] = parts[..] else {
                return None;
            };
            // The last such year that is at most 50 years ahead.
            let this_year = 1970 + wall.0 / 31_556_952_000;
            let latest = this_year + 50;
            let year = latest - (latest + 100 - digits(year, 2)?) % 100;
            (day, month, year, time)
        }
        [weekday, month, day, time, year] if weekday.len() == 3 => {
            (day, month, digits(year, 4)?, time)
        }
        _ => return None,
    };
    let day = digits(day, 2)?;
    let clock: Vec<u64> = time
        .split(':')
        .map(|part| digits(part, 2))
        .collect::<Option<_>>()?;
    let [hour, minute, second] = clock[..] else {
        return None;
    };
    let names = "JanFebMarAprMayJunJulAugSepOctNovDec";
    let month = (0..12).find(|place| names.get(place * 3..place * 3 + 3) == Some(month))?;
    if year < 1970 || !(1..=31).contains(&day) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let every = |years: u64, year: u64| year.is_multiple_of(years);
    let is_leap = |year| every(4, year) && (!every(100, year) || every(400, year));
    let years: u64 = (1970..year)
        .map(|year| 365 + u64::from(is_leap(year)))
        .sum();
    let lengths = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let months: u64 = lengths.iter().take(month).sum();
    let leap_day = u64::from(month > 1 && is_leap(year));
    let days = years + months + leap_day + day - 1;
    Some(days * 86_400 + hour * 3_600 + minute * 60 + second)
}

fn digits(text: &str, count: usize) -> Option<u64> {
    let decimal = text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
    decimal.then(|| text.parse().ok()).flatten()
}

/// In whole milliseconds.
#[must_use]
pub fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOV_6_1994: Wall = Wall(784_111_777_000);

    #[test]
    fn a_receiver_asks_in_seconds_or_by_a_date() {
        let asked = |text| retry_after(text, NOV_6_1994);
        assert_eq!(asked("120"), Some(120_000));
        assert_eq!(asked("Sun, 06 Nov 1994 08:50:37 GMT"), Some(60_000));
        assert_eq!(asked("Sun, 06 Nov 1994 08:49:00 GMT"), Some(0));
        assert_eq!(asked("Sunday, 06-Nov-94 08:50:37 GMT"), Some(60_000));
        assert_eq!(asked("Sun Nov  6 08:50:37 1994"), Some(60_000));
        assert_eq!(
            asked("Tue, 29 Feb 2000 00:00:00 GMT").map(|ms| ms / 86_400_000),
            Some(1940)
        );
        assert!(asked("Fri, 31 Dec 9999 23:59:59 GMT") > Some(1 << 40));
        assert_eq!(asked("99999999999999999999999"), Some(u64::MAX));
        for text in ["", "-1", "NaN", "inf", "1.5", "soon", "Sun, 06 Nov 1994"] {
            assert_eq!(asked(text), None, "{text}");
        }
    }

    #[test]
    fn a_wait_lies_within_the_jitter_or_is_what_was_asked_for() {
        let policy = RetryPolicy::default();
        assert_eq!(bounds(&policy, 1, None), (3_999, 6_001));
        assert_eq!(bounds(&policy, 3, None), (63_999, 96_001));
        assert_eq!(bounds(&policy, 1, Some(9_000)), (9_000, 9_000));
        assert_eq!(bounds(&policy, 1, Some(5_000)), (5_000, 6_001));
        assert_eq!(bounds(&policy, 1, Some(u64::MAX)), (3_600_000, 3_600_000));
        assert_eq!(longest(&policy), 3_600_000);
        assert_eq!(retries(&policy), 5);
    }
}
