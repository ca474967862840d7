//! What each provider is answered when its webhook is durable, where neither its source nor a handler says
//! it. A provider that is not in the table gets the JSON of [`InboundAnswer`](super::InboundAnswer).

use super::content::{Kind, Said};
use crate::api::handlers::Reply;
use serde_json::json;

/// What is usual.
#[derive(Clone, Copy)]
enum Usual {
    /// This status without a body.
    Empty(u16),
    /// 200 with this media type and this body.
    Body(&'static str, &'static str),
    /// Nothing for what came as a form: a person would be shown the body.
    EmptyForForms,
    /// By the type of an interaction.
    Discord,
}

/// By the provider's name. One that is added later finds its own here.
const TABLE: &[(&str, Usual)] = &[
    // Its older setting counts as delivered what is answered with exactly this.
    (
        "adyen",
        Usual::Body("text/plain; charset=utf-8", "[accepted]"),
    ),
    ("discord", Usual::Discord),
    ("graph", Usual::Empty(202)),
    ("microsoft_graph", Usual::Empty(202)),
    ("slack", Usual::EmptyForForms),
    // A document without instructions; other media types are errors in its debugger.
    ("twilio", Usual::Body("text/xml", "<Response/>")),
    // Its check of the intent to receive takes no body, whether the signature is right or wrong.
    ("xero", Usual::Empty(200)),
];

/// Providers whose refusals have no body either.
const REFUSED_BARE: &[&str] = &["xero"];

/// The answer that is usual for this provider, if it has one of its own.
pub(super) fn usual(provider: &str, said: &Said<'_>) -> Option<Reply> {
    let (_, usual) = TABLE.iter().find(|(name, _)| *name == provider)?;
    match *usual {
        Usual::Empty(status) => Reply::new(status, None, "").ok(),
        Usual::Body(media_type, body) => Reply::new(200, Some(media_type), body).ok(),
        Usual::EmptyForForms => (said.kind != Kind::Plain).then(Reply::empty),
        Usual::Discord => discord(said),
    }
}

/// Whether a refusal has no body.
pub(super) fn is_refused_bare(provider: &str) -> bool {
    REFUSED_BARE.contains(&provider)
}

/// An interaction is put off, so that the application can follow up by its token; of an event nothing is
/// expected but 204. Interactions alone have a token.
fn discord(said: &Said<'_>) -> Option<Reply> {
    let Some(kind) = said.text_at("/token").and_then(|_| said.text_at("/type")) else {
        return Reply::new(204, None, "").ok();
    };
    let answer = match kind.as_str() {
        // A message whose button was pressed: it stays as it is for now.
        "3" => json!({ "type": 6 }),
        // Suggestions: there are none.
        "4" => json!({ "type": 8, "data": { "choices": [] } }),
        _ => json!({ "type": 5 }),
    };
    Reply::json(&answer).ok()
}

#[cfg(test)]
mod tests {
    use super::super::content::Content;
    use super::*;
    use axum::http::HeaderMap;
    use axum::response::IntoResponse;

    fn answer(provider: &str, media_type: &str, body: &'static str) -> Option<(u16, String)> {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", media_type.parse().unwrap());
        let content = Content::of(&headers, body.as_bytes().into());
        let reply = usual(provider, &content.read())?;
        let text = format!("{reply:?}");
        Some((reply.into_response().status().as_u16(), text))
    }

    #[test]
    fn each_provider_gets_what_it_expects() {
        let json = "application/json";
        let form = "application/x-www-form-urlencoded";
        assert_eq!(answer("stripe", json, "{}"), None);
        assert_eq!(answer("slack", json, r#"{"type": "event_callback"}"#), None);
        for (provider, media_type, body, status, part) in [
            ("slack", form, "command=%2Fweather", 200, "b\"\""),
            ("slack", form, "payload=%7B%7D", 200, "b\"\""),
            ("xero", json, "{}", 200, "b\"\""),
            ("graph", json, "{}", 202, "b\"\""),
            ("adyen", json, "{}", 200, "[accepted]"),
            ("twilio", form, "From=%2B41", 200, "<Response/>"),
            ("discord", json, r#"{"type": 1, "event": {}}"#, 204, "b\"\""),
            ("discord", json, r#"{"type": 2, "token": "t"}"#, 200, "5}"),
            ("discord", json, r#"{"type": 3, "token": "t"}"#, 200, "6}"),
        ] {
            let (given, text) = answer(provider, media_type, body).unwrap();
            assert_eq!(given, status, "{provider}");
            assert!(text.contains(part), "{provider}: {text}");
        }
    }

    #[test]
    fn no_name_is_in_the_table_twice() {
        assert!(TABLE.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }
}
