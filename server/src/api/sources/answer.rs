//! What a source answers to its provider, where that is not the usual.

use crate::api::handlers::{InvalidReply, Reply};
use crate::api::problem::{Code, Problem};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The longest body, in bytes: the record of a source is in memory.
const BODY_BYTES_MAX: usize = 16 << 10;

/// What a provider is answered when its webhook is durable. Without any field: what is usual for it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Answer {
    /// The status. Default: 200.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 200, maximum = 299)]
    status: Option<u16>,
    /// The body, in at most 16 KiB. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 16384, example = "[accepted]")]
    body: Option<String>,
    /// Its media type. Default: `application/json` if the body is JSON, or else
    /// `text/plain; charset=utf-8`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 128)]
    content_type: Option<String>,
}

impl Answer {
    /// Whether it says nothing.
    fn is_usual(&self) -> bool {
        *self == Self::default()
    }

    /// A problem that names the place, if it cannot be given.
    pub(super) fn check(&self) -> Result<(), Problem> {
        if self
            .body
            .as_ref()
            .is_some_and(|it| it.len() > BODY_BYTES_MAX)
        {
            let detail = format!("use at most {BODY_BYTES_MAX} bytes");
            return Err(Problem::new(Code::InvalidValue, &detail).at("/answer/body", detail));
        }
        self.made().map(|_| ()).map_err(|error| {
            let field = match error {
                InvalidReply::Status => "status",
                InvalidReply::TooLong | InvalidReply::NoBody(_) => "body",
                InvalidReply::MediaType => "content_type",
            };
            Problem::new(Code::InvalidValue, &error).at(format!("/answer/{field}"), error)
        })
    }

    fn made(&self) -> Result<Reply, InvalidReply> {
        let body = self.body.clone().unwrap_or_default();
        let is_json = || serde_json::from_str::<serde::de::IgnoredAny>(&body).is_ok();
        let media_type = match &self.content_type {
            Some(text) => Some(text.as_str()),
            None if body.is_empty() => None,
            None if is_json() => Some("application/json"),
            None => Some("text/plain; charset=utf-8"),
        };
        Reply::new(self.status.unwrap_or(200), media_type, body.clone())
    }

    /// The answer; `None` for the usual one.
    pub(crate) fn reply(&self) -> Option<Reply> {
        // It was made once when it was checked.
        self.made().ok().filter(|_| !self.is_usual())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::response::IntoResponse;

    fn answer(text: &str) -> Answer {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn what_is_said_is_answered_and_nothing_is_the_usual() {
        assert_eq!(answer("{}").reply(), None);
        let empty = answer(r#"{"status": 202}"#)
            .reply()
            .unwrap()
            .into_response();
        assert_eq!(empty.status(), 202);
        assert!(!empty.headers().contains_key("content-type"));
        for (body, media_type) in [
            (r#"{"body": "[accepted]"}"#, "text/plain; charset=utf-8"),
            (r#"{"body": "{\"ok\": true}"}"#, "application/json"),
            (
                r#"{"body": "<Response/>", "content_type": "text/xml"}"#,
                "text/xml",
            ),
        ] {
            let response = answer(body).reply().unwrap().into_response();
            assert_eq!(response.headers()["content-type"], media_type, "{body}");
        }
    }

    #[test]
    fn what_cannot_be_answered_is_refused_at_its_place() {
        for (text, place) in [
            (r#"{"status": 500}"#, "/answer/status"),
            (r#"{"status": 204, "body": "x"}"#, "/answer/body"),
            (r#"{"content_type": "plain"}"#, "/answer/content_type"),
        ] {
            let problem = answer(text).check().unwrap_err();
            let problem = serde_json::to_value(&problem).unwrap();
            assert_eq!(problem["errors"][0]["pointer"], place, "{text}");
        }
        assert!(answer(r#"{"status": 204}"#).check().is_ok());
    }
}
