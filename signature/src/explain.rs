//! Why a request that looks right is refused: the usual causes, tried one at a time.
//!
//! A cause in the body, the secret or the scheme is told only if a signature of the request is
//! right once it is undone: that is a proof and no guess. Two causes at once are not found.

use core::slice;
use zeroize::Zeroizing;

use crate::cause::Cause;
use crate::ed25519::VerifyingKey;
use crate::encoding::decode_base64_secret;
use crate::headers::{Name, Names};
use crate::json;
use crate::key::{HmacKey, Key};
use crate::request::{HEADER_VALUE_BYTES_MAX, Request, SIGNATURES_MAX, Signature};
use crate::scheme::{Content, Encoding, Form, KeyRule, Scheme};
use crate::secret::{HMAC_PREFIX, Secret, SecretKind};
use crate::sign::is_id;
use crate::timestamp;
use crate::verify::{Verifier, matching_key};

pub(crate) const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

impl Verifier {
    /// Looks for the cause of a refusal, given the arguments of [`verify`](Self::verify) that led
    /// to it. `None` if the request is right, or if no single cause is found: then the secret is
    /// most likely another one, or the body was changed in a way that cannot be undone.
    ///
    /// It reads the body some fifty times for each secret, so it is for a person who looks for a
    /// fault, not for every refused request; and as it tells how the receiver is set up, the
    /// answer is not for the sender.
    #[must_use]
    pub fn explain<'h>(
        &self,
        headers: impl IntoIterator<Item = (&'h str, &'h [u8])>,
        body: &[u8],
        now_unix_seconds: u64,
    ) -> Option<Cause> {
        let headers: Vec<_> = headers.into_iter().collect();
        let form = self.scheme.form();
        let keys = &self.keys;
        let request = Request::read(form, &self.names, headers.iter().copied()).ok();
        let trial = request.as_ref().map(|request| Trial {
            form,
            keys,
            request,
            body,
        });
        let trial = trial.as_ref();
        if let Some(trial) = trial
            && trial.holds()
        {
            return self.of_time(trial.request, now_unix_seconds);
        }
        trial
            .and_then(Trial::of_body)
            .or_else(|| trial?.of_signed_time())
            .or_else(|| {
                self.secrets
                    .iter()
                    .find_map(|secret| trial?.of_secret(secret))
            })
            .or_else(|| self.of_scheme(&headers, body))
            .or_else(|| self.of_content(&headers, body))
            .or_else(|| self.of_key_kind(trial?.request))
            .or_else(|| of_length(&headers, body))
    }

    /// The signature is right: what remains is the time.
    fn of_time(&self, request: &Request<'_>, now: u64) -> Option<Cause> {
        let timestamp = request.timestamp?.unix_seconds;
        let tolerance = self.tolerance_seconds;
        let is_near = |timestamp: u64| timestamp::judge(timestamp, now, tolerance).is_ok();
        if is_near(timestamp) {
            None
        } else if is_near(timestamp / 1000) {
            Some(Cause::TimestampInMilliseconds)
        } else {
            Some(Cause::OutsideTolerance {
                seconds: timestamp.abs_diff(now),
                tolerance,
            })
        }
    }

    /// Another scheme: in its own headers, or in those that this verifier looks at.
    fn of_scheme(&self, headers: &[(&str, &[u8])], body: &[u8]) -> Option<Cause> {
        // `postrider` is verified as `standard`.
        let is_other = |scheme: &Scheme| *scheme != self.scheme && *scheme != Scheme::Postrider;
        for scheme in Scheme::ALL.into_iter().filter(is_other) {
            let own = Names::of(scheme.form());
            let here = own.clone().with_those_of(&self.names);
            for names in [own, here] {
                if self.is_signed_under(scheme, &names, headers, body) {
                    return Some(Cause::OtherScheme {
                        scheme,
                        header: names.signature.into(),
                    });
                }
            }
        }
        None
    }

    /// Whether any of the secrets signed under this scheme, in the headers of these names. The
    /// secrets are tried one by one, as not all may be of use under it.
    fn is_signed_under(
        &self,
        scheme: Scheme,
        names: &Names,
        headers: &[(&str, &[u8])],
        body: &[u8],
    ) -> bool {
        let form = scheme.form();
        let Ok(request) = Request::read(form, names, headers.iter().copied()) else {
            return false;
        };
        self.secrets.iter().any(|secret| {
            Key::prepare_all(scheme, slice::from_ref(secret), VerifyingKey::prepare).is_ok_and(
                |keys| {
                    Trial {
                        form,
                        keys: &keys,
                        request: &request,
                        body,
                    }
                    .holds()
                },
            )
        })
    }

    /// The header that this verifier looks at, however it is dressed, over any known content.
    fn of_content(&self, headers: &[(&str, &[u8])], body: &[u8]) -> Option<Cause> {
        let signature_values = || values(headers, slice::from_ref(&self.names.signature));
        let signatures: Vec<_> = signature_values()
            .flat_map(undressed)
            .take(SIGNATURES_MAX)
            .collect();
        let id = values(headers, &known_names(&self.names, |names| names.id)).find(|id| is_id(id));
        let timestamp = values(headers, &known_names(&self.names, |names| names.timestamp))
            .chain(signature_values().filter_map(|value| {
                value
                    .split(',')
                    .find_map(|item| item.trim().strip_prefix("t="))
            }))
            .map(str::as_bytes)
            .find(|text| timestamp::parse(text).is_some());
        [
            Content::Body,
            Content::TimestampBody,
            Content::SlackBody,
            Content::IdTimestampBody,
        ]
        .into_iter()
        .filter(|content| match content {
            Content::Body => true,
            Content::TimestampBody | Content::SlackBody => timestamp.is_some(),
            Content::IdTimestampBody => timestamp.is_some() && id.is_some(),
        })
        .find(|content| {
            let (id, timestamp) = (id.unwrap_or_default(), timestamp.unwrap_or_default());
            matching_key(
                &self.keys,
                &content.pieces(id, timestamp, body),
                &signatures,
            )
            .is_some()
        })
        .map(|content| Cause::OtherContent {
            signed: content.text(),
        })
    }

    fn of_key_kind(&self, request: &Request<'_>) -> Option<Cause> {
        let hmac_keys = self
            .keys
            .iter()
            .filter(|key| matches!(key, Key::Hmac(_)))
            .count();
        let is_hmac = |signature: &Signature| matches!(signature, Signature::Hmac(_));
        if hmac_keys == 0 && request.signatures.iter().all(is_hmac) {
            Some(Cause::SignedWithHmac)
        } else if hmac_keys == self.keys.len() && !request.signatures.iter().any(is_hmac) {
            Some(Cause::SignedWithEd25519)
        } else {
            None
        }
    }
}

