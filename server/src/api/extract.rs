//! What a request brings, checked at the edge: JSON bodies, queries and ids.

use super::intake::{Room, broken_off, tree_bytes};
use super::problem::{Code, Problem};
use super::strict::Strict;
use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use postrider::engine::json::without_mark;
use serde::de::{self, DeserializeOwned};
use serde::{Deserialize, Deserializer};
use std::fmt::Display;
use std::str::FromStr;

/// The largest body of a request that is no event, in bytes.
pub(crate) const BODY_BYTES_MAX: usize = 256 << 10;

/// A JSON body of this form; unknown fields are refused by the types.
pub(crate) struct Json<T>(pub(crate) T);

/// The query, of this form.
pub(crate) struct Query<T>(pub(crate) T);

/// An id in the path. What is no id is not found: there is nothing under it.
pub(crate) struct Id<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        check_media_type(request.headers())?;
        let room = request.extensions().get().cloned();
        let body = read(request.into_body(), BODY_BYTES_MAX).await?;
        parse_within(room.as_ref(), &body).map(Self)
    }
}

/// A body that may be left out.
pub(crate) struct MaybeJson<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned + Default> FromRequest<S> for MaybeJson<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let headers = request.headers().clone();
        let room = request.extensions().get().cloned();
        let body = read(request.into_body(), BODY_BYTES_MAX).await?;
        if body.is_empty() {
            return Ok(Self(T::default()));
        }
        check_media_type(&headers)?;
        let value: Option<T> = parse_within(room.as_ref(), &body)?;
        Ok(Self(value.unwrap_or_default()))
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let read = axum::extract::Query::<T>::from_request_parts(parts, state).await;
        read.map(|query| Self(query.0))
            .map_err(|error| Problem::new(Code::InvalidQuery, in_our_words(&error.body_text())))
    }
}

/// What the libraries say of a parameter, and how to say it to whoever has written it.
const OUR_WORDS: &[(&str, &str)] = &[
    ("Failed to deserialize query string: ", ""),
    (
        "invalid digit found in string",
        "write a whole number, in digits alone",
    ),
    (
        "cannot parse integer from empty string",
        "write a whole number, in digits alone",
    ),
    (
        "number too large to fit in target type",
        "the number is too large",
    ),
    (
        "number too small to fit in target type",
        "the number is too small",
    ),
    (
        "provided string was not `true` or `false`",
        "write true or false",
    ),
];

fn in_our_words(text: &str) -> String {
    let words = OUR_WORDS.iter();
    words.fold(text.to_owned(), |text, (theirs, ours)| {
        text.replace(theirs, ours)
    })
}

impl<S: Send + Sync, T: FromStr> FromRequestParts<S> for Id<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let nothing = || Problem::not_found("such thing: the path has no id of this kind");
        let text = Path::<String>::from_request_parts(parts, state).await;
        let Path(text) = text.map_err(|_| nothing())?;
        text.parse().map(Self).map_err(|_| nothing())
    }
}

/// Whether the body says that it is JSON (`application/json`, or anything that ends in `+json`).
pub(crate) fn check_media_type(headers: &HeaderMap) -> Result<(), Problem> {
    let value = headers.get(header::CONTENT_TYPE);
    let text = value.and_then(|value| value.to_str().ok()).unwrap_or("");
    let essence = text
        .split(';')
        .next()
        .unwrap_or("")
        .trim()
        .to_ascii_lowercase();
    if essence == "application/json" || essence.ends_with("+json") {
        return Ok(());
    }
    let found = if text.is_empty() { "nothing" } else { text };
    Err(Problem::new(
        Code::UnsupportedMediaType,
        format_args!("expected Content-Type: application/json, found {found}"),
    ))
}

/// What is read of a body that is too large before the connection is given up: most clients look
/// for an answer only when they have sent everything.
const DISCARDED_BYTES_MAX: usize = 8 << 20;

/// The bytes of a body of at most `most`.
pub(crate) async fn read(body: Body, most: usize) -> Result<Bytes, Problem> {
    read_by_parts(body, most, |_| ()).await
}

