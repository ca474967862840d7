//! Signing: from a message to the headers it is sent with.

use core::fmt;
use core::mem::take;
use std::sync::Arc;

use crate::ed25519::SigningKey;
use crate::headers::{HeaderNameError, HeaderNames, Name, Names, next_names};
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
    signs: Signs,
    /// What makes the second signature of the scheme, if it has such.
    signs_also: Option<Signs>,
}

/// The keys of one form, and the names of the headers for what does not fit into the first.
#[derive(Clone)]
struct Signs {
    form: &'static Form,
    keys: Arc<[Key<SigningKey>]>,
    next: Vec<Name>,
}

impl Signer {
    /// A signer that signs with each of the secrets. For a rotation put the new secret first, and
    /// drop the old one when all receivers have the new: see [`Scheme`].
    ///
    /// # Errors
    ///
    /// [`KeyError`] if there is no secret, or more than 16, or one that cannot be used with this
    /// scheme.
    pub fn new(scheme: Scheme, secrets: &[Secret]) -> Result<Self, KeyError> {
        let form = scheme.form();
        let keys = Key::prepare_all(scheme, secrets, SigningKey::prepare)?;
        let signs_also = form.signs_also.map(|form| {
            let keys = Key::prepare_hmacs(form, secrets)?;
            Ok(Signs::new(form, keys))
        });
        let signer = Self {
            scheme,
            names: Names::of(form),
            signs: Signs::new(form, keys),
            signs_also: signs_also.transpose()?,
        };
        Ok(signer.named())
    }

    /// Uses other header names than the scheme's.
    ///
    /// # Errors
    ///
    /// [`HeaderNameError`] if a name is malformed, used twice, or for a header that the scheme
    /// does not send.
    pub fn header_names(self, names: &HeaderNames) -> Result<Self, HeaderNameError> {
        let names = Names::replaced(self.scheme.form(), names)?;
        Ok(Self { names, ..self }.named())
    }

    /// Makes the names of further headers those that belong to the names.
    fn named(mut self) -> Self {
        self.signs.name_next(&self.names.signature);
        if let (Some(also), Some(name)) = (&mut self.signs_also, &self.names.body_signature) {
            also.name_next(name);
        }
        self
    }

    /// The scheme it signs under.
    #[must_use]
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The headers to send with the message: the id and the timestamp where the scheme has them,
    /// then the signatures. Names are in lower case, and none repeats.
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
        self.signs
            .append(&self.names.signature, message, &timestamp, &mut headers);
        if let (Some(also), Some(name)) = (&self.signs_also, &self.names.body_signature) {
            also.append(name, message, &timestamp, &mut headers);
        }
        Ok(headers)
    }
}

impl Signs {
    fn new(form: &'static Form, keys: Arc<[Key<SigningKey>]>) -> Self {
        let next = Vec::new();
        Self { form, keys, next }
    }

    fn name_next(&mut self, signature: &str) {
        if self.form.list == List::One {
            let further = self.keys.len().saturating_sub(1);
            self.next = next_names(signature).take(further).collect();
        }
    }

    /// Appends the signatures of all keys.
    fn append<'s>(
        &'s self,
        name: &'s str,
        message: &Message<'_>,
        timestamp: &str,
        headers: &mut Vec<SignedHeader<'s>>,
    ) {
        let form = self.form;
        let content = form.content;
        let pieces = content.pieces(message.id, timestamp.as_bytes(), message.body);
        let mut value = String::with_capacity(self.value_bytes());
        if let TimestampPlace::Item(label) = form.timestamp {
            value.push_str(label);
            value.push_str(timestamp);
        }
        match form.list {
            List::Spaces | List::Commas => {
                let separator = if form.list == List::Spaces { ' ' } else { ',' };
                for key in self.keys.iter() {
                    if !value.is_empty() {
                        value.push(separator);
                    }
                    key.append_signature(form, &pieces, &mut value);
                }
                headers.push(SignedHeader { name, value });
            }
            List::One => {
                // The oldest has the header that every receiver looks at.
                let oldest = self.keys.last().map(|key| (name, key));
                let further = self.next.iter().map(|name| &**name).zip(self.keys.iter());
                for (name, key) in oldest.into_iter().chain(further) {
                    key.append_signature(form, &pieces, &mut value);
                    let value = take(&mut value);
                    headers.push(SignedHeader { name, value });
                }
            }
        }
    }

    /// The length of a signature header's value, as long as all keys are for HMACs.
    fn value_bytes(&self) -> usize {
        let form = self.form;
        let each = form.hmac_label.len() + form.encoding.text_length(32) + 1;
        match form.list {
            List::Spaces | List::Commas => TIMESTAMP_BYTES_MAX + 2 + each * self.keys.len(),
            List::One => each,
        }
    }
}

