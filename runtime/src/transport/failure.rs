//! Which failure an error is.

use postrider_engine::{Failure, FailureKind};
use std::error::Error;
use std::io;

/// More bytes came before the head of the response was complete than are read.
#[derive(Debug, thiserror::Error)]
#[error("more than {bytes_max} bytes came before the head of the response was complete")]
pub(crate) struct HeadTooLong {
    pub(crate) bytes_max: usize,
}

/// The failure of a request or a response that began on a connection.
pub(crate) fn of_hyper(error: &hyper::Error) -> Failure {
    Failure::new(kind_of_hyper(error), describe(error))
}

pub(crate) fn kind_of_hyper(error: &hyper::Error) -> FailureKind {
    if error.is_parse_too_large() {
        return FailureKind::TooLarge;
    }
    if error.is_parse() {
        return FailureKind::Malformed;
    }
    chain(error)
        .skip(1)
        .find_map(|cause| {
            cause
                .downcast_ref::<h2::Error>()
                .map(kind_of_http2)
                .or_else(|| cause.downcast_ref::<io::Error>().map(kind_of_io))
        })
        // Closed, incomplete, cancelled: the connection ended before the head was complete.
        .unwrap_or(FailureKind::Reset)
}

fn kind_of_http2(error: &h2::Error) -> FailureKind {
    match error.get_io() {
        Some(error) => kind_of_io(error),
        // The receiver broke the protocol, and it was this side that said so.
        None if error.is_library() => FailureKind::Malformed,
        None => FailureKind::Reset,
    }
}

pub(crate) fn kind_of_io(error: &io::Error) -> FailureKind {
    if carries::<HeadTooLong>(error) {
        FailureKind::TooLarge
    } else if carries::<rustls::Error>(error) {
        FailureKind::Tls
    } else {
        FailureKind::Reset
    }
}

/// Whether the receiver itself ended this one request, by a reset of its HTTP/2 stream that does
/// not say that the request was left unprocessed
/// ([RFC 9113 section 8.7](https://www.rfc-editor.org/rfc/rfc9113#section-8.7)).
pub(crate) fn is_refusal(error: &hyper::Error) -> bool {
    chain(error)
        .filter_map(|cause| cause.downcast_ref::<h2::Error>())
        .any(|error| {
            error.is_reset()
                && error.is_remote()
                && error.reason() != Some(h2::Reason::REFUSED_STREAM)
        })
}

/// Whether this is what an [`io::Error`] wraps. Its chain of sources does not say: that goes on
/// after what is wrapped.
pub(crate) fn carries<E: Error + 'static>(error: &io::Error) -> bool {
    innermost(error)
        .get_ref()
        .is_some_and(|wrapped| wrapped.is::<E>())
}

/// The last of [`io::Error`]s that wrap each other.
pub(crate) fn innermost(error: &io::Error) -> &io::Error {
    let mut last = error;
    while let Some(next) = last.get_ref().and_then(|wrapped| wrapped.downcast_ref()) {
        last = next;
    }
    last
}

/// The error and its causes on one line, without repetition. Errors of the network hold no
/// secret: neither a header value nor a path or query.
pub(crate) fn describe(error: &(dyn Error + 'static)) -> String {
    let mut line = String::new();
    for cause in chain(error) {
        let text = cause.to_string();
        if line.ends_with(&text) {
            continue;
        }
        if !line.is_empty() {
            line.push_str(": ");
        }
        // Some of the text may be the receiver's: a reason, a name in a certificate.
        line.extend(text.chars().map(|c| if c.is_control() { ' ' } else { c }));
    }
    line
}

/// The error, then its causes.
pub(crate) fn chain<'a>(
    error: &'a (dyn Error + 'static),
) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_io_error_wraps_decides() {
        let of = |inner: Box<dyn Error + Send + Sync>| {
            kind_of_io(&io::Error::other(io::Error::other(inner)))
        };
        assert_eq!(
            of(Box::new(HeadTooLong { bytes_max: 1 })),
            FailureKind::TooLarge
        );
        assert_eq!(of(Box::new(rustls::Error::DecryptError)), FailureKind::Tls);
        assert_eq!(of("else".into()), FailureKind::Reset);
        assert_eq!(
            kind_of_io(&io::ErrorKind::BrokenPipe.into()),
            FailureKind::Reset
        );
    }

    #[test]
    fn a_description_is_one_line_without_repetition() {
        let inner = io::Error::other("two\nlines");
        assert_eq!(describe(&inner), "two lines");
    }
}
