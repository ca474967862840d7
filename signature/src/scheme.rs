//! The schemes, as one table: what is signed, how it is written, and in which headers.
//!
//! A new scheme is one variant, one [`Form`], and one line in each list, all in this file; the
//! tests of the crate then run over it by themselves.

use core::fmt;
use core::str::FromStr;

/// How a webhook is signed. The list is closed, and the names are stable: see [`Scheme::name`].
///
/// In all of them an HMAC is HMAC-SHA256 ([RFC 2104]), an ed25519 signature is that of
/// [RFC 8032], and what is signed are the exact bytes of the body, never a parsed copy.
///
/// The key of an HMAC is made of the secret by the scheme:
///
/// | scheme | key of `whsec_` and base64 | key of any other text |
/// |---|---|---|
/// | `standard`, `svix`, and the first signature of `postrider` | the bytes that the base64 decodes to | its UTF-8 bytes |
/// | every other one, and `X-Signature` of `postrider` | the UTF-8 bytes of the whole text, `whsec_` included | its UTF-8 bytes |
///
/// So a `whsec_` secret whose rest is no base64 is a secret for the schemes of the second line, and
/// is refused by those of the first.
///
/// With several secrets, the newest first, each one signs, so that a receiver may hold the old or
/// the new one while a secret is rotated. `standard`, `svix` and `stripe` have a form for several
/// signatures in one value. A value of the others holds one, which receivers compare whole: it is
/// made with the **oldest** secret, so that who knows no other goes on accepting; the newest signs
/// in a header of that name with `-next` behind it ([`HeaderNames::NEXT`]), and those between, if
/// there are more than two, in `-next-2`, `-next-3` and so on, from the newer to the older.
///
/// [`HeaderNames::NEXT`]: crate::HeaderNames::NEXT
/// [RFC 2104]: https://www.rfc-editor.org/rfc/rfc2104
/// [RFC 8032]: https://www.rfc-editor.org/rfc/rfc8032
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scheme {
    /// `standard`: [Standard Webhooks], "Signature scheme". The headers `webhook-id`,
    /// `webhook-timestamp` and `webhook-signature`, a list separated by spaces: `v1,` and the
    /// base64 of an HMAC, or `v1a,` and the base64 of an ed25519 signature, over
    /// `{id}.{timestamp}.{body}`.
    ///
    /// [Standard Webhooks]: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
    Standard,
    /// `svix`: as `standard`, in the headers `svix-id`, `svix-timestamp` and `svix-signature`.
    Svix,
    /// `stripe`: `Stripe-Signature: t={timestamp},v1={hex}`, with a `v1` for each secret, over
    /// `{timestamp}.{body}`. Items other than `t` and `v1` are ignored.
    /// See <https://docs.stripe.com/webhooks#verify-manually>.
    Stripe,
    /// `github`: `X-Hub-Signature-256: sha256={hex}` over the body. See
    /// <https://docs.github.com/webhooks/using-webhooks/validating-webhook-deliveries>.
    Github,
    /// `shopify`: `X-Shopify-Hmac-Sha256: {base64}` over the body. See
    /// <https://shopify.dev/docs/apps/build/webhooks/subscribe/https>.
    Shopify,
    /// `slack`: `X-Slack-Request-Timestamp`, and `X-Slack-Signature: v0={hex}` over
    /// `v0:{timestamp}:{body}`. See
    /// <https://docs.slack.dev/authentication/verifying-requests-from-slack>.
    Slack,
    /// `body-hex`: `X-Signature: {hex}` over the body. It covers neither the id nor the time: a
    /// copy of the request stays valid.
    BodyHex,
    /// `timestamped-v1`: `X-Webhook-Timestamp`, and `X-Webhook-Signature: v1={hex}` over
    /// `{timestamp}.{body}`.
    TimestampedV1,
    /// `timestamped-sha256`: as `timestamped-v1`, with `sha256=` for `v1=`.
    TimestampedSha256,
    /// `postrider`, the default: signs as `standard` and, for the simplest receivers, as
    /// `body-hex` too (HMAC secrets only: there is no ed25519 form of it). Verifies the
    /// `standard` signature, which covers the id and the time as well.
    ///
    /// With a `whsec_` secret the two have keys of their own. With a secret of any other text they
    /// share one, so a body that reads `{id}.{timestamp}.{rest}` would make its `X-Signature` the
    /// `standard` signature of `{rest}`. No JSON body can do that with a `{rest}` that is JSON: the
    /// cut would fall inside a string. For bodies that are not JSON and that a stranger may shape,
    /// use `standard`, or a `whsec_` secret.
    Postrider,
}

