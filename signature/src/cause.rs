//! The causes of a refusal that can be told.

use crate::scheme::Scheme;

/// A likely cause for a refusal. `Display` is a sentence for the receiver: what is so, and what
/// to do. Like the errors, it holds no secret and no signature.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Cause {
    /// The signature is right; the time is not.
    #[error(
        "the signature is right, but its timestamp is {seconds} s from now and {tolerance} s are \
         tolerated: the request is a repeat or was delayed, or this machine's clock is wrong"
    )]
    OutsideTolerance {
        /// How many seconds the timestamp is away from now.
        seconds: u64,
        /// How many may be.
        tolerance: u64,
    },
    /// The sender gives or signs the time in milliseconds.
    #[error(
        "the sender gives or signs the time in milliseconds: it must be in seconds, and the same \
         in the header and in what is signed"
    )]
    TimestampInMilliseconds,
    /// A byte order mark was put before the body, or removed.
    #[error(
        "a byte order mark was put before the body, or removed: verify the bytes as they arrived, \
         not a decoded text"
    )]
    ByteOrderMark,
    /// A line end was put at the end of the body, or removed.
    #[error(
        "a line end was put at the end of the body, or removed: verify the bytes as they arrived"
    )]
    TrailingNewline,
    /// Line ends were changed between CRLF and LF.
    #[error(
        "line ends in the body were changed between CRLF and LF: verify the bytes as they arrived"
    )]
    LineEnds,
    /// JSON was parsed and written again with other white space.
    #[error(
        "the body was parsed as JSON and written again with other white space: verify the bytes \
         as they arrived, before anything parses them"
    )]
    JsonRewritten,
    /// There is white space around the secret.
    #[error("the secret has white space around it that the sender's has not: remove it")]
    SecretWhitespace,
    /// The sender's key is the whole text of the secret, `whsec_` included.
    #[error(
        "the sender's key is the text of the secret, `whsec_` included: have the sender use what \
         the base64 behind `whsec_` decodes to"
    )]
    SecretNotDecoded,
    /// The sender's key is what the base64 of the secret decodes to, where the text is the key.
    #[error(
        "the sender's key is what the base64 of the secret decodes to, and under this scheme the \
         key is the text of the secret: have the sender use the text, `whsec_` included"
    )]
    SecretDecoded,
    /// The sender's key is the text behind `whsec_`, as it is.
    #[error(
        "the sender's key is the text behind `whsec_`, as it is: give the secret without `whsec_`, \
         or have the sender make its key of the whole, as this scheme has it"
    )]
    SecretPrefixExtra,
    /// The sender's secret is this one with `whsec_` before it.
    #[error(
        "the sender's secret begins with `whsec_`, and this one does not: give the whole of it"
    )]
    SecretPrefixMissing,
    /// The request is signed, under another scheme or in another header.
    #[error(
        "the header `{header}` holds a right signature under the scheme `{scheme}`: verify under \
         that scheme, with that header"
    )]
    OtherScheme {
        /// The scheme.
        scheme: Scheme,
        /// The header with the signature.
        header: String,
    },
    /// The signature is right for something else than this scheme signs.
    #[error(
        "the signature is right for `{signed}`, which is not what this scheme signs or not how it \
         is written: verify under a scheme that has it so, or have the sender changed"
    )]
    OtherContent {
        /// What was signed, such as `{timestamp}.{body}`.
        signed: &'static str,
    },
    /// The signature is right for another URL.
    #[error(
        "the signature is right for the URL {url}: that is what the provider was given; give it to the \
         source as its `url`"
    )]
    OtherUrl {
        /// The URL.
        url: String,
    },
    /// The request is signed as another provider signs.
    #[error(
        "{place} holds a right signature of the provider `{provider}`: verify as that provider's"
    )]
    OtherProvider {
        /// Its name.
        provider: &'static str,
        /// Where the signature is, such as a header.
        place: String,
    },
    /// All signatures are HMACs, and all keys ed25519 ones.
    #[error(
        "the request is signed with HMACs, and only ed25519 keys are given: give the `whsec_` \
         secret of this endpoint"
    )]
    SignedWithHmac,
    /// All signatures are ed25519 ones, and all secrets for HMACs.
    #[error(
        "the request is signed with ed25519, and only secrets for HMACs are given: give the \
         `whpk_` key of this endpoint"
    )]
    SignedWithEd25519,
    /// The header `Content-Length` tells another length than the body has.
    #[error(
        "the header `content-length` tells {announced} bytes and the body has {received}: it was \
         cut, decompressed or rewritten on its way; verify the bytes as they arrived"
    )]
    BodyLength {
        /// What the header tells, in bytes.
        announced: u64,
        /// What the body has, in bytes.
        received: u64,
    },
}

impl Cause {
    /// The stable code: one for each variant, in capitals.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::OutsideTolerance { .. } => "OUTSIDE_TOLERANCE",
            Self::TimestampInMilliseconds => "TIMESTAMP_IN_MILLISECONDS",
            Self::ByteOrderMark => "BYTE_ORDER_MARK",
            Self::TrailingNewline => "TRAILING_NEWLINE",
            Self::LineEnds => "LINE_ENDS",
            Self::JsonRewritten => "JSON_REWRITTEN",
            Self::SecretWhitespace => "SECRET_WHITESPACE",
            Self::SecretNotDecoded => "SECRET_NOT_DECODED",
            Self::SecretDecoded => "SECRET_DECODED",
            Self::SecretPrefixExtra => "SECRET_PREFIX_EXTRA",
            Self::SecretPrefixMissing => "SECRET_PREFIX_MISSING",
            Self::OtherScheme { .. } => "OTHER_SCHEME",
            Self::OtherContent { .. } => "OTHER_CONTENT",
            Self::OtherUrl { .. } => "OTHER_URL",
            Self::OtherProvider { .. } => "OTHER_PROVIDER",
            Self::SignedWithHmac => "SIGNED_WITH_HMAC",
            Self::SignedWithEd25519 => "SIGNED_WITH_ED25519",
            Self::BodyLength { .. } => "BODY_LENGTH",
        }
    }
}
