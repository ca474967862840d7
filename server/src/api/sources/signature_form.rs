//! A signature that a source describes itself: the form of a [`Recipe`].

use crate::api::problem::{Code, Problem};
use postrider::signature::{
    Algorithm, Encoded, KeyForm, Place, Recipe, RecipeError, SignedTime, TimePlace, TimeUnit,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The longest of its texts, in bytes.
const TEXT_BYTES_MAX: usize = 1_024;

/// How requests are signed, where none of the schemes has it so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SignatureForm {
    /// What makes the signature. `token` makes none: the secret itself is in the request.
    algorithm: AlgorithmName,
    /// How the key of an HMAC is written in the secret.
    #[serde(default)]
    #[schema(default = "text")]
    key: KeyName,
    /// How the signature is written. Default: `hex`; for a token `plain`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    encoding: Option<EncodingName>,
    /// The header with the signature.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 128, example = "x-acme-signature")]
    header: Option<String>,
    /// Where the signature is in the body, instead of `header`: a JSON pointer, in which `*` stands for
    /// every element.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 1024)]
    field: Option<String>,
    /// What stands before the signature, such as `sha256=`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schema(max_length = 1024, example = "sha256=")]
    prefix: String,
    /// What stands between several signatures, or a signature and its time, in one value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 1, example = ",")]
    separator: Option<String>,
    /// What is signed: a text with `{body}`, `{timestamp}`, `{id}`, `{method}`, `{url}`, `{form}`,
    /// `{header:NAME}` and `{field:/POINTER}` in it. Default: `{body}`; for a token nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 1024, example = "{timestamp}.{body}")]
    signed: Option<String>,
    /// The time that is signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    timestamp: Option<TimeForm>,
    /// The header with the message's id, where that is signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 128)]
    id_header: Option<String>,
    /// The parameter of the URL with the SHA-256 of the body, where the URL is signed and the body is no
    /// form.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 1024)]
    body_digest: Option<String>,
}

/// Where the time is, and how it is written. One of `header`, `item` and `field`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TimeForm {
    /// The header with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 128)]
    header: Option<String>,
    /// What stands before it in the value with the signature, such as `t=`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 1024)]
    item: Option<String>,
    /// Where it is in the body: a JSON pointer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 1024)]
    field: Option<String>,
    /// How it is written.
    #[serde(default)]
    #[schema(default = "seconds")]
    unit: UnitName,
}

/// What makes a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
enum AlgorithmName {
    HmacSha1,
    HmacSha256,
    HmacSha512,
    Ed25519,
    EcdsaP256,
    Token,
}

/// How a key is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum KeyName {
    #[default]
    Text,
    Hex,
    Base64,
}

/// How a signature is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum EncodingName {
    Hex,
    Base64,
    Plain,
}

/// How a time is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum UnitName {
    #[default]
    Seconds,
    Milliseconds,
    Rfc3339,
}

impl AlgorithmName {
    fn algorithm(self) -> Algorithm {
        match self {
            Self::HmacSha1 => Algorithm::HmacSha1,
            Self::HmacSha256 => Algorithm::HmacSha256,
            Self::HmacSha512 => Algorithm::HmacSha512,
            Self::Ed25519 => Algorithm::Ed25519,
            Self::EcdsaP256 => Algorithm::EcdsaP256,
            Self::Token => Algorithm::Token,
        }
    }
}

impl KeyName {
    fn form(self) -> KeyForm {
        match self {
            Self::Text => KeyForm::Text,
            Self::Hex => KeyForm::Hex,
            Self::Base64 => KeyForm::Base64,
        }
    }
}

impl EncodingName {
    fn encoding(self) -> Encoded {
        match self {
            Self::Hex => Encoded::Hex,
            Self::Base64 => Encoded::Base64,
            Self::Plain => Encoded::Plain,
        }
    }
}

impl UnitName {
    fn unit(self) -> TimeUnit {
        match self {
            Self::Seconds => TimeUnit::Seconds,
            Self::Milliseconds => TimeUnit::Milliseconds,
            Self::Rfc3339 => TimeUnit::Rfc3339,
        }
    }
}

impl TimeForm {
    fn time(&self) -> Result<SignedTime<'_>, Problem> {
        let place = match (&self.header, &self.item, &self.field) {
            (Some(header), None, None) => TimePlace::Header(header),
            (None, Some(label), None) => TimePlace::Item(label),
            (None, None, Some(pointer)) => TimePlace::Field(pointer),
            _ => return Err(refused("timestamp", "give one of header, item and field")),
        };
        let unit = self.unit.unit();
        Ok(SignedTime { place, unit })
    }
}

/// A problem with a part of the form.
pub(super) fn refused(part: &str, detail: impl std::fmt::Display) -> Problem {
    let detail = detail.to_string();
    let pointer = format!("/custom/signature/{part}");
    Problem::new(Code::InvalidValue, &detail).at(pointer, detail)
}

