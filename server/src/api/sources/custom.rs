//! A provider that is none of the known ones: how it signs, and where its type and its id are.

use super::signature_form::SignatureForm;
use crate::api::inbound::header;
use crate::api::problem::{Code, Problem};
use axum::http::{HeaderMap, HeaderName};
use postrider::signature::{HeaderNames, Recipe, Scheme, Verified};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The longest JSON pointer, in bytes.
const POINTER_BYTES_MAX: usize = 256;

/// Where a type is looked for, if nothing is said.
const TYPE_POINTERS: [&str; 2] = ["/type", "/event"];

/// What a source says instead of a scheme, if nothing is signed.
const UNSIGNED: &str = "none";

/// Where an id is looked for, if nothing is said and the signature covers none.
const ID_POINTER: &str = "/id";

/// How the requests of a custom source are signed, and where the type and the id of their events
/// are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Custom {
    /// `standard`, `svix`, `stripe`, `github`, `shopify`, `slack`, `body-hex`, `timestamped-v1`,
    /// `timestamped-sha256` or `postrider`. `none`: nothing is signed, and whoever reaches the source is
    /// believed; only where the server has the setting `unsigned_sources`, and with `allowed_networks`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "timestamped-sha256")]
    scheme: Option<String>,
    /// How it is signed, where none of the schemes has it so: instead of `scheme`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    signature: Option<SignatureForm>,
    /// Instead of the scheme's header for the signature.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 128, example = "x-acme-signature")]
    signature_header: Option<String>,
    /// Instead of the scheme's header for the timestamp.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 128)]
    timestamp_header: Option<String>,
    /// Instead of the scheme's header for the message's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 128)]
    message_id_header: Option<String>,
    /// Where the event's type is in the body: a JSON pointer. Default: `/type`, or else `/event`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 256, example = "/event/kind")]
    type_pointer: Option<String>,
    /// The header with the event's type; not together with `type_pointer`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 128)]
    type_header: Option<String>,
    /// Where the event's id is in the body: a JSON pointer. Default: the id that the signature
    /// covers, or else `/id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 256)]
    id_pointer: Option<String>,
    /// The header with the event's id; not together with `id_pointer`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 128)]
    id_header: Option<String>,
}

fn refused(pointer: &str, detail: impl std::fmt::Display) -> Problem {
    let detail = detail.to_string();
    Problem::new(Code::InvalidValue, &detail).at(format!("/custom/{pointer}"), detail)
}

fn check_pointer(text: Option<&str>, field: &str) -> Result<(), Problem> {
    match text {
        Some(text) if !text.starts_with('/') || text.len() > POINTER_BYTES_MAX => Err(refused(
            field,
            "use a JSON pointer (RFC 6901) of at most 256 bytes, such as /event/kind",
        )),
        _ => Ok(()),
    }
}

fn check_header(text: Option<&str>, field: &str) -> Result<(), Problem> {
    let is_name = |text: &str| text.parse::<HeaderName>().is_ok() && text.len() <= 128;
    match text {
        Some(text) if !is_name(text) => Err(refused(field, "use the name of a header")),
        _ => Ok(()),
    }
}

impl Custom {
    /// A problem that names the place, if it cannot be used.
    pub(super) fn check(&self) -> Result<(), Problem> {
        match (&self.scheme, &self.signature) {
            (Some(_), None) if self.is_unsigned() => self.check_names()?,
            (Some(_), None) => {
                self.scheme()?;
            }
            (None, Some(signature)) => {
                signature.recipe()?;
                self.check_names()?;
            }
            _ => return Err(refused("scheme", "give either scheme or signature")),
        }
        check_pointer(self.type_pointer.as_deref(), "type_pointer")?;
        check_pointer(self.id_pointer.as_deref(), "id_pointer")?;
        check_header(self.type_header.as_deref(), "type_header")?;
        check_header(self.id_header.as_deref(), "id_header")?;
        if self.type_pointer.is_some() && self.type_header.is_some() {
            return Err(refused("type_header", "not together with type_pointer"));
        }
        if self.id_pointer.is_some() && self.id_header.is_some() {
            return Err(refused("id_header", "not together with id_pointer"));
        }
        Ok(())
    }

    /// The names of the scheme's headers have a use with a scheme alone.
    fn check_names(&self) -> Result<(), Problem> {
        let names = [
            ("signature_header", &self.signature_header),
            ("timestamp_header", &self.timestamp_header),
            ("message_id_header", &self.message_id_header),
        ];
        match names.into_iter().find(|(_, name)| name.is_some()) {
            Some((field, _)) => Err(refused(field, "is for the schemes that have such a header")),
            None => Ok(()),
        }
    }

    /// Whether nothing is signed.
    pub(super) fn is_unsigned(&self) -> bool {
        self.scheme.as_deref() == Some(UNSIGNED)
    }

    /// Whether no request proves anything about its body: then two with the same body are two events.
    pub(crate) fn proves_no_body(&self) -> bool {
        let is_token = self.signature.as_ref().is_some_and(SignatureForm::is_token);
        self.is_unsigned() || is_token
    }

    /// How it is signed, if it says so itself.
    pub(super) fn recipe(&self) -> Option<Result<Recipe<'_>, Problem>> {
        self.signature.as_ref().map(SignatureForm::recipe)
    }

    pub(super) fn scheme(&self) -> Result<Scheme, Problem> {
        let name = self.scheme.as_deref().unwrap_or_default();
        let scheme = name.parse();
        scheme.map_err(|error| refused("scheme", error))
    }

    pub(super) fn header_names(&self) -> HeaderNames {
        HeaderNames {
            id: self.message_id_header.clone(),
            timestamp: self.timestamp_header.clone(),
            signature: self.signature_header.clone(),
            body_signature: None,
        }
    }

    /// The headers that it reads beside those of the signature.
    pub(crate) fn reads(&self) -> impl Iterator<Item = &str> {
        let names = [&self.type_header, &self.id_header];
        names.into_iter().filter_map(|name| name.as_deref())
    }

    /// The provider's type of an event; `text_at` finds text in its body.
    pub(crate) fn event_type(
        &self,
        headers: &HeaderMap,
        text_at: impl Fn(&str) -> Option<String>,
    ) -> Option<String> {
        match (&self.type_header, &self.type_pointer) {
            (Some(name), _) => header(headers, name),
            (None, Some(pointer)) => text_at(pointer),
            (None, None) => TYPE_POINTERS.into_iter().find_map(text_at),
        }
    }

    /// Whether the id would be in the body: its owner has said so, or it is nowhere else and the body
    /// begins as an object.
    pub(crate) fn has_id_in_body(&self, verified: &Verified<'_>, begins_as_object: bool) -> bool {
        let is_elsewhere = self.id_header.is_some() || verified.id.is_some();
        self.id_pointer.is_some() || (begins_as_object && !is_elsewhere)
    }

    /// The provider's id of an event; `id_at` finds it in its body.
    pub(crate) fn event_id(
        &self,
        verified: &Verified<'_>,
        headers: &HeaderMap,
        id_at: impl Fn(&str) -> Option<String>,
    ) -> Option<String> {
        match (&self.id_header, &self.id_pointer, verified.id) {
            (Some(name), _, _) => header(headers, name),
            (None, Some(pointer), _) => id_at(pointer),
            (None, None, Some(id)) => Some(id.to_owned()),
            (None, None, None) => id_at(ID_POINTER),
        }
    }
}
