//! Signing: from a message to the headers it is sent with.

use core::fmt;
use core::mem::take;
use ed25519_dalek::SigningKey;
use ed25519_dalek::ed25519::signature::MultipartSigner as _;
use std::sync::Arc;

use crate::headers::{HeaderNameError, HeaderNames, Names};
use crate::key::{Key, KeyError, ed25519_signing};
use crate::scheme::{Form, List, Scheme, TimestampPlace};
use crate::secret::Secret;
use crate::timestamp::TIMESTAMP_BYTES_MAX;

/// The longest id in bytes.
pub(crate) const ID_BYTES_MAX: usize = 256;

/// What is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// Names the message, the same at every repeat of it. Used by the schemes that send it
    /// (`standard`, `svix`, `postrider`): 1 to 256 visible ASCII characters, none of them a `.`.
    pub id: &'a str,
    /// When it is sent: Unix time, in seconds. Not used by the schemes that sign the body alone.
    pub timestamp: u64,
    /// The exact bytes that are sent.
    pub body: &'a [u8],
}

/// One header to send with the message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedHeader<'s> {
    /// In lower case.
    pub name: &'s str,
    /// Visible ASCII and spaces.
    pub value: String,
}

impl SignedHeader<'_> {
    /// The header as [`Verifier::verify`](crate::Verifier::verify) reads it.
    #[must_use]
    pub fn as_pair(&self) -> (&str, &[u8]) {
        (self.name, self.value.as_bytes())
    }
}

/// A message cannot be signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// The id is empty, too long, or has a character that an id may not have. A `.` would let a
    /// signature be claimed for another id, time and body: Standard Webhooks, "Signature scheme".
    #[error(
        "the message id must be 1 to {ID_BYTES_MAX} visible ASCII characters, none of them a `.`"
    )]
    MalformedId,
}

/// Signs messages under one [`Scheme`] with one or more secrets.
///
/// The keys are made ready once, and signing clones their state; keep a signer for as long as its
/// secrets live. Clones share the keys, which are erased from memory with the last of them.
#[derive(Clone)]
pub struct Signer {
    scheme: Scheme,
    names: Names,
    keys: Arc<[Key<SigningKey>]>,
}

impl Signer {
    /// A signer that signs with each of the secrets, in their order. For a rotation put the new
    /// secret first, and drop the old one when all receivers have the new.
    ///
    /// # Errors
    ///
    /// [`KeyError`] if there is no secret, or more than 16, or one that cannot be used with this
    /// scheme.
    pub fn new(scheme: Scheme, secrets: &[Secret]) -> Result<Self, KeyError> {
        let keys = Key::prepare_all(scheme, secrets, ed25519_signing)?;
        Ok(Self {
            scheme,
            names: Names::of(scheme.form()),
            keys,
        })
    }

    /// Uses other header names than the scheme's.
    ///
    /// # Errors
    ///
    /// [`HeaderNameError`] if a name is malformed, used twice, or for a header that the scheme
    /// does not send.
    pub fn header_names(self, names: &HeaderNames) -> Result<Self, HeaderNameError> {
        Ok(Self {
            names: Names::replaced(self.scheme.form(), names)?,
            ..self
        })
    }

    /// The scheme it signs under.
    #[must_use]
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The headers to send with the message: the id and the timestamp where the scheme has them,
    /// then the signatures. Names are in lower case; one may repeat under `github`, `shopify` and
    /// `slack`, which have no form for several signatures in one value.
    ///
    /// # Errors
    ///
    /// [`SignError`] if the scheme sends the id and the id is malformed.
    pub fn sign(&self, message: &Message<'_>) -> Result<Vec<SignedHeader<'_>>, SignError> {
        let form = self.scheme.form();
        let timestamp = match form.timestamp {
            TimestampPlace::Nowhere => String::new(),
            TimestampPlace::Header(_) | TimestampPlace::Item(_) => message.timestamp.to_string(),
        };
        let mut headers = Vec::with_capacity(4);
        if let Some(name) = &self.names.id {
            if !is_id(message.id) {
                return Err(SignError::MalformedId);
            }
            headers.push(SignedHeader {
                name,
                value: message.id.into(),
            });
        }
        if let Some(name) = &self.names.timestamp {
            headers.push(SignedHeader {
                name,
                value: timestamp.clone(),
            });
        }
        self.append_signatures(
            form,
            &self.names.signature,
            message,
            &timestamp,
            &mut headers,
        );
        if let (Some(also), Some(name)) = (form.signs_also, &self.names.body_signature) {
            self.append_signatures(also, name, message, &timestamp, &mut headers);
        }
        Ok(headers)
    }

    /// Appends the signatures of all keys that have one in this form: none under a form without
    /// ed25519 if all keys are such.
    fn append_signatures<'s>(
        &'s self,
        form: &Form,
        name: &'s str,
        message: &Message<'_>,
        timestamp: &str,
        headers: &mut Vec<SignedHeader<'s>>,
    ) {
        let pieces = form.content.pieces(message.id, timestamp, message.body);
        let mut value = String::with_capacity(self.value_bytes(form));
        if let TimestampPlace::Item(label) = form.timestamp {
            value.push_str(label);
            value.push_str(timestamp);
        }
        let signs = |key: &&Key<_>| form.ed25519_label.is_some() || matches!(key, Key::Hmac(_));
        for key in self.keys.iter().filter(signs) {
            match form.list {
                _ if value.is_empty() => {}
                List::Spaces => value.push(' '),
                List::Commas => value.push(','),
                List::Headers => headers.push(SignedHeader {
                    name,
                    value: take(&mut value),
                }),
            }
            match key {
                Key::Hmac(key) => {
                    value.push_str(form.hmac_label);
                    form.encoding.append(&key.sign(&pieces), &mut value);
                }
                Key::Ed25519(key) => {
                    value.push_str(form.ed25519_label.unwrap_or_default());
                    form.encoding
                        .append(&key.multipart_sign(&pieces).to_bytes(), &mut value);
                }
            }
        }
        if !value.is_empty() {
            headers.push(SignedHeader { name, value });
        }
    }

    /// The length of a signature header's value, as long as all keys are for HMACs.
    fn value_bytes(&self, form: &Form) -> usize {
        let each = form.hmac_label.len() + form.encoding.text_length(32) + 1;
        match form.list {
            List::Spaces | List::Commas => TIMESTAMP_BYTES_MAX + 2 + each * self.keys.len(),
            List::Headers => each,
        }
    }
}

impl fmt::Debug for Signer {
    /// Without the keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer")
            .field("scheme", &self.scheme)
            .field("names", &self.names)
            .field("keys", &self.keys.len())
            .finish_non_exhaustive()
    }
}

/// Whether this is an id as [`Message::id`] describes it.
pub(crate) fn is_id(id: &str) -> bool {
    (1..=ID_BYTES_MAX).contains(&id.len())
        && id
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'.')
}
