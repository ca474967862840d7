//! Signing: from a message to the headers it is sent with.

use core::fmt;
use core::mem::take;
use std::sync::Arc;

use crate::ed25519::SigningKey;
use crate::headers::{HeaderNameError, HeaderNames, Names};
use crate::key::{Key, KeyError};
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
        let keys = Key::prepare_all(scheme, secrets, SigningKey::prepare)?;
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
        let pieces = form
            .content
            .pieces(message.id, timestamp.as_bytes(), message.body);
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
                    form.encoding.append(&key.sign(&pieces), &mut value);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::KeyProblem;
    use core::slice;

    const MESSAGE: Message<'_> = Message {
        id: "msg_1",
        timestamp: 1_700_000_000,
        body: b"{}",
    };

    fn secrets() -> [Secret; 2] {
        ["new", "old"].map(|text| Secret::parse(text).unwrap())
    }

    /// `name: value` for each header, with `{new}` and `{old}` for what the secrets sign.
    fn written(scheme: Scheme) -> Vec<String> {
        let signer = |secrets: &[Secret]| Signer::new(scheme, secrets).unwrap();
        let [new, old] = secrets().map(|secret| {
            let value = signer(&[secret])
                .sign(&MESSAGE)
                .unwrap()
                .pop()
                .unwrap()
                .value;
            value
                .split_once(scheme.form().hmac_label)
                .unwrap()
                .1
                .to_owned()
        });
        let signer = signer(&secrets());
        let headers = signer.sign(&MESSAGE).unwrap();
        let lines = headers
            .iter()
            .map(|header| format!("{}: {}", header.name, header.value));
        lines
            .map(|line| line.replace(&new, "{new}").replace(&old, "{old}"))
            .collect()
    }

    #[test]
    fn in_a_rotation_every_secret_signs_in_order() {
        for (scheme, expected) in [
            (
                Scheme::Standard,
                &[
                    "webhook-id: msg_1",
                    "webhook-timestamp: 1700000000",
                    "webhook-signature: v1,{new} v1,{old}",
                ][..],
            ),
            (
                Scheme::Svix,
                &[
                    "svix-id: msg_1",
                    "svix-timestamp: 1700000000",
                    "svix-signature: v1,{new} v1,{old}",
                ],
            ),
            (
                Scheme::Stripe,
                &["stripe-signature: t=1700000000,v1={new},v1={old}"],
            ),
            (
                Scheme::Github,
                &[
                    "x-hub-signature-256: sha256={new}",
                    "x-hub-signature-256: sha256={old}",
                ],
            ),
            (
                Scheme::Shopify,
                &[
                    "x-shopify-hmac-sha256: {new}",
                    "x-shopify-hmac-sha256: {old}",
                ],
            ),
            (
                Scheme::Slack,
                &[
                    "x-slack-request-timestamp: 1700000000",
                    "x-slack-signature: v0={new}",
                    "x-slack-signature: v0={old}",
                ],
            ),
            (Scheme::BodyHex, &["x-signature: {new},{old}"]),
            (
                Scheme::TimestampedV1,
                &[
                    "x-webhook-timestamp: 1700000000",
                    "x-webhook-signature: v1={new},v1={old}",
                ],
            ),
            (
                Scheme::TimestampedSha256,
                &[
                    "x-webhook-timestamp: 1700000000",
                    "x-webhook-signature: sha256={new},sha256={old}",
                ],
            ),
        ] {
            assert_eq!(written(scheme), expected, "{scheme}");
        }
    }

    #[test]
    fn postrider_signs_as_standard_and_as_body_hex() {
        let sign = |scheme| {
            let signer = Signer::new(scheme, &secrets()).unwrap();
            let headers = signer.sign(&MESSAGE).unwrap();
            headers
                .iter()
                .map(|h| (h.name.to_owned(), h.value.clone()))
                .collect::<Vec<_>>()
        };
        let both = [sign(Scheme::Standard), sign(Scheme::BodyHex)].concat();
        assert_eq!(sign(Scheme::Postrider), both);
    }

    #[test]
    fn an_ed25519_key_signs_as_v1a_and_has_no_body_hex() {
        let signing = Secret::generate_ed25519([7; 32]);
        let signer = Signer::new(Scheme::Postrider, slice::from_ref(&signing)).unwrap();
        let headers = signer.sign(&MESSAGE).unwrap();
        assert_eq!(headers.len(), 3);
        assert!(headers[2].value.starts_with("v1a,"));

        let [new, _] = secrets();
        let signer = Signer::new(Scheme::Postrider, &[signing, new.clone()]).unwrap();
        let both = signer.sign(&MESSAGE).unwrap();
        let hmac = Signer::new(Scheme::Postrider, &[new]).unwrap();
        let hmac = hmac.sign(&MESSAGE).unwrap();
        assert_eq!(
            both[2].value,
            format!("{} {}", headers[2].value, hmac[2].value)
        );
        assert_eq!(both[3], hmac[3]);
    }

    #[test]
    fn a_verifying_key_cannot_sign() {
        let verifying = Secret::generate_ed25519([7; 32]).verifying_key().unwrap();
        let [new, _] = secrets();
        let error = Signer::new(Scheme::Standard, &[new, verifying]).unwrap_err();
        assert_eq!(
            error,
            KeyError::Unusable {
                index: 1,
                problem: KeyProblem::CannotSign
            }
        );
    }

    #[test]
    fn a_malformed_id_is_refused_where_the_scheme_sends_one() {
        for id in ["", "a.b", "a b", "a\n", "é", "a\u{7f}", &"a".repeat(257)] {
            for scheme in Scheme::ALL {
                let signer = Signer::new(scheme, &secrets()).unwrap();
                let sends_id = scheme.form().id_header.is_some();
                let error = signer.sign(&Message { id, ..MESSAGE }).err();
                assert_eq!(
                    error,
                    sends_id.then_some(SignError::MalformedId),
                    "{scheme} {id:?}"
                );
            }
        }
        assert!(is_id(&"a".repeat(256)));
    }

    #[test]
    fn other_header_names_are_used_in_lower_case() {
        let names = HeaderNames {
            id: Some("X-Id".into()),
            timestamp: Some("X-Time".into()),
            signature: Some("X-Signed".into()),
            body_signature: Some("X-Body-Signed".into()),
        };
        let signer = Signer::new(Scheme::Postrider, &secrets()).unwrap();
        let signer = signer.header_names(&names).unwrap();
        let headers = signer.sign(&MESSAGE).unwrap();
        let names: Vec<_> = headers.iter().map(|header| header.name).collect();
        assert_eq!(names, ["x-id", "x-time", "x-signed", "x-body-signed"]);
    }

    #[test]
    fn a_signer_goes_between_threads_and_prints_no_key() {
        fn shared<T: Send + Sync + Clone>(_: &T) {}
        let signer = Signer::new(Scheme::BodyHex, &secrets()).unwrap();
        shared(&signer);
        let printed = format!("{signer:?}");
        assert!(
            printed.starts_with("Signer { scheme: BodyHex, "),
            "{printed}"
        );
        assert!(printed.ends_with(", keys: 2, .. }"), "{printed}");
    }
}
