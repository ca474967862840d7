//! Reading the headers of a request that claims to be signed.

use crate::headers::Names;
use crate::scheme::{Encoding, Form, List, TimestampPlace};
use crate::sign::is_id;
use crate::timestamp;
use crate::verify::{HeaderProblem, SignatureProblem, VerifyError};

/// The longest value of a header in bytes: more than twice what 16 ed25519 signatures need.
pub(crate) const HEADER_VALUE_BYTES_MAX: usize = 4096;

/// The most signatures that one request may carry, those of unknown versions included.
pub(crate) const SIGNATURES_MAX: usize = 16;

/// What a request claims: all well-formed, nothing proven.
pub(crate) struct Request<'h> {
    pub(crate) id: Option<&'h str>,
    pub(crate) timestamp: Option<Timestamp<'h>>,
    /// At least one, at most [`SIGNATURES_MAX`].
    pub(crate) signatures: Vec<Signature>,
}

/// The text is what was signed, leading zeros and all.
#[derive(Clone, Copy)]
pub(crate) struct Timestamp<'h> {
    pub(crate) text: &'h str,
    pub(crate) unix_seconds: u64,
}

/// A signature that is well-formed, of a version that the scheme knows.
pub(crate) enum Signature {
    Hmac([u8; 32]),
    Ed25519([u8; 64]),
}

impl<'h> Request<'h> {
    /// Reads the headers of this form. The first fault is told, in this order: a header that is
    /// repeated, too long or not text; then one missing or unsound, the id before the timestamp
    /// before the signatures.
    pub(crate) fn read(
        form: &Form,
        names: &Names,
        headers: impl IntoIterator<Item = (&'h str, &'h [u8])>,
    ) -> Result<Self, VerifyError> {
        let found = Found::find(names, headers)?;
        let id = match (&names.id, found.id) {
            (None, _) => None,
            (Some(name), None) => return Err(missing(name)),
            (Some(_), Some(id)) if is_id(id) => Some(id),
            (Some(name), Some(_)) => return Err(malformed(name, HeaderProblem::NotAnId)),
        };
        let timestamp = match (&names.timestamp, found.timestamp) {
            (None, _) => None,
            (Some(name), None) => return Err(missing(name)),
            (Some(name), Some(text)) => Some(Timestamp::parse(name, text)?),
        };
        if found.signatures.is_empty() {
            return Err(missing(&names.signature));
        }
        let items = Items::split(form, names, &found.signatures)?;
        let timestamp = match form.timestamp {
            TimestampPlace::Nowhere | TimestampPlace::Header(_) => timestamp,
            TimestampPlace::Item(_) => Some(Timestamp::parse(
                &names.signature,
                items.timestamp.unwrap_or_default(),
            )?),
        };
        Ok(Self {
            id,
            timestamp,
            signatures: items.signatures(form, names)?,
        })
    }

    /// The signed bytes, in pieces, if the body is `body`.
    pub(crate) fn pieces<'a>(&'a self, form: &Form, body: &'a [u8]) -> [&'a [u8]; 5] {
        let timestamp = self.timestamp.map_or("", |timestamp| timestamp.text);
        form.content
            .pieces(self.id.unwrap_or_default(), timestamp, body)
    }
}

impl<'h> Timestamp<'h> {
    fn parse(header: &str, text: &'h str) -> Result<Self, VerifyError> {
        timestamp::parse(text)
            .map(|unix_seconds| Self { text, unix_seconds })
            .ok_or_else(|| VerifyError::MalformedTimestamp {
                header: header.into(),
            })
    }
}

/// The values of the headers that count.
#[derive(Default)]
struct Found<'h> {
    id: Option<&'h str>,
    timestamp: Option<&'h str>,
    signatures: Vec<&'h str>,
}