impl Scheme {
    /// Every scheme, in the order of the documentation.
    pub const ALL: [Self; 10] = [
        Self::Postrider,
        Self::Standard,
        Self::Svix,
        Self::Stripe,
        Self::Github,
        Self::Shopify,
        Self::Slack,
        Self::BodyHex,
        Self::TimestampedV1,
        Self::TimestampedSha256,
    ];

    /// The stable name: what [`Display`](fmt::Display) writes and [`FromStr`] reads.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.form().name
    }

    /// Whether a signature covers the time it was made at, so that a copy of the request is
    /// refused once it is older than the tolerance.
    #[must_use]
    pub fn covers_timestamp(self) -> bool {
        self.form().content != Content::Body
    }

    /// Whether there is an ed25519 form, so that `whsk_` and `whpk_` secrets can be used.
    #[must_use]
    pub fn supports_ed25519(self) -> bool {
        self.form().ed25519_label.is_some()
    }

    /// Whether the value of the signature header that is verified holds one signature, so that
    /// further ones stand in headers of their own: see [`Scheme`].
    #[must_use]
    pub fn holds_one_signature(self) -> bool {
        self.form().list == List::One
    }

    pub(crate) const fn form(self) -> &'static Form {
        match self {
            Self::Standard => &STANDARD,
            Self::Svix => &SVIX,
            Self::Stripe => &STRIPE,
            Self::Github => &GITHUB,
            Self::Shopify => &SHOPIFY,
            Self::Slack => &SLACK,
            Self::BodyHex => &BODY_HEX,
            Self::TimestampedV1 => &TIMESTAMPED_V1,
            Self::TimestampedSha256 => &TIMESTAMPED_SHA256,
            Self::Postrider => &POSTRIDER,
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Scheme {
    type Err = UnknownScheme;

    /// Reads a stable name, exactly as written in [`Scheme::name`].
    fn from_str(name: &str) -> Result<Self, UnknownScheme> {
        Self::ALL
            .into_iter()
            .find(|scheme| scheme.name() == name)
            .ok_or_else(|| UnknownScheme { name: name.into() })
    }
}

/// No scheme has this name. The message lists the names there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownScheme {
    /// The name that was given.
    pub name: String,
}

impl fmt::Display for UnknownScheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "no signature scheme is named {:?}; use one of",
            self.name
        )?;
        for (index, scheme) in Scheme::ALL.into_iter().enumerate() {
            write!(f, "{} {scheme}", if index == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

impl core::error::Error for UnknownScheme {}

/// One line of the table: everything in which the schemes differ.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Form {
    pub(crate) name: &'static str,
    pub(crate) id_header: Option<&'static str>,
    pub(crate) timestamp: TimestampPlace,
    pub(crate) signature_header: &'static str,
    pub(crate) content: Content,
    pub(crate) list: List,
    /// What stands before the HMAC.
    pub(crate) hmac_label: &'static str,
    /// What stands before an ed25519 signature, if the scheme has such.
    pub(crate) ed25519_label: Option<&'static str>,
    pub(crate) encoding: Encoding,
    pub(crate) key: KeyRule,
    /// A second scheme that signs too, in its own signature header, with the secrets for HMACs.
    pub(crate) signs_also: Option<&'static Form>,
}

/// Where the timestamp is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TimestampPlace {
    Nowhere,
    Header(&'static str),
    /// As an item of the signature header, after this label.
    Item(&'static str),
}

/// Which bytes are signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// The body alone.
    Body,
    /// `{timestamp}.{body}`
    TimestampBody,
    /// `v0:{timestamp}:{body}`
    SlackBody,
    /// `{id}.{timestamp}.{body}`
    IdTimestampBody,
}

/// How several signatures stand in one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum List {
    /// In one value, separated by spaces.
    Spaces,
    /// In one value, separated by commas.
    Commas,
    /// In headers with names of their own: receivers compare the whole value, so that a list or a
    /// repeated header would be refused.
    One,
}

/// How the bytes of a signature are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    Hex,
    Base64,
}

/// What of a secret's text is the HMAC key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyRule {
    /// What `whsec_` decodes to, or the bytes of any other text: Standard Webhooks, "Signature
    /// scheme".
    Decoded,
    /// The bytes of the text, prefix and all, as `createHmac("sha256", secret)` has it.
    Text,
}

const STANDARD: Form = Form {
    name: "standard",
    id_header: Some("webhook-id"),
    timestamp: TimestampPlace::Header("webhook-timestamp"),
    signature_header: "webhook-signature",
    content: Content::IdTimestampBody,
    list: List::Spaces,
    hmac_label: "v1,",
    ed25519_label: Some("v1a,"),
    encoding: Encoding::Base64,
    key: KeyRule::Decoded,
    signs_also: None,
};

const POSTRIDER: Form = Form {
    name: "postrider",
    signs_also: Some(&BODY_HEX),
    ..STANDARD
};