/// The same, with each part shown as it comes, in order, as long as they are not too much together.
pub(crate) async fn read_by_parts(
    mut body: Body,
    most: usize,
    mut show: impl FnMut(&[u8]),
) -> Result<Bytes, Problem> {
    let mut kept = BytesMut::new();
    let mut seen = 0_usize;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| broken_off(&error))?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        seen = seen.saturating_add(data.len());
        if seen <= most {
            show(&data);
            kept.extend_from_slice(&data);
        } else if seen > DISCARDED_BYTES_MAX {
            break;
        }
    }
    if seen > most {
        let detail = format!("the body has more than {most} bytes");
        return Err(Problem::new(Code::BodyTooLarge, detail));
    }
    Ok(kept.freeze())
}

/// For fields that are texts of a certain form.
pub(crate) fn text<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr,
    T::Err: Display,
{
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(de::Error::custom)
}

/// The same, for fields that may be left out.
pub(crate) fn maybe_text<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr,
    T::Err: Display,
{
    let text = Option::<String>::deserialize(deserializer)?;
    text.map(|text| text.parse().map_err(de::Error::custom))
        .transpose()
}

/// The same as [`parse`], where the form may hold values of any kind: what they take is counted.
fn parse_within<T: DeserializeOwned>(room: Option<&Room>, body: &[u8]) -> Result<T, Problem> {
    if let Some(room) = room {
        room.grow(tree_bytes(body))?;
    }
    parse(body)
}

/// JSON of this form, or which place is wrong. A byte order mark before it is passed over.
pub(crate) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    let mut reader = serde_json::Deserializer::from_slice(without_mark(body));
    let read = serde_path_to_error::deserialize(Strict(&mut reader));
    let value = read.map_err(|error| {
        let pointer = pointer(error.path());
        let error = error.into_inner();
        match error.classify() {
            serde_json::error::Category::Data => {
                let detail = without_place(&error.to_string());
                Problem::new(Code::InvalidBody, &detail).at(pointer, detail)
            }
            _ => Problem::new(Code::BadJson, error),
        }
    })?;
    reader
        .end()
        .map_err(|error| Problem::new(Code::BadJson, error))?;
    Ok(value)
}

/// A JSON pointer (RFC 6901).
fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    let mut pointer = String::new();
    for segment in path {
        match segment {
            Segment::Seq { index } => pointer.push_str(&format!("/{index}")),
            Segment::Map { key } => {
                pointer.push('/');
                pointer.push_str(&key.replace('~', "~0").replace('/', "~1"));
            }
            Segment::Enum { .. } | Segment::Unknown => (),
        }
    }
    pointer
}

/// The message without ` at line 1 column 2`: the pointer says it better.
fn without_place(message: &str) -> String {
    let end = message.rfind(" at line ").unwrap_or(message.len());
    message[..end].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Form {
        #[allow(dead_code)]
        list: Vec<u8>,
    }

    fn refused(body: &str) -> serde_json::Value {
        let problem = parse::<Form>(body.as_bytes()).unwrap_err();
        serde_json::to_value(&problem).unwrap()
    }

    #[test]
    fn a_wrong_place_is_named_by_its_pointer() {
        let problem = refused(r#"{"list": [1, "2"]}"#);
        assert_eq!(problem["code"], "invalid_body");
        assert_eq!(problem["errors"][0]["pointer"], "/list/1");
        assert_eq!(refused(r#"{"lists": []}"#)["code"], "invalid_body");
    }

    #[test]
    fn a_byte_order_mark_is_passed_over() {
        assert!(parse::<Form>("\u{feff}{\"list\": []}".as_bytes()).is_ok());
    }

    #[test]
    fn what_is_no_json_is_told_apart_from_what_has_the_wrong_form() {
        assert_eq!(refused("{")["code"], "bad_json");
        assert_eq!(refused(r#"{"list":[]} more"#)["code"], "bad_json");
    }
}
