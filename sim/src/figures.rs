//! Numbers and durations, for people.

use std::fmt::{self, Display};
use std::time::Duration;

/// `1,234,567`
pub(crate) fn grouped(number: impl TryInto<u64>) -> String {
    let digits = number.try_into().unwrap_or(u64::MAX).to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 event`, `2,000 events`
pub(crate) fn counted(number: impl TryInto<u64>, one: &str, more: &str) -> String {
    match number.try_into().unwrap_or(u64::MAX) {
        1 => format!("1 {one}"),
        number => format!("{} {more}", grouped(number)),
    }
}

/// A simulated time: `7.1 s`, `12 min`, `3.5 h`, `1,234 h`.
pub(crate) struct Simulated(pub(crate) u64);

impl Display for Simulated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tenths = |unit: u64| (self.0 / unit, self.0 % unit * 10 / unit);
        let ((seconds, second), (hours, hour)) = (tenths(1_000), tenths(3_600_000));
        match self.0 {
            0..120_000 => write!(f, "{seconds}.{second} s"),
            120_000..7_200_000 => write!(f, "{} min", self.0 / 60_000),
            7_200_000..360_000_000 => write!(f, "{hours}.{hour} h"),
            _ => write!(f, "{} h", grouped(hours)),
        }
    }
}

/// A time that has really passed: `12 ms`, `7.1 s`, `12 min`.
pub(crate) struct Passed(pub(crate) Duration);

impl Display for Passed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match milliseconds(self.0) {
            short @ ..1_000 => write!(f, "{short} ms"),
            long => Simulated(long).fmt(f),
        }
    }
}

pub(crate) fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_and_counted() {
        assert_eq!(grouped(999_u64), "999");
        assert_eq!(grouped(1_234_567_u64), "1,234,567");
        assert_eq!(counted(1_u64, "event", "events"), "1 event");
        assert_eq!(counted(2_000_u64, "event", "events"), "2,000 events");
    }

    #[test]
    fn durations_are_told_in_the_unit_that_fits() {
        let told = |ms| Simulated(ms).to_string();
        assert_eq!(told(7_199), "7.1 s");
        assert_eq!(told(720_000), "12 min");
        assert_eq!(told(12_600_000), "3.5 h");
        assert_eq!(told(4_442_400_000), "1,234 h");
        assert_eq!(Passed(Duration::from_millis(12)).to_string(), "12 ms");
        assert_eq!(Passed(Duration::from_millis(7_100)).to_string(), "7.1 s");
    }
}
