//! What `sign` and `verify` are given: a scheme, secrets, a body, the time.

use clap::builder::{PossibleValuesParser, TypedValueParser};
use postrider::Secret;
use postrider::signature::{PROVIDERS, Scheme, SecretError, UnknownScheme};
use std::env::{self, VarError};
use std::fs;
use std::io::{self, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// Where a secret is looked for if the command line gives none.
const SECRET_VARIABLE: &str = "POSTRIDER_SECRET";

/// The most that is read of a file or of the standard input, in bytes.
const INPUT_BYTES_MAX: u64 = 64 << 20;

/// Why something that was to be read is not there.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InputError {
    #[error("{} cannot be read: {error}", path.display())]
    File { path: PathBuf, error: io::Error },
    #[error("the body cannot be read from the standard input: {0}")]
    StandardInput(io::Error),
    #[error(
        "no secret is given: name a file with --secret-file, set {SECRET_VARIABLE}, or use --secret"
    )]
    NoSecret,
    #[error("the secret in {from} is not text in UTF-8")]
    SecretNotText { from: String },
    #[error("the secret in {from}: {error}")]
    Secret { from: String, error: SecretError },
}

/// The secrets, in this order: those of `--secret`, those of `--secret-file`.
#[derive(clap::Args)]
pub(crate) struct Secrets {
    /// A secret, exactly as it is; give several during a rotation.
    ///
    /// The shell's history and the list of processes show it: outside of experiments use
    /// --secret-file or the environment variable POSTRIDER_SECRET
    #[arg(long = "secret", value_name = "SECRET")]
    texts: Vec<String>,
    /// A file with a secret, exactly as it is but for one line end; may be repeated
    #[arg(long = "secret-file", value_name = "FILE")]
    files: Vec<PathBuf>,
}

/// The secret in a file, exactly as it is but for one line end.
pub(crate) fn secret_in(path: &Path) -> Result<Secret, InputError> {
    let from = path.display().to_string();
    let text = String::from_utf8(file(path)?)
        .map_err(|_| InputError::SecretNotText { from: from.clone() })?;
    parse(without_line_end(&text), &from)
}

impl Secrets {
    pub(crate) fn read(&self) -> Result<Vec<Secret>, InputError> {
        let texts = self.texts.iter().map(|text| parse(text, "--secret"));
        let files = self.files.iter().map(|path| secret_in(path));
        let given: Vec<Secret> = texts.chain(files).collect::<Result<_, _>>()?;
        if !given.is_empty() {
            return Ok(given);
        }
        match env::var(SECRET_VARIABLE) {
            Ok(text) => Ok(vec![parse(&text, SECRET_VARIABLE)?]),
            Err(VarError::NotPresent) => Err(InputError::NoSecret),
            Err(VarError::NotUnicode(_)) => Err(InputError::SecretNotText {
                from: SECRET_VARIABLE.into(),
            }),
        }
    }
}

fn parse(text: &str, from: &str) -> Result<Secret, InputError> {
    Secret::parse(text).map_err(|error| InputError::Secret {
        from: from.into(),
        error,
    })
}

fn without_line_end(text: &str) -> &str {
    let text = text.strip_suffix('\n').unwrap_or(text);
    text.strip_suffix('\r').unwrap_or(text)
}

/// Reads the name of a scheme, and lists the names there are.
pub(crate) fn scheme() -> impl TypedValueParser<Value = Scheme> {
    PossibleValuesParser::new(Scheme::ALL.map(Scheme::name)).try_map(|name| name.parse::<Scheme>())
}

/// How a request was signed: by a scheme, or as one of the providers in the table signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Scheme(Scheme),
    Provider(&'static str),
}

impl Way {
    /// As the command line has it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Scheme(scheme) => scheme.name(),
            Self::Provider(name) => name,
        }
    }

    fn parse(text: &str) -> Result<Self, UnknownScheme> {
        let known = PROVIDERS.iter().find(|(name, _)| *name == text);
        match known {
            Some((name, _)) => Ok(Self::Provider(name)),
            None => text.parse().map(Self::Scheme),
        }
    }
}

/// Reads the name of a scheme or of a provider, and lists those there are.
pub(crate) fn way() -> impl TypedValueParser<Value = Way> {
    let providers = PROVIDERS.iter().map(|(name, _)| *name);
    let names = Scheme::ALL.map(Scheme::name).into_iter().chain(providers);
    PossibleValuesParser::new(names.collect::<Vec<_>>()).try_map(|name| Way::parse(&name))
}

/// The exact bytes of a file, or of the standard input for `-` or nothing.
pub(crate) fn body(path: Option<&Path>) -> Result<Vec<u8>, InputError> {
    match path {
        Some(path) if path != Path::new("-") => file(path),
        _ => standard_input().map_err(InputError::StandardInput),
    }
}

fn standard_input() -> io::Result<Vec<u8>> {
    let mut input = io::stdin().lock();
    if input.is_terminal() {
        // Help for a person; the body is read with or without it.
        let _ = writeln!(io::stderr().lock(), "Type the body; Ctrl-D ends it.");
    }
    bounded(&mut input)
}

/// All that it gives, unless that is more than anything could be done with.
fn bounded(input: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    input.take(INPUT_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > INPUT_BYTES_MAX {
        let detail = format!("it has more than {} MiB", INPUT_BYTES_MAX >> 20);
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, detail));
    }
    Ok(bytes)
}

/// The exact bytes of a file.
pub(crate) fn file(path: &Path) -> Result<Vec<u8>, InputError> {
    let read = fs::File::open(path).and_then(|mut file| bounded(&mut file));
    read.map_err(|error| InputError::File {
        path: path.into(),
        error,
    })
}

/// Unix time, in seconds.
pub(crate) fn unix_seconds() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_input_without_an_end_is_refused_at_a_bound() {
        let error = bounded(&mut io::repeat(b'x')).unwrap_err();
        assert_eq!(error.to_string(), "it has more than 64 MiB");
        let whole = bounded(&mut io::repeat(b'x').take(INPUT_BYTES_MAX)).unwrap();
        assert_eq!(whole.len() as u64, INPUT_BYTES_MAX);
    }
}
