//! The body of a webhook: JSON, a form, or something else.

use crate::api::payload;
use axum::http::{HeaderMap, header};
use bytes::Bytes;
use postrider::PayloadType;
use postrider::engine::json::{Document, Unreadable, without_mark};
use serde_json::{Map, Value};
use std::borrow::Cow;

/// The field of a form that holds JSON: interactions of Slack, and GitHub where a hook sends forms.
const PAYLOAD: &str = "payload";

/// A body, read once.
pub(super) struct Content {
    /// What is published.
    pub(super) payload: Bytes,
    /// What that is, as the provider says. A form becomes JSON.
    pub(super) payload_type: PayloadType,
    /// Which kind of body it was.
    pub(super) kind: Kind,
}

/// What a body was, before it became a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// JSON, or anything that is no form: published byte for byte, under its type and coding.
    Plain,
    /// A form with JSON in its field `payload`: published is that, byte for byte.
    JsonInForm,
    /// Any other form: published is an object with its fields.
    Form,
}

impl Content {
    /// A body as it came.
    pub(super) fn of(headers: &HeaderMap, body: Bytes) -> Self {
        Self::typed(headers, type_of(headers), body)
    }

    /// What was packed in the body: the coding that the headers name is undone.
    pub(super) fn unpacked(headers: &HeaderMap, plain: Bytes) -> Self {
        let coded = type_of(headers);
        let payload_type = PayloadType::new(coded.media_type(), None).unwrap_or_default();
        Self::typed(headers, payload_type, plain)
    }

    fn typed(headers: &HeaderMap, payload_type: PayloadType, body: Bytes) -> Self {
        if !is_form(headers) || payload_type.coding().is_some() {
            return Self {
                payload: body,
                payload_type,
                kind: Kind::Plain,
            };
        }
        let payload_type = PayloadType::default();
        let mut fields = url::form_urlencoded::parse(&body);
        if let Some((_, text)) = fields.find(|(name, _)| name == PAYLOAD)
            && Document::read(text.as_bytes()).is_ok()
        {
            return Self {
                payload: text.into_owned().into(),
                payload_type,
                kind: Kind::JsonInForm,
            };
        }
        Self {
            payload: Value::Object(object(&body)).to_string().into(),
            payload_type,
            kind: Kind::Form,
        }
    }

    /// The payload, to look things up.
    pub(super) fn read(&self) -> Said<'_> {
        Said {
            payload: &self.payload,
            json: Document::read(&self.payload),
            kind: self.kind,
        }
    }
}

/// What a payload says.
pub(super) struct Said<'c> {
    payload: &'c [u8],
    json: Result<Document<'c>, Unreadable>,
    pub(super) kind: Kind,
}

impl Said<'_> {
    /// Why the payload cannot be read as JSON, if it cannot.
    pub(super) fn unreadable(&self) -> Option<Unreadable> {
        self.json.as_ref().err().copied()
    }

    /// Whether the payload begins as a JSON object does, wherever it breaks off.
    pub(super) fn begins_as_object(&self) -> bool {
        let text = without_mark(self.payload).trim_ascii_start();
        text.starts_with(b"{")
    }

    /// The text or the number at this place (RFC 6901), if there is one.
    pub(super) fn text_at(&self, pointer: &str) -> Option<String> {
        let value = self.json.as_ref().ok()?.pointer(pointer)?;
        let text = value.text().map(Cow::into_owned);
        text.or_else(|| value.number().map(str::to_owned))
    }

    /// The same, for what tells one event from another: a text of which a part cannot be read is
    /// given as it is spelled, so that two that differ there stay different.
    pub(super) fn id_at(&self, pointer: &str) -> Option<String> {
        let text = self.text_at(pointer)?;
        if !text.contains(char::REPLACEMENT_CHARACTER) {
            return Some(text);
        }
        let value = self.json.as_ref().ok()?.pointer(pointer)?;
        Some(value.raw().escape_ascii().to_string())
    }
}

/// What a sender says that can be no type is passed over: the webhook is taken all the same.
fn type_of(headers: &HeaderMap) -> PayloadType {
    payload::of_headers(headers)
        .ok()
        .flatten()
        .unwrap_or_default()
}

fn is_form(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE);
    let text = value.and_then(|value| value.to_str().ok()).unwrap_or("");
    let essence = text.split(';').next().unwrap_or("").trim();
    essence.eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