/// What a request claims, to be tried with one thing changed.
struct Trial<'a> {
    form: &'a Form,
    keys: &'a [Key<VerifyingKey>],
    request: &'a Request<'a>,
    body: &'a [u8],
}

impl Trial<'_> {
    fn holds(&self) -> bool {
        self.holds_with_body(self.body)
    }

    fn holds_with_body(&self, body: &[u8]) -> bool {
        let pieces = self.request.pieces(self.form, body);
        matching_key(self.keys, &pieces, &self.request.signatures).is_some()
    }

    fn holds_with_timestamp(&self, text: &[u8]) -> bool {
        let pieces = self
            .form
            .content
            .pieces(self.request.id.unwrap_or_default(), text, self.body);
        matching_key(self.keys, &pieces, &self.request.signatures).is_some()
    }

    fn holds_with_key(&self, key: &[u8]) -> bool {
        Trial {
            keys: &[Key::Hmac(HmacKey::new(key))],
            ..*self
        }
        .holds()
    }

    fn holds_with_key_in_base64(&self, base64: &str) -> bool {
        decode_base64_secret(base64).is_some_and(|key| self.holds_with_key(&key))
    }

    /// The body as it may have been before something on the way, or in the receiver, changed it.
    fn of_body(&self) -> Option<Cause> {
        let (body, is) = (self.body, |body: &[u8]| self.holds_with_body(body));
        let ends: [&[u8]; 2] = [b"\r\n", b"\n"];
        let without = |end: &[u8]| body.strip_suffix(end).is_some_and(is);
        let with = |end: &[u8]| is(&[body, end].concat());
        if body.strip_prefix(BYTE_ORDER_MARK).is_some_and(is)
            || is(&[BYTE_ORDER_MARK, body].concat())
        {
            Some(Cause::ByteOrderMark)
        } else if ends.into_iter().any(|end| without(end) || with(end)) {
            Some(Cause::TrailingNewline)
        } else if is(&with_lf(body)) || is(&with_crlf(body)) {
            Some(Cause::LineEnds)
        } else if json::respaced(body).any(|body| is(&body)) {
            Some(Cause::JsonRewritten)
        } else {
            None
        }
    }

    /// The time that was signed, if the header gives it in the other unit.
    fn of_signed_time(&self) -> Option<Cause> {
        let given = self.request.timestamp?;
        let is_milliseconds = self.holds_with_timestamp(&[given.text, b"000"].concat());
        let is_seconds =
            || self.holds_with_timestamp((given.unix_seconds / 1000).to_string().as_bytes());
        (is_milliseconds || is_seconds()).then_some(Cause::TimestampInMilliseconds)
    }

    /// The key that the sender may have made of this secret. (The one that this verifier made of it
    /// is known not to hold.)
    fn of_secret(&self, secret: &Secret) -> Option<Cause> {
        if secret.kind() != SecretKind::Hmac {
            return None;
        }
        let trimmed = secret.expose_secret_text().trim();
        let behind_prefix = trimmed.strip_prefix(HMAC_PREFIX);
        let base64 = behind_prefix.unwrap_or(trimmed);
        let is_decoded = self.form.key == KeyRule::Decoded;
        let holds_once_trimmed = match behind_prefix {
            Some(base64) if is_decoded => self.holds_with_key_in_base64(base64),
            _ => self.holds_with_key(trimmed.as_bytes()),
        };
        let holds_with_prefix = || match is_decoded {
            true => self.holds_with_key_in_base64(trimmed),
            false => {
                let whole = Zeroizing::new([HMAC_PREFIX, trimmed].concat());
                self.holds_with_key(whole.as_bytes())
            }
        };
        if holds_once_trimmed {
            Some(Cause::SecretWhitespace)
        } else if self.holds_with_key(trimmed.as_bytes()) {
            Some(Cause::SecretNotDecoded)
        } else if !is_decoded && self.holds_with_key_in_base64(base64) {
            Some(Cause::SecretDecoded)
        } else if behind_prefix.is_some_and(|text| self.holds_with_key(text.as_bytes())) {
            Some(Cause::SecretPrefixExtra)
        } else if behind_prefix.is_none() && holds_with_prefix() {
            Some(Cause::SecretPrefixMissing)
        } else {
            None
        }
    }
}

