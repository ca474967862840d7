//! `postrider verify`: whether a request was signed with a secret, and if not, why.

use crate::Answer;
use crate::input::{self, InputError, Secrets, Way};
use postrider::Secret;
use postrider::engine::json::Document;
use postrider::signature::{
    Cause, Fields, KeyError, NoFields, Received, RecipeError, RecipeVerifier, Verified, Verifier,
    provider, signed_as,
};
use serde_json::{Value, json};
use std::path::PathBuf;

/// Check a signature, and tell why it does not match
///
/// Exit status 0 if one of the secrets signed the request, 1 if none did, 2 if that could not be
/// found out.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// How it was signed: a scheme, or the provider that signed it
    #[arg(long, value_name = "SCHEME", default_value = "postrider", value_parser = input::way())]
    scheme: Way,
    #[command(flatten)]
    secrets: Secrets,
    /// A header of the request; may be repeated
    #[arg(long = "header", value_name = "NAME: VALUE", value_parser = header)]
    headers: Vec<Header>,
    /// A file with the headers of the request, one a line, as `postrider sign` prints them; lines
    /// such as `POST /hooks HTTP/1.1` and empty ones are passed over
    #[arg(long = "headers", value_name = "FILE")]
    headers_file: Option<PathBuf>,
    /// The URL that it was sent to, exactly as its sender has it, for providers that sign it
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Its method, for providers that sign it
    #[arg(long, value_name = "METHOD", default_value = "POST")]
    method: String,
    /// The file with the exact bytes of the body [default: the standard input, as with `-`]
    #[arg(long, value_name = "FILE")]
    body: Option<PathBuf>,
    /// Judge the request at this time: Unix time in seconds [default: now]
    #[arg(long, value_name = "SECONDS")]
    now: Option<u64>,
    /// How far its timestamp may be from then, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = Verifier::TOLERANCE_SECONDS_DEFAULT)]
    tolerance: u64,
    /// Look for the cause if the signature is refused
    #[arg(long)]
    explain: bool,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum VerifyFailed {
    #[error(transparent)]
    Input(#[from] InputError),
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error(transparent)]
    Recipe(#[from] RecipeError),
    #[error("no header is given: use --header 'Name: value', or --headers FILE")]
    NoHeader,
    #[error("{provider} signs the URL: give it with --url, exactly as the provider has it")]
    NoUrl { provider: &'static str },
    #[error("{}: line {line}: {problem}", path.display())]
    HeaderLine {
        path: PathBuf,
        line: usize,
        problem: &'static str,
    },
}

/// A header of the request. Its value need not be text.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Header {
    name: String,
    value: Vec<u8>,
}

/// What is found out, as it is printed.
struct Finding<'a> {
    args: &'a Args,
    secrets: usize,
    now: u64,
}

/// What verifies the request.
enum Check {
    Scheme(Verifier),
    Provider(RecipeVerifier),
}

/// A request that was refused.
struct Refused {
    code: &'static str,
    message: String,
}

impl Check {
    fn of(args: &Args, secrets: &[Secret]) -> Result<Self, VerifyFailed> {
        let name = match args.scheme {
            Way::Scheme(scheme) => {
                let verifier = Verifier::new(scheme, secrets)?;
                return Ok(Self::Scheme(verifier.tolerance_seconds(args.tolerance)));
            }
            Way::Provider(name) => name,
        };
        // Its name is from the table.
        let recipe = provider(name).ok_or(VerifyFailed::NoUrl { provider: name })?;
        let verifier = RecipeVerifier::new(&recipe, secrets)?;
        if verifier.covers_url() && args.url.is_none() {
            return Err(VerifyFailed::NoUrl { provider: name });
        }
        Ok(Self::Provider(verifier.tolerance_seconds(args.tolerance)))
    }

    fn verify<'h>(&self, request: &Received<'h, '_>, now: u64) -> Result<Verified<'h>, Refused> {
        match self {
            Self::Scheme(verifier) => {
                let headers = request.headers.iter().copied();
                let verified = verifier.verify(headers, request.body, now);
                verified.map_err(|error| Refused {
                    code: error.code(),
                    message: error.to_string(),
                })
            }
            Self::Provider(verifier) => verifier.verify(request, now).map_err(|error| Refused {
                code: error.code(),
                message: error.to_string(),
            }),
        }
    }

    fn explain(&self, request: &Received<'_, '_>, secrets: &[Secret], now: u64) -> Option<Cause> {
        match self {
            Self::Scheme(verifier) => {
                let headers = request.headers.iter().copied();
                let cause = verifier.explain(headers, request.body, now);
                cause.or_else(|| signed_as(secrets, request))
            }
            Self::Provider(verifier) => verifier.explain(request, now),
        }
    }
}

pub(crate) fn run(args: &Args) -> Result<Answer, VerifyFailed> {
    let secrets = args.secrets.read()?;
    let check = Check::of(args, &secrets)?;
    let headers = all_headers(args)?;
    let headers: Vec<(&str, &[u8])> = headers
        .iter()
        .map(|header| (header.name.as_str(), header.value.as_slice()))
        .collect();
    let body = input::body(args.body.as_deref())?;
    let document = Document::read(&body).ok();
    let fields: &dyn Fields = match &document {
        Some(document) => document,
        None => &NoFields,
    };
    let urls: Vec<&str> = args.url.as_deref().into_iter().collect();
    let request = Received {
        method: &args.method,
        urls: &urls,
        headers: &headers,
        body: &body,
        fields,
    };
    let now = args.now.unwrap_or_else(input::unix_seconds);
    let finding = Finding {
        args,
        secrets: secrets.len(),
        now,
    };
    Ok(match check.verify(&request, now) {
        Ok(verified) => Answer {
            text: finding.verified(&verified),
            is_yes: true,
        },
        Err(refused) => {
            let explain = || check.explain(&request, &secrets, now);
            let cause = args.explain.then(explain).flatten();
            Answer {
                text: finding.refused(&refused, cause.as_ref()),
                is_yes: false,
            }
        }
    })
}

