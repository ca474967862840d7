//! A JSON document with parts of an event in it.

mod read;
#[cfg(test)]
mod tests;

use crate::delivery::Event;
use crate::json::{Kind, Value};
use crate::payload_form::{Body, BodyTooLarge, Data, RenderContext, quoted};
use crate::time::Wall;
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

/// A JSON document with placeholders in its strings.
///
/// A string that is one placeholder, `"{{data.amount}}"`, becomes the value at that path, with its
/// exact source text: numbers keep their digits. In a longer string, `"{{data.amount}} paid"`, a
/// placeholder becomes the text of the value: that of a string without its quotes, and nothing for
/// `null`. A path is one of these:
///
/// | path | what it becomes |
/// |---|---|
/// | `id`, `type` | of the event |
/// | `timestamp` | when it was published, as in `"2026-11-22T10:00:00.000Z"` |
/// | `timestamp_seconds`, `timestamp_ms` | the same as a number, since 1970 |
/// | `content_type`, `content_encoding` | what the payload is; the second is `null` if it is not coded |
/// | `delivery_id` | the delivery |
/// | `attempt`, `previous_attempts` | the number of the attempt, from 1, and one less |
/// | `sent_at`, `sent_at_seconds`, `sent_at_ms` | when the attempt starts |
/// | `headers` | the headers of the event, as an object |
/// | `headers.NAME` | the one with this name, in any case; `null` if there is none |
/// | `data` | the payload |
///
/// `data` goes on into the payload by names and, in arrays, by places from 0: `data.items.0.price`. One
/// that leads nowhere is `null`. The document keeps the order of its members, and so does what is taken
/// of the payload, which is read as [`crate::json`] says: numbers and members of the same name stay as
/// they are given, and what JSON does not have becomes what it has. A payload of a type that is not JSON
/// is a string, unless it is a JSON object; if it is coded or is not UTF-8, a string of base64.
///
/// With `attempt`, `previous_attempts` or `sent_at` in it, the bodies of a delivery's attempts differ:
/// the receiver of a repeat knows it by its id, not by its bytes. Each body is on record as it was sent.
///
/// ```
/// use postrider_engine::Template;
///
/// let text = r#"{"text": "{{data.customer.name}} paid", "amount": "{{data.amount}}"}"#;
/// let template = Template::new("chat", 1, text)?;
/// assert_eq!(template.text(), text);
///
/// let error = Template::new("chat", 2, r#"{"text": "{{payload.amount}}"}"#).unwrap_err();
/// assert!(error.to_string().contains("line 1, column 11"));
/// # Ok::<(), postrider_engine::InvalidTemplate>(())
/// ```
#[derive(Clone)]
pub struct Template(Arc<Parsed>);

struct Parsed {
    name: Box<str>,
    version: u32,
    text: Box<str>,
    pieces: Vec<Piece>,
    /// What is asked for, each once, in order.
    paths: Vec<Path>,
}

/// A part of the document.
enum Piece {
    /// As it stands.
    Text(Box<str>),
    /// The value at the path of this number.
    Value(usize),
    /// The same, within a string.
    Within(usize),
}

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Path {
    Id,
    Type,
    Published(Time),
    ContentType,
    ContentEncoding,
    DeliveryId,
    Attempt,
    PreviousAttempts,
    Sent(Time),
    /// All headers of the event.
    Headers,
    /// The one with this name, in lower case.
    Header(String),
    Data(Vec<String>),
}

/// How a time is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Time {
    /// RFC 3339, in a string.
    Text,
    /// Whole seconds since 1970.
    Seconds,
    /// Milliseconds since 1970.
    Millis,
}

/// Why a template was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTemplate {
    /// The name is of the wrong form.
    #[error(
        "the template's name is refused: use 1 to {} bytes without control characters",
        Template::NAME_BYTES_MAX
    )]
    Name,
    /// The document is.
    #[error("the template is refused at line {line}, column {column}: {problem}")]
    Text {
        /// Counted from 1.
        line: usize,
        /// Counted from 1, in bytes.
        column: usize,
        /// What is wrong there.
        problem: TemplateProblem,
    },
}

/// What is wrong with a template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateProblem {
    /// The text is too long.
    #[error("use at most {} bytes", Template::BYTES_MAX)]
    TooLong,
    /// The text is not JSON.
    #[error("it is not JSON: a placeholder stands within a string, as in \"{{{{data.amount}}}}\"")]
    NotJson,
    /// Objects and arrays stand within each other too often.
    #[error(
        "objects and arrays may stand within each other {} deep",
        Template::DEPTH_MAX
    )]
    TooDeep,
    /// Too many placeholders.
    #[error("use at most {} placeholders", Template::PLACEHOLDERS_MAX)]
    TooMany,
    /// A placeholder does not end.
    #[error("a placeholder begins here and does not end in its string: close it with }}}}")]
    Unclosed,
    /// A placeholder stands in the name of a member.
    #[error("the name of a member can have no placeholder: put it into the value")]
    InName,
    /// The path is of the wrong form.
    #[error(
        "a path is at most {} names or numbers joined by single dots, such as data.items.0",
        Template::DEPTH_MAX
    )]
    Path,
    /// A path into nothing that is known.
    #[error("there is no {name:?}: a path is {}, or begins with data.", read::NAMES.join(", "))]
    Unknown {
        /// The path, cut to 64 characters.
        name: String,
    },
}

