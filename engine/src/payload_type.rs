//! What the bytes of a payload are: their media type and their content coding.

use std::fmt;
use std::sync::Arc;

/// The media type of JSON (RFC 8259, section 11).
pub(crate) const JSON: &str = "application/json";

/// The media type of a payload and, if its bytes are coded, how: the `Content-Type` and the
/// `Content-Encoding` (RFC 9110, sections 8.3 and 8.4) of a request that has these bytes as its body.
/// JSON without a coding, unless said otherwise.
///
/// ```
/// use postrider_engine::PayloadType;
///
/// let xml = PayloadType::new("application/xml; charset=utf-8", None)?;
/// assert_eq!(xml.media_type(), "application/xml; charset=utf-8");
/// assert!(!xml.is_json());
///
/// let packed = PayloadType::new("application/json", Some("gzip"))?;
/// assert_eq!(packed.coding(), Some("gzip"));
/// assert!(!packed.is_json(), "its bytes are not");
///
/// assert!(PayloadType::default().is_json());
/// assert_eq!(PayloadType::default().media_type(), "application/json");
/// assert!(PayloadType::new("json", None).is_err());
/// # Ok::<(), postrider_engine::InvalidPayloadType>(())
/// ```
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PayloadType(Option<Arc<Named>>);

#[derive(PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Named {
    media_type: Box<str>,
    coding: Option<Box<str>>,
}

/// Why a media type or a content coding was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPayloadType {
    /// The media type is of the wrong form.
    #[error(
        "a media type is at most {} bytes of visible ASCII, such as application/xml or text/csv; charset=utf-8",
        PayloadType::BYTES_MAX
    )]
    MediaType,
    /// The content coding is.
    #[error(
        "a content coding is at most {} bytes, such as gzip, or several with commas between",
        PayloadType::CODING_BYTES_MAX
    )]
    Coding,
}

impl PayloadType {
    /// The longest media type with its parameters, in bytes. A boundary of `multipart` has at most 70
    /// (RFC 2046, section 5.1.1).
    pub const BYTES_MAX: usize = 255;
    /// The longest list of content codings, in bytes.
    pub const CODING_BYTES_MAX: usize = 64;

    /// The media type with its parameters, as a `Content-Type` has it, and the content codings in the
    /// order in which they were applied, as a `Content-Encoding` has them. Both are kept as they are
    /// given, except that `identity` is no coding, names of codings become lower case, and JSON that
    /// says nothing but that it is UTF-8 is JSON.
    ///
    /// # Errors
    ///
    /// [`InvalidPayloadType`] says which of them is of the wrong form.
    pub fn new(media_type: &str, coding: Option<&str>) -> Result<Self, InvalidPayloadType> {
        let media_type = media_type.trim_matches([' ', '\t']);
        if !is_media_type(media_type) {
            return Err(InvalidPayloadType::MediaType);
        }
        let coding = coding.map(codings).transpose()?.flatten();
        if coding.is_none() && is_plain_json(media_type) {
            return Ok(Self(None));
        }
        Ok(Self(Some(Arc::new(Named {
            media_type: media_type.into(),
            coding,
        }))))
    }

    /// The media type with its parameters.
    #[must_use]
    pub fn media_type(&self) -> &str {
        self.0.as_ref().map_or(JSON, |named| &named.media_type)
    }

    /// The content codings, if there are any.
    #[must_use]
    pub fn coding(&self) -> Option<&str> {
        self.0.as_ref()?.coding.as_deref()
    }

    /// Whether it is what a payload is unless said otherwise: `application/json`, without a coding.
    #[must_use]
    pub fn is_default(&self) -> bool {
        self.0.is_none()
    }

    /// Whether the bytes are JSON as they stand: `application/json`, `text/json`, or a type that ends
    /// in `+json` (RFC 6839, section 3.1), without a coding.
    #[must_use]
    pub fn is_json(&self) -> bool {
        let Some(named) = &self.0 else {
            return true;
        };
        let essence = essence(&named.media_type).to_ascii_lowercase();
        named.coding.is_none()
            && (essence == JSON || essence == "text/json" || essence.ends_with("+json"))
    }
}

/// The type and the subtype, without parameters.
fn essence(media_type: &str) -> &str {
    let end = media_type.find(';').unwrap_or(media_type.len());
    media_type[..end].trim_end_matches([' ', '\t'])
}

/// What real senders write behind the type is not always what the grammar has: it is enough that it can
/// stand in a header.
fn is_media_type(text: &str) -> bool {
    let visible = |byte: u8| (0x20..0x7f).contains(&byte) || byte == b'\t';
    let Some((kind, subtype)) = essence(text).split_once('/') else {
        return false;
    };
    text.len() <= PayloadType::BYTES_MAX
        && text.bytes().all(visible)
        && is_token(kind)
        && is_token(subtype)
}

