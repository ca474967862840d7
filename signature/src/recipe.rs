//! Schemes as data: how any provider signs, for whoever receives its requests.
//!
//! A [`Recipe`] says what a [`Scheme`](crate::Scheme) has built in: the algorithm, how key and
//! signature are written, where they stand, and what is signed. [`provider`] has those of providers
//! that people ask for, [`RecipeVerifier`] verifies by any.

mod explain;
mod form;
mod key;
mod problem;
mod providers;
mod reading;
mod template;
mod time;
mod verify;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod vectors;

pub use explain::signed_as;
pub use problem::{RecipeError, Refusal};
pub use providers::{PROVIDERS, provider};
pub use verify::RecipeVerifier;

use std::borrow::Cow;

/// How a request is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recipe<'a> {
    /// What makes the signature.
    pub algorithm: Algorithm,
    /// How the key of an HMAC is written in the secret. Public keys are known by their form: see
    /// [`Algorithm`].
    pub key: KeyForm,
    /// How the bytes of a signature are written.
    pub encoding: Encoded,
    /// Where the signature is.
    pub signature: Place<'a>,
    /// What stands before each signature, such as `sha256=`. Case does not matter.
    pub prefix: &'a str,
    /// What stands between several signatures, or a signature and its time, in one value.
    pub separator: Option<char>,
    /// What is signed: a text in which these are replaced. Empty for a [`Algorithm::Token`], which
    /// signs nothing.
    ///
    /// | placeholder | what it becomes |
    /// |---|---|
    /// | `{body}` | the bytes of the body |
    /// | `{timestamp}` | the time as it is written in the request |
    /// | `{id}` | the value of [`id_header`](Self::id_header) |
    /// | `{method}` | `POST` |
    /// | `{url}` | the URL that the sender was given, with the query of the request |
    /// | `{form}` | the fields of a form, sorted by name, each name followed by its value; empty for other media types |
    /// | `{header:NAME}` | the value of a header; empty if it is not there |
    /// | `{field:/POINTER}` | a text, a number or a truth value of a JSON body; empty if it is not there |
    /// | `{{` | `{` |
    ///
    /// A `*` in a pointer stands for every element of an array: there has to be one, and the
    /// signature has to be right for each.
    pub signed: &'a str,
    /// The time of the request. It has to be a part of what is signed.
    pub timestamp: Option<SignedTime<'a>>,
    /// The header with the id of the message, where that is signed.
    pub id_header: Option<&'a str>,
    /// The parameter of the URL that holds the SHA-256 of the body in hex, where the URL is signed
    /// and the body is no form: it then has to be there and right.
    pub body_digest: Option<&'a str>,
}

/// What makes a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// HMAC with SHA-1 (RFC 2104).
    HmacSha1,
    /// HMAC with SHA-256.
    HmacSha256,
    /// HMAC with SHA-512.
    HmacSha512,
    /// Ed25519 (RFC 8032). The secret is the public key: 64 hex digits, the base64 of 32 bytes, or a
    /// `whpk_` key.
    Ed25519,
    /// ECDSA with P-256 and SHA-256 (FIPS 186-5), the signature in DER, or `r` and `s` of 32 bytes
    /// each. The secret is the public key: PEM, the base64 of its DER, or its point in hex or base64.
    EcdsaP256,
    /// No signature: the secret itself is in the request. It proves nothing about the body.
    Token,
}

/// How the key of an HMAC is written in the secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyForm {
    /// The key is the UTF-8 bytes of the text.
    Text,
    /// The key is what the hex digits decode to.
    Hex,
    /// The key is what the base64 decodes to, behind `whsec_` if that is there.
    Base64,
}

/// How the bytes of a signature, or a token, are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Encoded {
    /// Hex digits in either case.
    Hex,
    /// Base64 of the standard alphabet, padded or not.
    Base64,
    /// As they are: for tokens.
    Plain,
}

/// Where something is in a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place<'a> {
    /// The header of this name.
    Header(&'a str),
    /// The field of a JSON body at this pointer (RFC 6901), in which `*` stands for every element.
    Field(&'a str),
}

/// The time that a signature covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignedTime<'a> {
    /// Where it is.
    pub place: TimePlace<'a>,
    /// How it is written.
    pub unit: TimeUnit,
}

/// Where the time is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimePlace<'a> {
    /// The header of this name.
    Header(&'a str),
    /// An item of the value with the signature, behind this label, such as `t=`.
    Item(&'a str),
    /// The field of a JSON body at this pointer.
    Field(&'a str),
}

/// How a time is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TimeUnit {
    /// Unix time in seconds.
    Seconds,
    /// Unix time in milliseconds.
    Milliseconds,
    /// A date and a time: RFC 3339.
    Rfc3339,
}

/// A request as it was received.
#[derive(Clone, Copy)]
pub struct Received<'h, 'r> {
    /// Its method, in capitals.
    pub method: &'r str,
    /// The URLs that its sender may have meant, each with scheme, host, path and query: those are
    /// tried where the URL is signed.
    pub urls: &'r [&'r str],
    /// Its headers: name and value.
    pub headers: &'r [(&'h str, &'h [u8])],
    /// The exact bytes of its body.
    pub body: &'r [u8],
    /// Its body, to look fields up.
    pub fields: &'r dyn Fields,
}

/// The fields of a JSON body. (This crate reads no JSON.)
pub trait Fields {
    /// The text at this pointer (RFC 6901), or a number or truth value as it is written. `None` for
    /// anything else.
    fn text(&self, pointer: &str) -> Option<Cow<'_, str>>;

    /// How many elements the array at this pointer has; the pointer of the whole is empty.
    fn length(&self, pointer: &str) -> Option<usize>;
}

/// A body without fields.
#[derive(Clone, Copy, Debug)]
pub struct NoFields;

impl Fields for NoFields {
    fn text(&self, _: &str) -> Option<Cow<'_, str>> {
        None
    }

    fn length(&self, _: &str) -> Option<usize> {
        None
    }
}

impl Place<'_> {
    /// As messages name it.
    fn named(self) -> String {
        match self {
            Self::Header(name) => format!("the header `{name}`"),
            Self::Field(pointer) => format!("the field `{pointer}` of the body"),
        }
    }
}
