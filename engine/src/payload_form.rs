//! What the body of a request is made of: the payload as it is, or something around it.

#[cfg(test)]
mod tests;

use crate::delivery::Event;
use crate::id::DeliveryId;
use crate::json::{Document, is_strict, without_mark};
use crate::template::{self, Template};
use bytes::Bytes;
use serde_json::Value;
use std::borrow::Cow;

/// What an endpoint is sent of an event. Its requests sign exactly these bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum PayloadForm {
    /// The payload, byte for byte.
    #[default]
    Raw,
    /// `{"type":…,"timestamp":…,"data":…}`, as the Standard Webhooks specification recommends
    /// ("Payload structure"): the event's type, when it was published, and the payload byte for
    /// byte, or, if it cannot be read as JSON, as a JSON string ([`crate::json`] says what can). The
    /// same in every attempt.
    Envelope,
    /// A document with parts of the event in it.
    Template(Template),
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
    /// The body for an event in this delivery.
    ///
    /// # Errors
    ///
    /// If it becomes larger than `bytes_max`. A raw payload never does: it is taken as it is, and
    /// not copied.
    pub fn render(
        &self,
        event: &Event,
        delivery: DeliveryId,
        bytes_max: usize,
    ) -> Result<Bytes, BodyTooLarge> {
        let mut body = Body::new(bytes_max);
        match self {
            Self::Raw => return Ok(event.payload.clone()),
            Self::Envelope => {
                for part in [
                    "{\"type\":\"",
                    event.event_type.as_str(),
                    "\",\"timestamp\":\"",
                    &event.published_at.to_rfc3339(),
                    "\",\"data\":",
                    &Data::of(&event.payload).json(),
                    "}",
                ] {
                    body.push(part)?;
                }
            }
            Self::Template(template) => template.write(event, delivery, &mut body)?,
        }
        Ok(body.bytes.into())
    }
}

impl PayloadForm {
    /// The body for several events together: a JSON array. Four times as large as that of one.
    pub(crate) fn render_all<'e>(
        &self,
        deliveries: impl Iterator<Item = (&'e Event, DeliveryId)>,
        bytes_max: usize,
    ) -> Result<Bytes, BodyTooLarge> {
        let mut body = Body::new(bytes_max.saturating_mul(4));
        let mut before = "[";
        for (event, delivery) in deliveries {
            body.push(before)?;
            before = ",";
            let one = self.render(event, delivery, bytes_max)?;
            body.push(&Data::of(&one).json())?;
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
    Text(String),
}

impl<'p> Data<'p> {
    pub(crate) fn of(payload: &'p [u8]) -> Self {
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
            Self::Text(text) => Cow::Borrowed(text),
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
            Self::Text(_) => None,
        }
    }
}

/// A text as a JSON string.
pub(crate) fn quoted(text: impl Into<String>) -> String {
    Value::String(text.into()).to_string()
}