/// `application/json`, alone or with the parameter that says what JSON is anyway (RFC 8259, section 8.1).
fn is_plain_json(media_type: &str) -> bool {
    if !essence(media_type).eq_ignore_ascii_case(JSON) {
        return false;
    }
    let mut parameters = media_type.split(';').skip(1).map(str::trim);
    parameters.all(|parameter| {
        let parameter = parameter.to_ascii_lowercase();
        matches!(
            &*parameter,
            "" | "charset=utf-8" | "charset=\"utf-8\"" | "charset=utf8"
        )
    })
}

/// The codings, with one space behind each comma; none if there is nothing, or nothing but `identity`.
fn codings(text: &str) -> Result<Option<Box<str>>, InvalidPayloadType> {
    if text.len() > PayloadType::CODING_BYTES_MAX {
        return Err(InvalidPayloadType::Coding);
    }
    let mut list = String::new();
    for coding in text.split(',') {
        let coding = coding.trim_matches([' ', '\t']).to_ascii_lowercase();
        // An element of a list may be empty (RFC 9110, section 5.6.1.2).
        if coding.is_empty() || coding == "identity" {
            continue;
        }
        if !is_token(&coding) {
            return Err(InvalidPayloadType::Coding);
        }
        if !list.is_empty() {
            list.push_str(", ");
        }
        list.push_str(&coding);
    }
    // Spaces may make it longer than what was given.
    if list.len() > PayloadType::CODING_BYTES_MAX {
        return Err(InvalidPayloadType::Coding);
    }
    Ok((!list.is_empty()).then(|| list.into()))
}

/// RFC 9110, section 5.6.2.
fn is_token(text: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(is_part)
}

impl fmt::Display for PayloadType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.media_type())?;
        match self.coding() {
            Some(coding) => write!(f, " ({coding})"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for PayloadType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PayloadType({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new(media_type: &str, coding: Option<&str>) -> PayloadType {
        PayloadType::new(media_type, coding).unwrap_or_else(|error| panic!("{media_type}: {error}"))
    }

    #[test]
    fn a_type_is_kept_as_it_is_given() {
        for text in [
            "application/xml",
            "Text/CSV; Charset=ISO-8859-1",
            "multipart/form-data; boundary=\"----a b:c\"",
            "application/vnd.api+json",
            "application/x-www-form-urlencoded",
            "application/json; profile=x",
            "text/plain;",
        ] {
            let known = new(&format!(" {text}\t"), None);
            assert_eq!((known.media_type(), known.coding()), (text, None));
            assert!(!known.is_default(), "{text}");
        }
    }

    #[test]
    fn json_that_says_that_it_is_utf_8_is_the_default() {
        for text in [
            "application/json",
            "Application/JSON",
            "application/json; charset=utf-8",
            "application/json;charset=\"UTF-8\" ;",
        ] {
            assert_eq!(new(text, None), PayloadType::default(), "{text}");
            assert_eq!(new(text, Some("identity")), PayloadType::default());
        }
    }

    #[test]
    fn what_is_json_is_told_from_what_is_not() {
        for (media_type, coding, is_json) in [
            ("application/json", None, true),
            ("application/cloudevents+json; charset=utf-8", None, true),
            ("text/json", None, true),
            ("application/json", Some("gzip"), false),
            ("application/jsonl", None, false),
            ("application/json-seq", None, false),
            ("text/plain", None, false),
        ] {
            assert_eq!(new(media_type, coding).is_json(), is_json, "{media_type}");
        }
    }

    #[test]
    fn codings_are_a_list_of_names() {
        assert_eq!(new("a/b", Some("GZIP")).coding(), Some("gzip"));
        assert_eq!(
            new("a/b", Some("deflate,gzip")).coding(),
            Some("deflate, gzip")
        );
        assert_eq!(new("a/b", Some("identity, br")).coding(), Some("br"));
        assert_eq!(new("a/b", Some("gzip, ,")).coding(), Some("gzip"));
        assert_eq!(new("a/b", Some("")).coding(), None);
        for coding in ["gz ip", "gzip\r\nx: y", &"x".repeat(65), &"x,".repeat(32)] {
            let refused = PayloadType::new("a/b", Some(coding));
            assert_eq!(refused, Err(InvalidPayloadType::Coding), "{coding}");
        }
    }

    #[test]
    fn nothing_that_could_not_stand_in_a_header_is_a_type() {
        let long = format!("text/plain; x={}", "y".repeat(PayloadType::BYTES_MAX));
        for text in [
            "",
            "json",
            "/",
            "a/",
            "/b",
            "a b/c",
            "a/b\r\nx: y",
            "a/b; x=\u{e9}",
            "a/b\0",
            &long,
        ] {
            let refused = PayloadType::new(text, None);
            assert_eq!(refused, Err(InvalidPayloadType::MediaType), "{text:?}");
        }
    }
}