fn all_headers(args: &Args) -> Result<Vec<Header>, VerifyFailed> {
    let mut headers = args.headers.clone();
    if let Some(path) = &args.headers_file {
        let lines = parse_headers(&input::file(path)?);
        headers.extend(lines.map_err(|(line, problem)| VerifyFailed::HeaderLine {
            path: path.clone(),
            line,
            problem,
        })?);
    }
    // Some providers sign in the body alone.
    if headers.is_empty() && matches!(args.scheme, Way::Scheme(_)) {
        Err(VerifyFailed::NoHeader)
    } else {
        Ok(headers)
    }
}

/// The headers of a file, or what is wrong in which line, counted from 1.
fn parse_headers(file: &[u8]) -> Result<Vec<Header>, (usize, &'static str)> {
    let numbered = (1..).zip(file.split(|byte| *byte == b'\n'));
    let lines = numbered.map(|(number, line)| (number, line.trim_ascii()));
    let headers = lines.filter(|(_, line)| !line.is_empty() && !is_start_line(line));
    headers
        .map(|(number, line)| parse_header(line).map_err(|problem| (number, problem)))
        .collect()
}

/// Whether this is the first line of a request or a response (RFC 9112, sections 3 and 4).
fn is_start_line(line: &[u8]) -> bool {
    let is_version = |word: &[u8]| word.starts_with(b"HTTP/");
    let mut words = line.split(|byte| *byte == b' ');
    let first = words.next().unwrap_or_default();
    is_version(first) || (!first.contains(&b':') && words.next_back().is_some_and(is_version))
}

fn header(line: &str) -> Result<Header, &'static str> {
    parse_header(line.as_bytes())
}

fn parse_header(line: &[u8]) -> Result<Header, &'static str> {
    const PROBLEM: &str = "write a header as 'Name: value'";
    let colon = line.iter().position(|byte| *byte == b':').ok_or(PROBLEM)?;
    let (name, value) = line.split_at(colon);
    let name = str::from_utf8(name.trim_ascii()).map_err(|_| PROBLEM)?;
    if name.is_empty() {
        return Err(PROBLEM);
    }
    Ok(Header {
        name: name.into(),
        value: value[1..].trim_ascii().into(),
    })
}

impl Finding<'_> {
    fn verified(&self, verified: &Verified<'_>) -> String {
        let Verified {
            key_index,
            timestamp,
            id,
        } = *verified;
        let scheme = self.args.scheme.name();
        if self.args.json {
            return line(&json!({
                "verified": true, "scheme": scheme, "secret": key_index + 1, "id": id,
                "timestamp": timestamp,
            }));
        }
        let mut text = format!(
            "verified: signed with secret {} of {}, scheme {scheme}",
            key_index + 1,
            self.secrets
        );
        if let Some(id) = id {
            text += &format!(", id {id}");
        }
        if let Some(timestamp) = timestamp {
            text += &match self.now.checked_sub(timestamp) {
                Some(age) => format!(", {age} s ago"),
                None => format!(", {} s from now", timestamp - self.now),
            };
        }
        text + "\n"
    }

    fn refused(&self, refused: &Refused, cause: Option<&Cause>) -> String {
        let Refused { code, message } = refused;
        if self.args.json {
            let mut object = json!({
                "verified": false, "scheme": self.args.scheme.name(), "code": code,
                "message": message,
            });
            if self.args.explain {
                let told = |it: &Cause| json!({ "code": it.code(), "message": it.to_string() });
                object["cause"] = cause.map_or(Value::Null, told);
            }
            return line(&object);
        }
        let explanation = match cause {
            Some(cause) => format!("cause: {}: {cause}", cause.code()),
            None if self.args.explain => "cause: none that could be proved; most likely the \
                secret is another one, or the body was changed in a way that cannot be undone"
                .into(),
            None => "(--explain looks for the cause)".into(),
        };
        format!("refused: {code}: {message}\n{explanation}\n")
    }
}

fn line(object: &Value) -> String {
    format!("{object}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read_from_a_request_as_it_was_captured() {
        let file = b"POST /hooks HTTP/1.1\r\nHost: a:80\r\nX-Signature:  s p \r\n\r\n";
        let headers = parse_headers(file).unwrap();
        let pairs: Vec<_> = headers
            .iter()
            .map(|it| (it.name.as_str(), &*it.value))
            .collect();
        assert_eq!(
            pairs,
            [("Host", b"a:80".as_slice()), ("X-Signature", b"s p")]
        );
    }

    #[test]
    fn a_line_that_is_no_header_is_named() {
        for (file, line) in [("a: b\nc\n", 2), (": b", 1), ("\n\n\u{e9}", 3)] {
            let refused = parse_headers(file.as_bytes()).unwrap_err();
            assert_eq!(refused, (line, "write a header as 'Name: value'"));
        }
    }
}