impl Key<SigningKey> {
    /// Appends its signature, with the label that it has in this form.
    fn append_signature(&self, form: &Form, pieces: &[&[u8]], value: &mut String) {
        match self {
            Key::Hmac(key) => {
                value.push_str(form.hmac_label);
                form.encoding.append(&key.sign(pieces), value);
            }
            Key::Ed25519(key) => {
                value.push_str(form.ed25519_label.unwrap_or_default());
                form.encoding.append(&key.sign(pieces), value);
            }
        }
    }
}

impl fmt::Debug for Signer {
    /// Without the keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer")
            .field("scheme", &self.scheme)
            .field("names", &self.names)
            .field("keys", &self.signs.keys.len())
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
            let signer = signer(&[secret]);
            let value = signer.sign(&MESSAGE).unwrap().pop().unwrap().value;
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
    fn in_a_rotation_a_list_has_every_signature_and_one_signature_is_the_oldest_secrets() {
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
                    "x-hub-signature-256: sha256={old}",
                    "x-hub-signature-256-next: sha256={new}",
                ],
            ),
            (
                Scheme::Shopify,
                &[
                    "x-shopify-hmac-sha256: {old}",
                    "x-shopify-hmac-sha256-next: {new}",
                ],
            ),
            (
                Scheme::Slack,
                &[
                    "x-slack-request-timestamp: 1700000000",
                    "x-slack-signature: v0={old}",
                    "x-slack-signature-next: v0={new}",
                ],
            ),
            (
                Scheme::BodyHex,
                &["x-signature: {old}", "x-signature-next: {new}"],
            ),
            (
                Scheme::TimestampedV1,
                &[
                    "x-webhook-timestamp: 1700000000",
                    "x-webhook-signature: v1={old}",
                    "x-webhook-signature-next: v1={new}",
                ],
            ),
            (
                Scheme::TimestampedSha256,
                &[
                    "x-webhook-timestamp: 1700000000",
                    "x-webhook-signature: sha256={old}",
                    "x-webhook-signature-next: sha256={new}",
                ],
            ),
        ] {
            assert_eq!(written(scheme), expected, "{scheme}");
        }
    }

    #[test]
    fn with_three_secrets_each_has_a_header_that_holds_its_signature_alone() {
        let secrets = ["newest", "between", "oldest"].map(|text| Secret::parse(text).unwrap());
        for scheme in Scheme::ALL
            .into_iter()
            .filter(|it| it.holds_one_signature())
        {
            let alone = |secret: &Secret| {
                let signer = Signer::new(scheme, slice::from_ref(secret)).unwrap();
                signer.sign(&MESSAGE).unwrap().pop().unwrap().value
            };
            let signer = Signer::new(scheme, &secrets).unwrap();
            let headers = signer.sign(&MESSAGE).unwrap();
            let name = scheme.form().signature_header;
            let value = |name: &str| {
                let header = headers.iter().find(|header| header.name == name);
                header.unwrap().value.clone()
            };
            assert_eq!(value(name), alone(&secrets[2]), "{scheme}");
            assert_eq!(
                value(&format!("{name}-next")),
                alone(&secrets[0]),
                "{scheme}"
            );
            assert_eq!(
                value(&format!("{name}-next-2")),
                alone(&secrets[1]),
                "{scheme}"
            );
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
    fn postrider_has_two_keys_of_one_secret_as_its_two_forms_have() {
        let secret = [Secret::generate_hmac([7; 32])];
        let sign = |scheme| {
            let signer = Signer::new(scheme, &secret).unwrap();
            let signed = signer.sign(&MESSAGE).unwrap().pop().unwrap();
            (signed.name.to_owned(), signed.value)
        };
        assert_eq!(sign(Scheme::Postrider), sign(Scheme::BodyHex));
        let text = crate::key::HmacKey::new(secret[0].expose_secret_text().as_bytes());
        let expected = hex::encode(text.sign(&[MESSAGE.body]));
        assert_eq!(sign(Scheme::Postrider).1, expected);
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
        let expected = [
            "x-id",
            "x-time",
            "x-signed",
            "x-body-signed",
            "x-body-signed-next",
        ];
        assert_eq!(names, expected);
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
