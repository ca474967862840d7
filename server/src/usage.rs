//! The command line, and what is said where it cannot be read.

use crate::CommandLine;
use clap::Parser;
use std::error::Error;
use std::io::{self, Write};
use std::net::AddrParseError;
use std::num::{IntErrorKind, ParseFloatError, ParseIntError};
use std::process::ExitCode;

/// Reads the command line. If it cannot be, or asks for help, that is printed; the exit status is
/// given then.
pub(crate) fn read() -> Result<CommandLine, ExitCode> {
    CommandLine::try_parse().map_err(|error| {
        match error.source().and_then(in_our_words) {
            Some((theirs, ours)) => {
                let text = error.render().to_string().replace(&theirs, ours);
                // If nobody reads it, the status has to do.
                let _ = io::stderr().lock().write_all(text.as_bytes());
            }
            None => drop(error.print()),
        }
        ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
    })
}

/// What the standard library says of a value, and how to say it to whoever has typed it.
fn in_our_words(theirs: &(dyn Error + 'static)) -> Option<(String, &'static str)> {
    let ours = if let Some(number) = theirs.downcast_ref::<ParseIntError>() {
        match number.kind() {
            IntErrorKind::PosOverflow => "the number is too large",
            IntErrorKind::NegOverflow => "the number is too small",
            _ => "write a whole number, in digits alone",
        }
    } else if theirs.is::<ParseFloatError>() {
        "write a number, such as 2 or 0.5"
    } else if theirs.is::<AddrParseError>() {
        "write an IP address, and a port if one belongs to it"
    } else {
        return None;
    };
    Some((theirs.to_string(), ours))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_is_none_is_told_of_in_our_own_words() {
        for (text, word) in [
            ("ten", "digits"),
            ("", "digits"),
            ("70000", "too large"),
            ("-1", "digits"),
        ] {
            let theirs = text.parse::<u16>().unwrap_err();
            let (said, ours) = in_our_words(&theirs).unwrap();
            assert_eq!(said, theirs.to_string());
            assert!(ours.contains(word), "{text:?}: {ours}");
        }
        assert!(in_our_words(&"x".parse::<f64>().unwrap_err()).is_some());
        assert!(in_our_words(&"x".parse::<std::net::IpAddr>().unwrap_err()).is_some());
        assert!(in_our_words(&io::Error::other("x")).is_none());
    }
}