impl Template {
    /// The longest name, in bytes.
    pub const NAME_BYTES_MAX: usize = 128;
    /// The longest document, in bytes.
    pub const BYTES_MAX: usize = 16 << 10;
    /// How deep objects and arrays may stand within each other, and the most parts of a path.
    pub const DEPTH_MAX: usize = 16;
    /// The most placeholders.
    pub const PLACEHOLDERS_MAX: usize = 64;

    /// A template of this document. Name and version are for those who look after templates; the
    /// engine keeps them.
    ///
    /// # Errors
    ///
    /// [`InvalidTemplate`] says what is wrong, and where.
    pub fn new(name: &str, version: u32, text: &str) -> Result<Self, InvalidTemplate> {
        if !(1..=Self::NAME_BYTES_MAX).contains(&name.len()) || name.chars().any(char::is_control) {
            return Err(InvalidTemplate::Name);
        }
        let (pieces, paths) = read::template(text)?;
        Ok(Self(Arc::new(Parsed {
            name: name.into(),
            version,
            text: text.into(),
            pieces,
            paths,
        })))
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Its version.
    #[must_use]
    pub fn version(&self) -> u32 {
        self.0.version
    }

    /// The document.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0.text
    }

    pub(crate) fn write(
        &self,
        event: &Event,
        sending: &RenderContext,
        body: &mut Body,
    ) -> Result<(), BodyTooLarge> {
        let data = Data::of(event);
        let values = self.0.paths.iter().map(|path| {
            Some(Cow::Owned(match path {
                Path::Id => quoted(event.id.to_string()),
                Path::Type => quoted(event.event_type.as_str()),
                Path::Published(form) => form.write(event.published_at),
                Path::ContentType => quoted(event.payload_type.media_type()),
                Path::ContentEncoding => quoted(event.payload_type.coding()?),
                Path::DeliveryId => quoted(sending.delivery.to_string()),
                Path::Attempt => sending.attempt.to_string(),
                Path::PreviousAttempts => sending.attempt.saturating_sub(1).to_string(),
                Path::Sent(form) => form.write(sending.at),
                Path::Headers => event.headers.json(),
                Path::Header(name) => quoted(event.headers.get(name)?),
                Path::Data(parts) => return data.at(parts),
            }))
        });
        let values: Vec<Option<Cow<'_, str>>> = values.collect();
        for piece in &self.0.pieces {
            match piece {
                Piece::Text(text) => body.push(text)?,
                Piece::Value(number) => body.push(values[*number].as_deref().unwrap_or("null"))?,
                Piece::Within(number) => {
                    let value = values[*number].as_deref().unwrap_or("null");
                    body.push(&within_string(value))?;
                }
            }
        }
        Ok(())
    }
}

impl Time {
    fn write(self, time: Wall) -> String {
        match self {
            Self::Text => quoted(time.to_rfc3339()),
            Self::Seconds => time.unix_seconds().to_string(),
            Self::Millis => time.0.to_string(),
        }
    }
}

/// What stands at the end of a path.
pub(crate) fn at<'d, 'j>(value: Value<'d, 'j>, path: &[String]) -> Option<Value<'d, 'j>> {
    path.iter()
        .try_fold(value, |value, part| match value.kind() {
            Kind::Object => value.member(part),
            Kind::Array => value.element(part.parse().ok()?),
            _ => None,
        })
}

/// A value as a part of a JSON string.
fn within_string(json: &str) -> Cow<'_, str> {
    let json = json.trim();
    let inner = |text: &str| text[1..text.len() - 1].to_owned();
    match json.as_bytes().first() {
        Some(b'"') => Cow::Borrowed(&json[1..json.len() - 1]),
        Some(b'{' | b'[') => Cow::Owned(inner(&quoted(json))),
        Some(b'n') => Cow::Borrowed(""),
        _ => Cow::Borrowed(json),
    }
}

impl PartialEq for Template {
    fn eq(&self, other: &Self) -> bool {
        self.text() == other.text()
            && self.name() == other.name()
            && self.version() == other.version()
    }
}

impl Eq for Template {}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Template")
            .field("name", &self.name())
            .field("version", &self.version())
            .field("text", &self.text())
            .finish()
    }
}
