//! The payload of an event: as a publisher gives it, JSON, a text or bytes, and as views show it.

use super::problem::{Code, Problem};
use axum::http::{HeaderMap, HeaderName, header};
use postrider::engine::base64;
use postrider::engine::json::without_mark;
use postrider::{Event, InvalidPayloadType, PayloadType};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use std::borrow::Cow;

/// What a text is, unless the publisher says otherwise.
const TEXT: &str = "text/plain; charset=utf-8";

/// What bytes are, likewise (RFC 9110, section 8.3).
const BYTES: &str = "application/octet-stream";

/// A payload, and what it is.
pub(crate) struct Given<'a> {
    pub(crate) bytes: Cow<'a, [u8]>,
    pub(crate) kind: PayloadType,
}

/// The fields of an event that say what its payload is.
pub(crate) struct Fields<'a> {
    pub(crate) json: Option<&'a RawValue>,
    pub(crate) text: Option<&'a str>,
    pub(crate) base64: Option<&'a str>,
    pub(crate) media_type: Option<&'a str>,
    pub(crate) coding: Option<&'a str>,
}

impl<'a> Fields<'a> {
    /// The payload that they give.
    pub(crate) fn read(&self) -> Result<Given<'a>, Problem> {
        let (bytes, usual) = match (self.json, self.text, self.base64) {
            (Some(json), None, None) => (
                Cow::Borrowed(json.get().as_bytes()),
                PayloadType::default().media_type().to_owned(),
            ),
            (None, Some(text), None) => (Cow::Borrowed(text.as_bytes()), TEXT.to_owned()),
            (None, None, Some(text)) => {
                let detail = "this is not base64 (RFC 4648, section 4)";
                let bytes = base64::decode(text);
                let bytes = bytes.ok_or_else(|| refused("/payload_base64", detail))?;
                (Cow::Owned(bytes), BYTES.to_owned())
            }
            _ => {
                let detail = "give one of `payload` (JSON), `payload_text` and `payload_base64`";
                return Err(Problem::new(Code::InvalidBody, detail).at("/payload", detail));
            }
        };
        let kind = PayloadType::new(self.media_type.unwrap_or(&usual), self.coding);
        let kind = kind.map_err(|error| refused(place(error), error))?;
        if kind.coding().is_some() && self.base64.is_none() {
            let detail = "what is coded is no text: give its bytes as `payload_base64`";
            return Err(refused("/content_encoding", detail));
        }
        if self.json.is_some() && !kind.is_json() {
            let detail =
                "`payload` is JSON: give anything else as `payload_text` or `payload_base64`";
            return Err(refused("/content_type", detail));
        }
        Ok(Given { bytes, kind })
    }
}

fn place(error: InvalidPayloadType) -> &'static str {
    match error {
        InvalidPayloadType::MediaType => "/content_type",
        InvalidPayloadType::Coding => "/content_encoding",
    }
}

fn refused(place: &str, detail: impl std::fmt::Display) -> Problem {
    Problem::new(Code::InvalidEvent, &detail).at(place, detail)
}

/// A field that is there: `null` is a value like any other, and no text.
pub(crate) fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// What the body of a request is, if its headers say that; `None` if they do not name its type.
pub(crate) fn of_headers(headers: &HeaderMap) -> Result<Option<PayloadType>, InvalidPayloadType> {
    let media_type = joined(headers, header::CONTENT_TYPE);
    let coding = joined(headers, header::CONTENT_ENCODING);
    if media_type.is_none() && coding.is_none() {
        return Ok(None);
    }
    let media_type = media_type.as_deref().unwrap_or(BYTES);
    PayloadType::new(media_type, coding.as_deref()).map(Some)
}

/// What the body of a request is; bytes, if its headers do not say.
pub(crate) fn of_body(headers: &HeaderMap) -> Result<PayloadType, Problem> {
    let kind = match of_headers(headers) {
        Ok(Some(kind)) => return Ok(kind),
        Ok(None) => PayloadType::new(BYTES, None),
        Err(error) => Err(error),
    };
    kind.map_err(|error| Problem::new(Code::InvalidHeader, error))
}

/// The values of a header as one (RFC 9110, section 5.3).
fn joined(headers: &HeaderMap, name: HeaderName) -> Option<String> {
    let values = headers.get_all(name).iter();
    let values: Vec<_> = values
        .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
        .collect();
    (!values.is_empty()).then(|| values.join(", "))
}

