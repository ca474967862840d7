//! Timestamps as the headers carry them, and the time they may be away from now.

use crate::verify::VerifyError;

/// The digits of `u64::MAX`.
pub(crate) const TIMESTAMP_BYTES_MAX: usize = 20;

/// Reads Unix time in seconds: decimal digits and nothing else, no sign, no white space, no
/// fraction. `None` for any other text, and for what does not fit 64 bits.
pub(crate) fn parse(text: &[u8]) -> Option<u64> {
    if !(1..=TIMESTAMP_BYTES_MAX).contains(&text.len()) {
        return None;
    }
    text.iter().try_fold(0_u64, |number, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    })
}

/// Refuses a timestamp that is more than `tolerance` seconds before or after `now`.
pub(crate) fn judge(timestamp: u64, now: u64, tolerance: u64) -> Result<(), VerifyError> {
    if timestamp.abs_diff(now) <= tolerance {
        Ok(())
    } else if timestamp < now {
        Err(VerifyError::TimestampTooOld {
            timestamp,
            now,
            tolerance,
        })
    } else {
        Err(VerifyError::TimestampTooNew {
            timestamp,
            now,
            tolerance,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_digits_that_fit_64_bits_are_a_timestamp() {
        assert_eq!(parse(b"0"), Some(0));
        assert_eq!(parse(b"1614265330"), Some(1_614_265_330));
        assert_eq!(parse(b"18446744073709551615"), Some(u64::MAX));
        for text in [
            "",
            "+1",
            "-1",
            " 1",
            "1 ",
            "1.0",
            "1e9",
            "0x1",
            "1_000",
            "١",
            "1\0",
            "18446744073709551616",
            "99999999999999999999",
            "000000000000000000001",
            "-9223372036854775808",
        ] {
            assert_eq!(parse(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn the_tolerance_holds_both_ways_and_includes_its_last_second() {
        let judge = |timestamp, now| judge(timestamp, now, 300).map_err(|error| error.code());
        assert_eq!(judge(1_000, 1_300), Ok(()));
        assert_eq!(judge(1_000, 1_301), Err("TIMESTAMP_TOO_OLD"));
        assert_eq!(judge(1_300, 1_000), Ok(()));
        assert_eq!(judge(1_301, 1_000), Err("TIMESTAMP_TOO_NEW"));
    }

    #[test]
    fn the_ends_of_time_do_not_overflow() {
        let judge = |timestamp, now, tolerance| {
            judge(timestamp, now, tolerance).map_err(|error| error.code())
        };
        assert_eq!(judge(0, u64::MAX, 300), Err("TIMESTAMP_TOO_OLD"));
        assert_eq!(judge(u64::MAX, 0, 300), Err("TIMESTAMP_TOO_NEW"));
        assert_eq!(judge(u64::MAX, 0, u64::MAX), Ok(()));
        assert_eq!(judge(0, u64::MAX, u64::MAX), Ok(()));
    }
}