const SVIX: Form = Form {
    name: "svix",
    id_header: Some("svix-id"),
    timestamp: TimestampPlace::Header("svix-timestamp"),
    signature_header: "svix-signature",
    ..STANDARD
};

const BODY_HEX: Form = Form {
    name: "body-hex",
    id_header: None,
    timestamp: TimestampPlace::Nowhere,
    signature_header: "x-signature",
    content: Content::Body,
    list: List::One,
    hmac_label: "",
    ed25519_label: None,
    encoding: Encoding::Hex,
    key: KeyRule::Text,
    signs_also: None,
};

const TIMESTAMPED_V1: Form = Form {
    name: "timestamped-v1",
    timestamp: TimestampPlace::Header("x-webhook-timestamp"),
    signature_header: "x-webhook-signature",
    content: Content::TimestampBody,
    hmac_label: "v1=",
    ..BODY_HEX
};

const TIMESTAMPED_SHA256: Form = Form {
    name: "timestamped-sha256",
    hmac_label: "sha256=",
    ..TIMESTAMPED_V1
};

const STRIPE: Form = Form {
    name: "stripe",
    timestamp: TimestampPlace::Item("t="),
    signature_header: "stripe-signature",
    content: Content::TimestampBody,
    list: List::Commas,
    hmac_label: "v1=",
    ..BODY_HEX
};

const GITHUB: Form = Form {
    name: "github",
    signature_header: "x-hub-signature-256",
    hmac_label: "sha256=",
    ..BODY_HEX
};

const SHOPIFY: Form = Form {
    name: "shopify",
    signature_header: "x-shopify-hmac-sha256",
    encoding: Encoding::Base64,
    ..BODY_HEX
};

const SLACK: Form = Form {
    name: "slack",
    timestamp: TimestampPlace::Header("x-slack-request-timestamp"),
    signature_header: "x-slack-signature",
    content: Content::SlackBody,
    hmac_label: "v0=",
    ..BODY_HEX
};

impl Content {
    /// The signed bytes as the documentation writes them.
    pub(crate) const fn text(self) -> &'static str {
        match self {
            Self::Body => "{body}",
            Self::TimestampBody => "{timestamp}.{body}",
            Self::SlackBody => "v0:{timestamp}:{body}",
            Self::IdTimestampBody => "{id}.{timestamp}.{body}",
        }
    }

    /// The signed bytes, in pieces, so that the body need not be copied. `id` and `timestamp` are
    /// used where the content has them.
    pub(crate) fn pieces<'a>(
        self,
        id: &'a str,
        timestamp: &'a [u8],
        body: &'a [u8],
    ) -> [&'a [u8]; 5] {
        let id = id.as_bytes();
        match self {
            Self::Body => [b"", b"", b"", b"", body],
            Self::TimestampBody => [b"", b"", timestamp, b".", body],
            Self::SlackBody => [b"v0", b":", timestamp, b":", body],
            Self::IdTimestampBody => [id, b".", timestamp, b".", body],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scheme_is_found_by_its_name() {
        for scheme in Scheme::ALL {
            assert_eq!(scheme.to_string().parse(), Ok(scheme));
        }
    }

    #[test]
    fn no_two_schemes_share_a_name() {
        let mut names = Scheme::ALL.map(Scheme::name);
        names.sort_unstable();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]));
    }

    #[test]
    fn an_unknown_name_is_answered_with_the_known_ones() {
        let error = "Standard".parse::<Scheme>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "no signature scheme is named \"Standard\"; use one of postrider, standard, svix, \
             stripe, github, shopify, slack, body-hex, timestamped-v1, timestamped-sha256"
        );
    }

    #[test]
    fn a_timestamp_is_signed_exactly_where_one_is_sent() {
        for scheme in Scheme::ALL {
            let sent = scheme.form().timestamp != TimestampPlace::Nowhere;
            assert_eq!(scheme.covers_timestamp(), sent, "{scheme}");
        }
    }

    #[test]
    fn the_base64_of_a_secret_is_decoded_by_standard_webhooks_and_svix_alone() {
        for scheme in Scheme::ALL {
            let decodes = [Scheme::Postrider, Scheme::Standard, Scheme::Svix].contains(&scheme);
            assert_eq!(scheme.form().key == KeyRule::Decoded, decodes, "{scheme}");
        }
        let also = Scheme::Postrider.form().signs_also;
        assert_eq!(also.map(|form| form.key), Some(KeyRule::Text));
    }

    #[test]
    fn an_id_is_signed_exactly_where_one_is_sent() {
        for scheme in Scheme::ALL {
            let signed = scheme.form().content == Content::IdTimestampBody;
            assert_eq!(scheme.form().id_header.is_some(), signed, "{scheme}");
        }
    }
}