/// The fields as strings; one that repeats as a list of strings.
fn object(body: &[u8]) -> Map<String, Value> {
    let mut object = Map::new();
    for (name, text) in url::form_urlencoded::parse(body) {
        let text = Value::String(text.into_owned());
        match object.get_mut(&*name) {
            None => {
                object.insert(name.into_owned(), text);
            }
            Some(Value::Array(texts)) => texts.push(text),
            Some(first) => *first = Value::Array(vec![first.take(), text]),
        }
    }
    object
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(media_type: &str, body: &'static str) -> Content {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, media_type.parse().unwrap());
        Content::of(&headers, Bytes::from_static(body.as_bytes()))
    }

    const FORM: &str = "application/x-www-form-urlencoded; charset=UTF-8";

    #[test]
    fn what_is_no_form_stays_as_it_is() {
        for body in [r#"{ "a" : 1.0 }"#, "<a/>", "a=b", ""] {
            let content = content("application/json", body);
            assert_eq!(
                (&content.payload[..], content.kind),
                (body.as_bytes(), Kind::Plain)
            );
        }
    }

    #[test]
    fn what_is_no_form_keeps_its_type_and_its_coding() {
        let xml = content("application/xml; charset=utf-8", "<a/>");
        assert_eq!(
            xml.payload_type.to_string(),
            "application/xml; charset=utf-8"
        );
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, FORM.parse().unwrap());
        headers.insert(header::CONTENT_ENCODING, "gzip".parse().unwrap());
        let packed = Content::of(&headers, Bytes::from_static(b"\x1f\x8b"));
        assert_eq!(
            (packed.kind, packed.payload_type.coding()),
            (Kind::Plain, Some("gzip"))
        );
        let unpacked = Content::unpacked(&headers, Bytes::from_static(b"a=b"));
        assert_eq!(unpacked.kind, Kind::Form, "the coding is undone");
        for (media_type, body) in [
            ("application/json", "{}"),
            ("nonsense", "{}"),
            (FORM, "a=b"),
        ] {
            assert!(
                content(media_type, body).payload_type.is_default(),
                "{media_type}"
            );
        }
        let nothing = Content::of(&HeaderMap::new(), Bytes::from_static(b"<a/>"));
        assert!(nothing.payload_type.is_default());
    }

    #[test]
    fn a_form_becomes_an_object_of_its_fields() {
        let content = content(FORM, "b=2&a=1%20%2B&list=x&list=y&list=z&payload=no+json");
        let object = r#"{"a":"1 +","b":"2","list":["x","y","z"],"payload":"no json"}"#;
        assert_eq!(
            (&content.payload[..], content.kind),
            (object.as_bytes(), Kind::Form)
        );
        assert_eq!(content.read().text_at("/a").as_deref(), Some("1 +"));
    }

    #[test]
    fn what_a_strict_parser_refuses_is_read_and_stays_as_it_is() {
        for body in [
            "\u{feff}{\"type\": \"a.b\", \"id\": 12345678901234567890123}",
            r#"{"note": "caf\ud83d", "far": 1e400, "type": "a.b", "id": 12345678901234567890123}"#,
        ] {
            let content = content("application/json", body);
            assert_eq!(&content.payload[..], body.as_bytes());
            let said = content.read();
            assert_eq!(said.unreadable(), None);
            assert_eq!(said.text_at("/type").as_deref(), Some("a.b"));
            let id = said.id_at("/id");
            assert_eq!(id.as_deref(), Some("12345678901234567890123"));
        }
        let unreadable = content("application/json", r#"{"type": "a.b""#);
        assert_eq!(unreadable.read().text_at("/type"), None);
        assert!(unreadable.read().begins_as_object());
        let marked = content("application/json", "\u{feff} \r\n{\"type\"");
        assert!(marked.read().begins_as_object());
        assert!(!content("application/json", "[{").read().begins_as_object());
        assert_eq!(unreadable.read().unreadable().unwrap().at, 14);
    }

    #[test]
    fn ids_that_differ_in_what_cannot_be_read_stay_different() {
        let id = |body| content("application/json", body).read().id_at("/id");
        let (one, other) = (id(r#"{"id": "a\ud83d"}"#), id(r#"{"id": "a\ud83e"}"#));
        assert!(one.is_some() && other.is_some());
        assert_ne!(one, other);
        assert_eq!(id(r#"{"id": "a\u00e9"}"#).as_deref(), Some("a\u{e9}"));
    }

    #[test]
    fn json_in_a_form_is_taken_out() {
        let content = content(FORM, "payload=%7B+%22id%22%3A+7%7D&x=1");
        let inner = br#"{ "id": 7}"#;
        assert_eq!(
            (&content.payload[..], content.kind),
            (&inner[..], Kind::JsonInForm)
        );
        assert_eq!(content.read().text_at("/id").as_deref(), Some("7"));
        assert_eq!(content.read().text_at("/none"), None);
    }
}
