//! The body of a webhook: JSON, a form, or something else.

use axum::http::{HeaderMap, header};
use bytes::Bytes;
use serde_json::{Map, Value};

/// The field of a form that holds JSON: interactions of Slack, and GitHub where a hook sends forms.
const PAYLOAD: &str = "payload";

/// A body, read once.
pub(super) struct Content {
    /// What is published.
    pub(super) payload: Bytes,
    /// The same as a value, if it is JSON.
    json: Option<Value>,
    /// Which kind of body it was.
    pub(super) kind: Kind,
}

/// What a body was, before it became a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// JSON, or anything that is no form: published byte for byte.
    Plain,
    /// A form with JSON in its field `payload`: published is that, byte for byte.
    JsonInForm,
    /// Any other form: published is an object with its fields.
    Form,
}

impl Content {
    pub(super) fn of(headers: &HeaderMap, body: Bytes) -> Self {
        if !is_form(headers) {
            return Self {
                json: serde_json::from_slice(&body).ok(),
                payload: body,
                kind: Kind::Plain,
            };
        }
        let mut fields = url::form_urlencoded::parse(&body);
        if let Some((_, text)) = fields.find(|(name, _)| name == PAYLOAD)
            && let Ok(json) = serde_json::from_str(&text)
        {
            return Self {
                json: Some(json),
                payload: text.into_owned().into(),
                kind: Kind::JsonInForm,
            };
        }
        let object = Value::Object(object(&body));
        Self {
            payload: object.to_string().into(),
            json: Some(object),
            kind: Kind::Form,
        }
    }

    /// The text or the number at this place (RFC 6901), if there is one.
    pub(super) fn text_at(&self, pointer: &str) -> Option<String> {
        match self.json.as_ref()?.pointer(pointer)? {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        }
    }
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
    fn a_form_becomes_an_object_of_its_fields() {
        let content = content(FORM, "b=2&a=1%20%2B&list=x&list=y&list=z&payload=no+json");
        let object = r#"{"a":"1 +","b":"2","list":["x","y","z"],"payload":"no json"}"#;
        assert_eq!(
            (&content.payload[..], content.kind),
            (object.as_bytes(), Kind::Form)
        );
        assert_eq!(content.text_at("/a").as_deref(), Some("1 +"));
    }

    #[test]
    fn json_in_a_form_is_taken_out() {
        let content = content(FORM, "payload=%7B+%22id%22%3A+7%7D&x=1");
        let inner = br#"{ "id": 7}"#;
        assert_eq!(
            (&content.payload[..], content.kind),
            (&inner[..], Kind::JsonInForm)
        );
        assert_eq!(content.text_at("/id").as_deref(), Some("7"));
        assert_eq!(content.text_at("/none"), None);
    }
}
