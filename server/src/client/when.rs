//! Times as people write them: `2h`, or as in RFC 3339.

use jiff::Timestamp;
use std::str::FromStr;
use std::time::Duration;

/// A moment: some time away from now, or a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    Away(Duration),
    At(Timestamp),
}

/// How long something takes: `90s`, `5m`, `2h` or `3d`.
pub(crate) fn span(text: &str) -> Result<Duration, String> {
    let refused = || format!("{text:?} is no time span: write 90s, 5m, 2h or 3d");
    let (number, unit) = text
        .split_at_checked(text.len().saturating_sub(1))
        .ok_or_else(refused)?;
    let seconds: u64 = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Err(refused()),
    };
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    let number = number.parse::<u64>().ok().filter(|_| is_number);
    let seconds = number.and_then(|number| number.checked_mul(seconds));
    seconds.map(Duration::from_secs).ok_or_else(refused)
}

impl FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(span) = span(text) {
            return Ok(Self::Away(span));
        }
        let time = text.parse::<Timestamp>();
        time.map(Self::At).map_err(|_| {
            format!("{text:?} is no time: write 90s, 5m, 2h, 3d, or 2026-11-22T21:06:27Z")
        })
    }
}

impl Moment {
    /// As in RFC 3339; a span lies behind `now`.
    pub(crate) fn before(self, now: Timestamp) -> String {
        let at = match self {
            Self::Away(span) => now.checked_sub(span).unwrap_or(Timestamp::UNIX_EPOCH),
            Self::At(at) => at,
        };
        written(at.max(Timestamp::UNIX_EPOCH))
    }

    /// As in RFC 3339; a span lies ahead of `now`.
    pub(crate) fn after(self, now: Timestamp) -> String {
        let at = match self {
            Self::Away(span) => now.checked_add(span).unwrap_or(Timestamp::MAX),
            Self::At(at) => at,
        };
        written(at)
    }
}

fn written(at: Timestamp) -> String {
    format!("{at:.3}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_one_number_and_one_unit() {
        for (text, seconds) in [("90s", 90), ("5m", 300), ("2h", 7_200), ("3d", 259_200)] {
            assert_eq!(span(text), Ok(Duration::from_secs(seconds)));
        }
        let odd = [
            "",
            "s",
            "5",
            "5 m",
            "-5m",
            "+5m",
            "1.5h",
            "5w",
            "5µ",
            "99999999999999999999d",
        ];
        for text in odd {
            assert!(span(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_moment_is_a_span_from_now_or_a_time() {
        let now: Timestamp = "2026-11-22T21:00:00Z".parse().unwrap();
        let moment = |text: &str| text.parse::<Moment>().unwrap();
        assert_eq!(moment("2h").before(now), "2026-11-22T19:00:00.000Z");
        assert_eq!(moment("5m").after(now), "2026-11-22T21:05:00.000Z");
        let time = moment("2026-11-22T22:00:00+01:00");
        assert_eq!(time.before(now), "2026-11-22T21:00:00.000Z");
        assert_eq!(moment("99999d").before(now), "1970-01-01T00:00:00.000Z");
        let refused = "yesterday".parse::<Moment>().unwrap_err();
        assert!(refused.contains("2h"), "{refused}");
    }
}