/// A payload as views show it: in one of these.
#[derive(Debug, Default)]
pub(crate) struct Shown {
    pub(crate) json: Option<Box<RawValue>>,
    pub(crate) text: Option<String>,
    pub(crate) base64: Option<String>,
}

impl Shown {
    pub(crate) fn of(event: &Event) -> Self {
        let (payload, kind) = (&event.payload[..], &event.payload_type);
        if kind.is_json() {
            let json: Option<Box<RawValue>> = serde_json::from_slice(without_mark(payload)).ok();
            let text = || String::from_utf8_lossy(payload).into_owned();
            return Self {
                text: json.is_none().then(text),
                json,
                base64: None,
            };
        }
        let text = str::from_utf8(payload).ok();
        match text.filter(|_| kind.coding().is_none()) {
            Some(text) => Self {
                text: Some(text.to_owned()),
                ..Self::default()
            },
            None => Self {
                base64: Some(base64::encode(payload)),
                ..Self::default()
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: Fields<'_> = Fields {
        json: None,
        text: None,
        base64: None,
        media_type: None,
        coding: None,
    };

    fn told(fields: &Fields<'_>) -> (Vec<u8>, String) {
        let given = fields.read().unwrap();
        (given.bytes.into_owned(), given.kind.to_string())
    }

    fn pointer(fields: &Fields<'_>) -> String {
        let problem = fields.read().err().unwrap();
        let problem = serde_json::to_value(&problem).unwrap();
        problem["errors"][0]["pointer"].as_str().unwrap().to_owned()
    }

    #[test]
    fn json_a_text_and_bytes_have_each_their_usual_type() {
        let json: &RawValue = serde_json::from_str(r#"{"a": 1.0}"#).unwrap();
        let json = Fields {
            json: Some(json),
            ..NOTHING
        };
        let text = Fields {
            text: Some("a=b"),
            ..NOTHING
        };
        let bytes = Fields {
            base64: Some("AP8"),
            ..NOTHING
        };
        let plain = "application/json".to_owned();
        assert_eq!(told(&json), (br#"{"a": 1.0}"#.to_vec(), plain));
        assert_eq!(told(&text), (b"a=b".to_vec(), TEXT.to_owned()));
        assert_eq!(told(&bytes), (vec![0, 255], BYTES.to_owned()));
        let form = "application/x-www-form-urlencoded";
        let text = Fields {
            media_type: Some(form),
            ..text
        };
        assert_eq!(told(&text).1, form);
        let bytes = Fields {
            coding: Some("gzip"),
            media_type: Some("text/csv"),
            ..bytes
        };
        assert_eq!(told(&bytes).1, "text/csv (gzip)");
        assert_eq!(
            pointer(&Fields {
                media_type: Some(form),
                ..json
            }),
            "/content_type"
        );
    }

    #[test]
    fn what_does_not_fit_together_is_refused_where_it_stands() {
        let text = Fields {
            text: Some("x"),
            ..NOTHING
        };
        let both = Fields {
            base64: Some("AA=="),
            ..text
        };
        assert_eq!(pointer(&NOTHING), "/payload");
        assert_eq!(pointer(&both), "/payload");
        let odd = Fields {
            base64: Some("A"),
            ..NOTHING
        };
        assert_eq!(pointer(&odd), "/payload_base64");
        let coded = Fields {
            coding: Some("gzip"),
            ..text
        };
        assert_eq!(pointer(&coded), "/content_encoding");
        let no_type = Fields {
            media_type: Some("xml"),
            ..text
        };
        assert_eq!(pointer(&no_type), "/content_type");
    }

    #[test]
    fn headers_say_what_a_body_is() {
        let mut headers = HeaderMap::new();
        assert_eq!(of_headers(&headers), Ok(None));
        assert_eq!(of_body(&headers).unwrap().media_type(), BYTES);
        headers.append(header::CONTENT_ENCODING, "deflate".parse().unwrap());
        headers.append(header::CONTENT_ENCODING, "gzip".parse().unwrap());
        headers.insert(header::CONTENT_TYPE, "text/xml".parse().unwrap());
        let kind = of_body(&headers).unwrap();
        assert_eq!(kind.to_string(), "text/xml (deflate, gzip)");
        headers.insert(header::CONTENT_TYPE, "xml".parse().unwrap());
        assert!(of_body(&headers).is_err());
    }
}