/// A problem with a recipe, or with a secret for it.
pub(super) fn refused_recipe(error: &RecipeError) -> Problem {
    match error {
        RecipeError::Part { part, problem } => refused(part, format_args!("`{part}` {problem}")),
        RecipeError::Template { .. } => refused("signed", error),
        RecipeError::NoSecret | RecipeError::TooManySecrets { .. } | RecipeError::Secret { .. } => {
            Problem::new(Code::InvalidValue, error).at("/secrets", error)
        }
    }
}

impl SignatureForm {
    /// The recipe of this form. A problem that names the place, if a part is missing or too long.
    pub(super) fn recipe(&self) -> Result<Recipe<'_>, Problem> {
        self.check_lengths()?;
        let signature = match (&self.header, &self.field) {
            (Some(header), None) => Place::Header(header),
            (None, Some(pointer)) => Place::Field(pointer),
            _ => return Err(refused("header", "give one of header and field")),
        };
        let (encoding, signed) = if self.is_token() {
            (Encoded::Plain, "")
        } else {
            (Encoded::Hex, "{body}")
        };
        let timestamp = self.timestamp.as_ref().map(TimeForm::time);
        Ok(Recipe {
            algorithm: self.algorithm.algorithm(),
            key: self.key.form(),
            encoding: self.encoding.map_or(encoding, EncodingName::encoding),
            signature,
            prefix: &self.prefix,
            separator: self.separator.as_deref().map(one_character).transpose()?,
            signed: self.signed.as_deref().unwrap_or(signed),
            timestamp: timestamp.transpose()?,
            id_header: self.id_header.as_deref(),
            body_digest: self.body_digest.as_deref(),
        })
    }

    /// Whether the secret itself is in the request.
    pub(super) fn is_token(&self) -> bool {
        self.algorithm == AlgorithmName::Token
    }

    fn check_lengths(&self) -> Result<(), Problem> {
        let texts = [
            ("header", self.header.as_deref()),
            ("field", self.field.as_deref()),
            ("prefix", Some(&*self.prefix)),
            ("signed", self.signed.as_deref()),
            ("id_header", self.id_header.as_deref()),
            ("body_digest", self.body_digest.as_deref()),
        ];
        for (part, text) in texts {
            if text.is_some_and(|text| text.len() > TEXT_BYTES_MAX) {
                let detail = format!("use at most {TEXT_BYTES_MAX} bytes");
                return Err(refused(part, detail));
            }
        }
        Ok(())
    }
}

fn one_character(text: &str) -> Result<char, Problem> {
    let mut characters = text.chars();
    match (characters.next(), characters.next()) {
        (Some(one), None) => Ok(one),
        _ => Err(refused("separator", "give one character")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn form(value: Value) -> SignatureForm {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn what_is_not_said_has_the_usual_form() {
        let plain = form(json!({ "algorithm": "hmac-sha1", "header": "x-sig" }));
        let recipe = plain.recipe().unwrap();
        assert_eq!(recipe.signed, "{body}");
        assert_eq!(recipe.encoding, Encoded::Hex);
        let token = form(json!({ "algorithm": "token", "field": "/secret" }));
        let recipe = token.recipe().unwrap();
        assert_eq!((recipe.signed, recipe.encoding), ("", Encoded::Plain));
    }

    #[test]
    fn every_part_is_taken_over() {
        let whole = form(json!({
            "algorithm": "ecdsa-p256", "key": "hex", "encoding": "base64", "header": "x-sig",
            "prefix": "v1=", "separator": ";", "signed": "{id}{timestamp}{body}",
            "timestamp": { "item": "t=", "unit": "milliseconds" }, "id_header": "x-id",
            "body_digest": "hash",
        }));
        let expected = Recipe {
            algorithm: Algorithm::EcdsaP256,
            key: KeyForm::Hex,
            encoding: Encoded::Base64,
            signature: Place::Header("x-sig"),
            prefix: "v1=",
            separator: Some(';'),
            signed: "{id}{timestamp}{body}",
            timestamp: Some(SignedTime {
                place: TimePlace::Item("t="),
                unit: TimeUnit::Milliseconds,
            }),
            id_header: Some("x-id"),
            body_digest: Some("hash"),
        };
        assert_eq!(whole.recipe().unwrap(), expected);
        let written = serde_json::to_value(&whole).unwrap();
        assert_eq!(form(written), whole);
    }

    #[test]
    fn a_place_is_one_of_those_there_are() {
        for value in [
            json!({ "algorithm": "token" }),
            json!({ "algorithm": "token", "header": "a", "field": "/b" }),
            json!({ "algorithm": "hmac-sha256", "header": "a", "timestamp": {} }),
            json!({ "algorithm": "hmac-sha256", "header": "a", "separator": "::" }),
            json!({ "algorithm": "hmac-sha256", "header": "a".repeat(1_025) }),
        ] {
            assert!(form(value.clone()).recipe().is_err(), "{value}");
        }
    }
}
