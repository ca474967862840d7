//! Why a server was not asked, or what it refused.

use crate::input::InputError;
use serde::Deserialize;
use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why there is no answer, or which one it is.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    #[error(transparent)]
    Refused(Box<Refusal>),
    #[error(
        "{url} cannot be reached: {why}; start it with `{program} serve`, or say with --url or POSTRIDER_URL where it is",
        program = crate::program::name()
    )]
    Unreachable { url: String, why: String },
    #[error("{url} answers, but not as Postrider does (status {status}): is this its address?")]
    Stranger { url: String, status: u16 },
    #[error("{url:?} is no address of a server: write it as http://host:port or https://host")]
    Url { url: String },
    #[error("POSTRIDER_API_KEY_FILE: {path} cannot be read: {error}")]
    KeyFile { path: PathBuf, error: io::Error },
    #[error("{0} has characters that it cannot have: write visible ASCII characters only")]
    Header(&'static str),
    #[error("{what} is not JSON: {error}")]
    NotJson {
        what: &'static str,
        error: serde_json::Error,
    },
    #[error("{what} is not as expected: {why}")]
    Form { what: &'static str, why: String },
    #[error(transparent)]
    Input(#[from] InputError),
    #[error("TLS cannot be set up: {0}")]
    Tls(String),
    #[error("the stream of the server cannot be read: {0}")]
    Stream(String),
    #[error("the system gives no randomness: {0}")]
    Randomness(getrandom::Error),
    #[error("the system is at fault: {0}")]
    System(io::Error),
}

/// What a server refuses (RFC 9457), as far as people are told of it.
#[derive(Debug, Deserialize)]
pub(crate) struct Refusal {
    status: u16,
    code: String,
    detail: String,
    #[serde(default)]
    errors: Vec<Place>,
    request_id: Option<String>,
    /// Where the key of the request was from, if it had one.
    #[serde(skip)]
    pub(super) key_from: Option<String>,
}

/// A place in the body.
#[derive(Debug, Deserialize)]
struct Place {
    pointer: String,
    detail: String,
}

impl ClientError {
    /// Whether the server has answered the question, with no. Otherwise there is no answer: the
    /// command line, the key, the system or the server is at fault.
    pub(crate) fn is_no(&self) -> bool {
        match self {
            Self::Refused(refusal) => {
                (400..500).contains(&refusal.status) && !matches!(refusal.status, 401 | 429)
            }
            _ => false,
        }
    }

    /// Whether it may go well a moment later.
    pub(super) fn is_passing(&self) -> bool {
        match self {
            Self::Refused(refusal) => refusal.status >= 500 || refusal.status == 429,
            Self::Unreachable { .. } => true,
            // A proxy that stands before a server that starts.
            Self::Stranger { status, .. } => *status >= 500,
            _ => false,
        }
    }
}

impl std::error::Error for Refusal {}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, super::show::plain(&self.detail))?;
        for place in &self.errors {
            let pointer = match place.pointer.as_str() {
                "" => "the body",
                pointer => pointer,
            };
            write!(f, "\n  at {pointer}: {}", super::show::plain(&place.detail))?;
        }
        match (self.status, &self.key_from) {
            (401, None) => f.write_str("\n  set POSTRIDER_API_KEY, or POSTRIDER_API_KEY_FILE")?,
            (401 | 403, Some(from)) => write!(f, "\n  the key is from {from}")?,
            _ => (),
        }
        match &self.request_id {
            Some(id) => write!(f, "\n  request: {id}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(json: &str) -> ClientError {
        ClientError::Refused(serde_json::from_str(json).unwrap())
    }

    #[test]
    fn a_problem_is_told_with_its_code_its_places_and_its_request() {
        let error = refusal(
            r#"{"type":"/problems#invalid_endpoint","title":"t","status":422,
                "code":"invalid_endpoint","detail":"refused","request_id":"req_1",
                "errors":[{"pointer":"/retry","detail":"either"},{"pointer":"","detail":"all"}]}"#,
        );
        assert_eq!(
            error.to_string(),
            "invalid_endpoint: refused\n  at /retry: either\n  at the body: all\n  request: req_1"
        );
    }

    #[test]
    fn a_missing_key_is_no_answer_and_says_where_keys_come_from() {
        let error = refusal(r#"{"status":401,"code":"unauthorized","detail":"d"}"#);
        assert!(!error.is_no() && !error.is_passing());
        assert!(error.to_string().contains("POSTRIDER_API_KEY"), "{error}");
    }

    #[test]
    fn a_key_that_is_refused_is_told_with_where_it_was_from() {
        for (status, is_told) in [(401, true), (403, true), (404, false)] {
            let text = format!(r#"{{"status":{status},"code":"c","detail":"d"}}"#);
            let mut refusal: Refusal = serde_json::from_str(&text).unwrap();
            refusal.key_from = Some("POSTRIDER_API_KEY".to_owned());
            let error = refusal.to_string();
            let told = error.contains("the key is from POSTRIDER_API_KEY");
            assert_eq!(told, is_told, "{error}");
        }
    }

    #[test]
    fn no_and_no_answer_are_told_apart() {
        let with = |status| refusal(&format!(r#"{{"status":{status},"code":"c","detail":"d"}}"#));
        for (status, is_no, is_passing) in [
            (404, true, false),
            (409, true, false),
            (422, true, false),
            (429, false, true),
            (503, false, true),
        ] {
            let error = with(status);
            assert_eq!((error.is_no(), error.is_passing()), (is_no, is_passing));
        }
    }
}
