//! `0..20000`: the seeds from 0 up to 19,999.

use std::fmt::{self, Display};
use std::ops::Range;
use std::str::FromStr;

/// Seeds in a row; at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seeds {
    first: u64,
    end: u64,
}

/// What is wrong with a range of seeds.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SeedsError {
    #[error("write two numbers with two dots between them, for example 0..20000")]
    Form,
    #[error("`{0}` is not a number from 0 to 18446744073709551615")]
    Number(String),
    #[error("no seed is in it: the end, which is not included, must be above the start")]
    Empty,
}

impl Seeds {
    /// So many seeds from this one on; at least one.
    pub(crate) fn from(first: u64, count: u64) -> Self {
        let end = first.saturating_add(count.max(1));
        Self { first, end }
    }

    pub(crate) fn count(self) -> u64 {
        self.end - self.first
    }

    pub(crate) fn all(self) -> Range<u64> {
        self.first..self.end
    }
}

impl Display for Seeds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{}", self.first, self.end)
    }
}

impl FromStr for Seeds {
    type Err = SeedsError;

    fn from_str(text: &str) -> Result<Self, SeedsError> {
        let (first, end) = text.split_once("..").ok_or(SeedsError::Form)?;
        if first.is_empty() || end.is_empty() {
            return Err(SeedsError::Form);
        }
        let (first, end) = (number(first)?, number(end)?);
        if first >= end {
            return Err(SeedsError::Empty);
        }
        Ok(Self { first, end })
    }
}

/// Digits and nothing else: no sign, no spaces.
fn number(text: &str) -> Result<u64, SeedsError> {
    let wrong = || SeedsError::Number(text.to_owned());
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(wrong());
    }
    text.parse().map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_are_two_numbers_with_the_end_left_out() {
        let seeds: Seeds = "7..9".parse().unwrap();
        assert_eq!(seeds.all().collect::<Vec<_>>(), [7, 8]);
        assert_eq!((seeds.count(), seeds.to_string()), (2, "7..9".to_owned()));
        let most = "0..18446744073709551615".parse::<Seeds>().unwrap();
        assert_eq!(most.count(), u64::MAX);
    }

    #[test]
    fn seeds_that_are_none_are_refused_for_what_is_wrong() {
        for text in ["", "7", "..", "1..", "..2", "1-2", "1.2", "1,2"] {
            assert_eq!(text.parse::<Seeds>(), Err(SeedsError::Form), "{text}");
        }
        let numbers = [
            ("a..2", "a"),
            ("1..=2", "=2"),
            ("+1..2", "+1"),
            ("1...2", ".2"),
            ("1..2..3", "2..3"),
            (" 1..2", " 1"),
            ("1_000..2_000", "1_000"),
            ("0..18446744073709551616", "18446744073709551616"),
        ];
        for (text, wrong) in numbers {
            let error = SeedsError::Number(wrong.to_owned());
            assert_eq!(text.parse::<Seeds>(), Err(error), "{text}");
        }
        for text in ["2..1", "5..5"] {
            assert_eq!(text.parse::<Seeds>(), Err(SeedsError::Empty), "{text}");
        }
    }
}