impl<'h> Found<'h> {
    /// Finds them by name, whatever the case. An id or a timestamp that is repeated is refused,
    /// even if the values are the same: nothing tells which one was signed.
    fn find(
        names: &Names,
        headers: impl IntoIterator<Item = (&'h str, &'h [u8])>,
    ) -> Result<Self, VerifyError> {
        let mut found = Self::default();
        for (name, value) in headers {
            let is = |own: &str| own.eq_ignore_ascii_case(name);
            let single = if names.id.as_deref().is_some_and(is) {
                &mut found.id
            } else if names.timestamp.as_deref().is_some_and(is) {
                &mut found.timestamp
            } else if is(&names.signature) {
                if found.signatures.len() == SIGNATURES_MAX {
                    return Err(unsound(&names.signature, SignatureProblem::TooMany));
                }
                found.signatures.push(text(name, value)?);
                continue;
            } else {
                continue;
            };
            if single.replace(text(name, value)?).is_some() {
                return Err(malformed(name, HeaderProblem::Repeated));
            }
        }
        Ok(found)
    }
}

/// What the signature headers list.
struct Items<'h> {
    timestamp: Option<&'h str>,
    signatures: Vec<&'h str>,
}

impl<'h> Items<'h> {
    /// Splits the lists. A header that came twice may have been joined by a comma on its way
    /// (RFC 9110, section 5.3), so one of those, and white space, is tolerated around any item.
    fn split(form: &Form, names: &Names, values: &[&'h str]) -> Result<Self, VerifyError> {
        let separator = match form.list {
            List::Spaces => ' ',
            List::Commas | List::Headers => ',',
        };
        let mut items = Self {
            timestamp: None,
            signatures: Vec::new(),
        };
        let listed = values.iter().flat_map(|value| value.split(separator));
        let listed = listed.map(|item| item.trim_matches([' ', '\t', ',']));
        for item in listed.filter(|item| !item.is_empty()) {
            if let TimestampPlace::Item(label) = form.timestamp
                && let Some(text) = item.strip_prefix(label)
            {
                if items.timestamp.replace(text).is_some() {
                    return Err(malformed(&names.signature, HeaderProblem::Repeated));
                }
            } else if items.signatures.len() == SIGNATURES_MAX {
                return Err(unsound(&names.signature, SignatureProblem::TooMany));
            } else {
                items.signatures.push(item);
            }
        }
        Ok(items)
    }

    /// Decodes the signatures of known versions. Those that are malformed are passed over as long
    /// as one is not.
    fn signatures(&self, form: &Form, names: &Names) -> Result<Vec<Signature>, VerifyError> {
        let label = form.hmac_label;
        let mut problem = SignatureProblem::Absent { label };
        let mut signatures = Vec::with_capacity(self.signatures.len());
        for item in &self.signatures {
            let ed25519 = form
                .ed25519_label
                .and_then(|label| item.strip_prefix(label));
            let signature = match (ed25519, item.strip_prefix(label)) {
                (Some(text), _) => form.encoding.decode(text).map(Signature::Ed25519),
                (None, Some(text)) => form.encoding.decode(text).map(Signature::Hmac),
                (None, None) => continue,
            };
            signatures.extend(signature);
            problem = SignatureProblem::Undecodable {
                label,
                expected: match form.encoding {
                    Encoding::Hex => "64 hex digits",
                    Encoding::Base64 => "the base64 of 32 bytes",
                },
            };
        }
        if signatures.is_empty() {
            Err(unsound(&names.signature, problem))
        } else {
            Ok(signatures)
        }
    }
}

fn text<'h>(name: &str, value: &'h [u8]) -> Result<&'h str, VerifyError> {
    if value.len() > HEADER_VALUE_BYTES_MAX {
        return Err(malformed(
            name,
            HeaderProblem::TooLong { bytes: value.len() },
        ));
    }
    core::str::from_utf8(value).map_err(|_| malformed(name, HeaderProblem::NotUtf8))
}

fn missing(name: &str) -> VerifyError {
    VerifyError::MissingHeader {
        header: name.into(),
    }
}

fn malformed(name: &str, problem: HeaderProblem) -> VerifyError {
    VerifyError::MalformedHeader {
        header: name.to_ascii_lowercase(),
        problem,
    }
}

fn unsound(name: &str, problem: SignatureProblem) -> VerifyError {
    VerifyError::MalformedSignature {
        header: name.into(),
        problem,
    }
}
