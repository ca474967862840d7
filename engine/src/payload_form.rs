//! What the body of a request is made of: the payload as it is, or something around it.

#[cfg(test)]
mod tests;

use crate::base64;
use crate::delivery::Event;
use crate::id::DeliveryId;
use crate::json::{Document, Kind, is_strict, without_mark};
use crate::payload_type::PayloadType;
use crate::template::{self, Template};
use crate::time::Wall;
use bytes::Bytes;
use serde_json::Value;
use std::borrow::Cow;

/// What an endpoint is sent of an event. Its requests sign exactly these bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum PayloadForm {
    /// The payload, byte for byte, under its own media type and content coding. The others make JSON.
    #[default]
    Raw,
    /// `{"type":…,"timestamp":…,"data":…}`, as the Standard Webhooks specification recommends
    /// ("Payload structure"): the event's type, when it was published, and the payload byte for
    /// byte, or, if it cannot be read as JSON, as a JSON string ([`crate::json`] says what can). The
    /// same in every attempt. If the payload has another type than `application/json`, the envelope says
    /// so: `content_type`, and `content_encoding` if it is coded, before its data. Such a payload stays
    /// JSON if its type is, or if it is a JSON object. Otherwise `data` is its text, or, if it is not
    /// UTF-8 or is coded, `data_base64` stands for `data`.
    Envelope,
    /// A document with parts of the event in it. It may differ between the attempts: see [`Template`].
    Template(Template),
}

/// The request that a body is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RenderContext {
    /// The delivery.
    pub delivery: DeliveryId,
    /// 1 for its first attempt.
    pub attempt: u32,
    /// When the attempt starts.
    pub at: Wall,
}

/// A body is larger than `rendered_bytes_max`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the rendered body has more than {most} bytes (rendered_bytes_max): put less of the event into the template"
)]
pub struct BodyTooLarge {
    /// The bound.
    pub most: usize,
}

impl PayloadForm {
    /// The body for an event in this request. The same request gives the same bytes.
    ///
    /// # Errors
    ///
    /// If it becomes larger than `bytes_max`. A raw payload never does: it is taken as it is, and
    /// not copied.
    pub fn render(
        &self,
        event: &Event,
        sending: &RenderContext,
        bytes_max: usize,
    ) -> Result<Bytes, BodyTooLarge> {
        let mut body = Body::new(bytes_max);
        match self {
            Self::Raw => return Ok(event.payload.clone()),
            Self::Envelope => {
                let data = Data::of(event);
                for part in [
                    "{\"type\":\"",
                    event.event_type.as_str(),
                    "\",\"timestamp\":\"",
                    &event.published_at.to_rfc3339(),
                    "\"",
                    &told(&event.payload_type),
                    ",\"",
                    data.name(),
                    "\":",
                    &data.json(),
                    "}",
                ] {
                    body.push(part)?;
                }
            }
            Self::Template(template) => template.write(event, sending, &mut body)?,
        }
        Ok(body.bytes.into())
    }
}

impl PayloadForm {
    /// The body for several events together: a JSON array. Four times as large as that of one.
    pub(crate) fn render_all<'e>(
        &self,
        deliveries: impl Iterator<Item = (&'e Event, RenderContext)>,
        bytes_max: usize,
    ) -> Result<Bytes, BodyTooLarge> {
        let mut body = Body::new(bytes_max.saturating_mul(4));
        let mut before = "[";
        for (event, sending) in deliveries {
            body.push(before)?;
            before = ",";
            if *self == Self::Raw {
                body.push(&Data::of(event).json())?;
                continue;
            }
            let one = self.render(event, &sending, bytes_max)?;
            body.push(&Data::read(&one).json())?;
        }
        body.push("]")?;
        Ok(body.bytes.into())
    }
}

/// A body that is being written.
pub(crate) struct Body {
    bytes: Vec<u8>,
    most: usize,
}

impl Body {
    fn new(most: usize) -> Self {
        let bytes = Vec::new();
        Self { bytes, most }
    }

    pub(crate) fn push(&mut self, text: &str) -> Result<(), BodyTooLarge> {
        if text.len() > self.most - self.bytes.len() {
            return Err(BodyTooLarge { most: self.most });
        }
        self.bytes.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

/// A payload as JSON: its own text; what JSON does not have becomes what it has, and what cannot be
/// read as JSON a string.
pub(crate) enum Data<'p> {
    Json {
        document: Document<'p>,
        /// Every parser takes it as it is: so it is with each of its values.
        text: Option<&'p str>,
    },
    /// As a JSON string.
    Text(String),
    /// What is no text: as a JSON string of base64.
    Bytes(String),
}

impl<'p> Data<'p> {
    /// The payload of an event, as its type says.
    pub(crate) fn of(event: &'p Event) -> Self {
        let (payload, kind) = (&event.payload[..], &event.payload_type);
        if kind.is_json() {
            return Self::read(payload);
        }
        let text = str::from_utf8(payload)
            .ok()
            .filter(|_| kind.coding().is_none());
        let Some(text) = text else {
            return Self::Bytes(quoted(base64::encode(payload)));
        };
        // Some send their JSON as `text/plain`. A number, a word in brackets may be meant as the text
        // that it is.
        let json = Document::read(payload).ok();
        match json.filter(|json| json.root().kind() == Kind::Object) {
            Some(_) => Self::read(payload),
            None => Self::Text(quoted(text)),
        }
    }

    /// Bytes that are meant as JSON.
    fn read(payload: &'p [u8]) -> Self {
        let text = str::from_utf8(without_mark(payload)).ok();
        let text = text.filter(|text| is_strict(text));
        match Document::read(payload) {
            Ok(document) => Self::Json { document, text },
            Err(_) => Self::Text(quoted(String::from_utf8_lossy(payload))),
        }
    }

    pub(crate) fn json(&self) -> Cow<'_, str> {
        match self {
            Self::Json {
                text: Some(text), ..
            } => Cow::Borrowed(text),
            Self::Json { document, .. } => document.root().json(),
            Self::Text(text) | Self::Bytes(text) => Cow::Borrowed(text),
        }
    }

    /// What an envelope calls it.
    fn name(&self) -> &'static str {
        match self {
            Self::Json { .. } | Self::Text(_) => "data",
            Self::Bytes(_) => "data_base64",
        }
    }

    /// What stands at the end of this path, as JSON, if anything does.
    pub(crate) fn at(&self, path: &[String]) -> Option<Cow<'_, str>> {
        match self {
            _ if path.is_empty() => Some(self.json()),
            Self::Json { document, text } => {
                let value = template::at(document.root(), path)?;
                match text.and(str::from_utf8(value.raw()).ok()) {
                    Some(text) => Some(Cow::Borrowed(text)),
                    None => Some(value.json()),
                }
            }
            Self::Text(_) | Self::Bytes(_) => None,
        }
    }
}

/// What an envelope says of the type of a payload: nothing of plain JSON.
fn told(kind: &PayloadType) -> String {
    if kind.is_default() {
        return String::new();
    }
    let mut told = format!(",\"content_type\":{}", quoted(kind.media_type()));
    if let Some(coding) = kind.coding() {
        told += &format!(",\"content_encoding\":{}", quoted(coding));
    }
    told
}

/// A text as a JSON string.
pub(crate) fn quoted(text: impl Into<String>) -> String {
    Value::String(text.into()).to_string()
}