pub(crate) fn with_lf(body: &[u8]) -> Vec<u8> {
    let next = body.iter().skip(1).map(Some).chain([None]);
    let kept = body
        .iter()
        .zip(next)
        .filter(|pair| *pair != (&b'\r', Some(&b'\n')));
    kept.map(|(byte, _)| *byte).collect()
}

pub(crate) fn with_crlf(body: &[u8]) -> Vec<u8> {
    with_lf(body)
        .split(|byte| *byte == b'\n')
        .collect::<Vec<_>>()
        .join(b"\r\n".as_slice())
}

/// The header that a proxy or a server leaves as it was when it changes the body.
pub(crate) fn of_length(headers: &[(&str, &[u8])], body: &[u8]) -> Option<Cause> {
    let announced = values(headers, &["content-length".into()])
        .find_map(|text| timestamp::parse(text.as_bytes()))?;
    let received = u64::try_from(body.len()).ok()?;
    (announced != received).then_some(Cause::BodyLength {
        announced,
        received,
    })
}

/// The names of one kind of header: this verifier's first, then those of all schemes.
fn known_names(own: &Names, part: fn(Names) -> Option<Name>) -> Vec<Name> {
    let schemes = Scheme::ALL
        .into_iter()
        .map(|scheme| Names::of(scheme.form()));
    [own.clone()]
        .into_iter()
        .chain(schemes)
        .filter_map(part)
        .collect()
}

/// The values, where they are text, of the headers with one of these names.
fn values<'a, 'h>(
    headers: &'a [(&'h str, &'h [u8])],
    names: &'a [Name],
) -> impl Iterator<Item = &'h str> + use<'a, 'h> {
    let named = |name: &str| names.iter().any(|own| own.eq_ignore_ascii_case(name));
    headers
        .iter()
        .filter(move |(name, value)| named(name) && value.len() <= HEADER_VALUE_BYTES_MAX)
        .filter_map(|(_, value)| core::str::from_utf8(value).ok())
}

/// The HMACs in a signature header, whatever stands before them.
fn undressed(value: &str) -> impl Iterator<Item = Signature> {
    value.split([' ', ',', ';']).filter_map(|item| {
        let behind = item.split_once('=').map(|(_, behind)| behind);
        [Some(item), behind].into_iter().flatten().find_map(|text| {
            let decoded = |encoding: Encoding| encoding.decode(text.as_bytes());
            let hmac = decoded(Encoding::Hex).or_else(|| decoded(Encoding::Base64));
            hmac.map(Signature::Hmac)
        })
    })
}
