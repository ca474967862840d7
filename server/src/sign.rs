//! `postrider sign`: the headers that a sender would send with a body.

use crate::Answer;
use crate::input::{self, InputError, Secrets};
use postrider::signature::{KeyError, Message, Scheme, SignError, SignedHeader, Signer};
use serde_json::{Map, Value};
use std::fmt::Write as _;
use std::path::PathBuf;

/// Print the headers that sign a body
///
/// One `name: value` a line. The bytes of the body are signed exactly as they are: mind the line
/// end that `echo` adds, and use `printf %s`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// How to sign
    #[arg(long, value_name = "SCHEME", default_value = "postrider", value_parser = input::scheme())]
    scheme: Scheme,
    #[command(flatten)]
    secrets: Secrets,
    /// The id of the message, where the scheme has one [default: a random one]
    #[arg(long)]
    id: Option<String>,
    /// When it is sent: Unix time in seconds, where the scheme has one [default: now]
    #[arg(long, value_name = "SECONDS")]
    timestamp: Option<u64>,
    /// The file with the body [default: the standard input, as with `-`]
    #[arg(long, value_name = "FILE")]
    body: Option<PathBuf>,
    /// Print a JSON object; a header that is sent more than once has a list of values
    #[arg(long)]
    json: bool,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum SignFailed {
    #[error(transparent)]
    Input(#[from] InputError),
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error(transparent)]
    Message(#[from] SignError),
    #[error("the system gives no randomness: {0}")]
    Randomness(getrandom::Error),
}

pub(crate) fn run(args: &Args) -> Result<Answer, SignFailed> {
    let signer = Signer::new(args.scheme, &args.secrets.read()?)?;
    let id = match &args.id {
        Some(id) => id.clone(),
        None => random_id()?,
    };
    let message = Message {
        id: &id,
        timestamp: args.timestamp.unwrap_or_else(input::unix_seconds),
        body: &input::body(args.body.as_deref())?,
    };
    let headers = signer.sign(&message)?;
    let text = if args.json {
        json(&headers)
    } else {
        lines(&headers)
    };
    Ok(Answer { text, is_yes: true })
}

fn random_id() -> Result<String, SignFailed> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(SignFailed::Randomness)?;
    Ok(format!("msg_{:032x}", u128::from_be_bytes(random)))
}

fn lines(headers: &[SignedHeader<'_>]) -> String {
    headers.iter().fold(String::new(), |mut text, header| {
        // A string takes everything.
        let _ = writeln!(text, "{}: {}", header.name, header.value);
        text
    })
}

fn json(headers: &[SignedHeader<'_>]) -> String {
    let mut object = Map::new();
    for header in headers {
        let value = Value::from(header.value.as_str());
        match object.get_mut(header.name) {
            None => {
                object.insert(header.name.into(), value);
            }
            Some(Value::Array(values)) => values.push(value),
            Some(first) => *first = Value::from(vec![first.take(), value]),
        }
    }
    format!("{}\n", Value::from(object))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_that_is_sent_more_than_once_has_a_list_of_values() {
        let header = |name, value: &str| SignedHeader {
            name,
            value: value.into(),
        };
        let headers = [
            header("a", "1"),
            header("b", "2"),
            header("a", "3"),
            header("a", "4"),
        ];
        assert_eq!(json(&headers), "{\"a\":[\"1\",\"3\",\"4\"],\"b\":\"2\"}\n");
    }
}
