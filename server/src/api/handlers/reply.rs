//! An answer to a provider that is not Postrider's own.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde_json::Value;

/// What a provider is answered once its webhook is durable: a status that says that it was taken, a
/// body, and the media type of that. Clones share the body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    status: StatusCode,
    media_type: Option<HeaderValue>,
    body: Bytes,
}

/// Why something cannot be answered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidReply {
    /// It would say that the webhook was not taken, which is durable by then.
    #[error("use a status from 200 to 299: an error makes a provider send the webhook again")]
    Status,
    /// The body is too long.
    #[error("use at most {} bytes", Reply::BODY_BYTES_MAX)]
    TooLong,
    /// There is a body where HTTP has none.
    #[error("an answer with the status {0} has no body (RFC 9110, section 15.3)")]
    NoBody(u16),
    /// The media type is none.
    #[error("use a media type, such as text/plain; charset=utf-8")]
    MediaType,
}

impl Reply {
    /// The longest body, in bytes.
    pub const BODY_BYTES_MAX: usize = 256 << 10;

    /// An answer with this status, from 200 to 299, and this body.
    ///
    /// # Errors
    ///
    /// [`InvalidReply`].
    pub fn new(
        status: u16,
        media_type: Option<&str>,
        body: impl Into<Bytes>,
    ) -> Result<Self, InvalidReply> {
        let body = body.into();
        let status = StatusCode::from_u16(status).map_err(|_| InvalidReply::Status)?;
        if !status.is_success() {
            return Err(InvalidReply::Status);
        }
        let is_bare = matches!(status, StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT);
        if is_bare && !body.is_empty() {
            return Err(InvalidReply::NoBody(status.as_u16()));
        }
        if body.len() > Self::BODY_BYTES_MAX {
            return Err(InvalidReply::TooLong);
        }
        let media_type = media_type.map(read_media_type).transpose()?;
        Ok(Self {
            status,
            media_type,
            body,
        })
    }

    /// 200 without a body.
    #[must_use]
    pub fn empty() -> Self {
        Self {
            status: StatusCode::OK,
            media_type: None,
            body: Bytes::new(),
        }
    }

    /// 200 with this text, which is shown as such.
    ///
    /// # Errors
    ///
    /// [`InvalidReply::TooLong`].
    pub fn text(text: impl Into<String>) -> Result<Self, InvalidReply> {
        let text: String = text.into();
        Self::new(200, Some("text/plain; charset=utf-8"), text)
    }

    /// 200 with this value.
    ///
    /// # Errors
    ///
    /// [`InvalidReply::TooLong`].
    pub fn json(value: &Value) -> Result<Self, InvalidReply> {
        Self::new(200, Some("application/json"), value.to_string())
    }

    /// What it takes in memory, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.body.len() + size_of::<Self>()
    }
}

/// A type and a subtype with a slash between, and maybe parameters (RFC 9110, section 8.3.1).
fn read_media_type(text: &str) -> Result<HeaderValue, InvalidReply> {
    let essence = text.split(';').next().unwrap_or("").trim();
    let is_token = |part: &str| {
        let is_fit = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte);
        !part.is_empty() && part.bytes().all(is_fit)
    };
    match essence.split_once('/') {
        Some((kind, subtype)) if is_token(kind) && is_token(subtype) && text.len() <= 128 => {
            HeaderValue::from_str(text).map_err(|_| InvalidReply::MediaType)
        }
        _ => Err(InvalidReply::MediaType),
    }
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.body));
        *response.status_mut() = self.status;
        if let Some(media_type) = self.media_type {
            response
                .headers_mut()
                .insert(header::CONTENT_TYPE, media_type);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_says_that_a_webhook_was_taken_can_be_answered() {
        for status in [99, 199, 300, 404, 500] {
            assert_eq!(Reply::new(status, None, ""), Err(InvalidReply::Status));
        }
        assert_eq!(Reply::new(204, None, "x"), Err(InvalidReply::NoBody(204)));
        let long = vec![b'x'; Reply::BODY_BYTES_MAX + 1];
        assert_eq!(Reply::new(200, None, long), Err(InvalidReply::TooLong));
        for wrong in ["", "text", "text/", "a b/c", "text/plain\r\nx: y"] {
            let refused = Reply::new(200, Some(wrong), "");
            assert_eq!(refused, Err(InvalidReply::MediaType), "{wrong:?}");
        }
    }

    #[test]
    fn an_empty_answer_has_neither_a_body_nor_a_media_type() {
        let response = Reply::empty().into_response();
        assert_eq!(response.status(), 200);
        assert!(!response.headers().contains_key("content-type"));
        let text = Reply::text("[accepted]").unwrap().into_response();
        assert_eq!(text.headers()["content-type"], "text/plain; charset=utf-8");
    }
}
