//! The headers of a provider's requests that carry meaning: they become those of the event.

use super::checks::refused;
use super::record::Provider;
use crate::api::problem::Problem;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use postrider::EventHeaders;
use postrider::signature::HeaderNames;

/// What is kept of each provider's requests, unless a source says otherwise; of all others nothing.
/// Signatures, tokens and their times are no part of it.
#[rustfmt::skip] // one line for each provider
const USUAL: &[(Provider, &[&str])] = &[
    (Provider::Github, &["x-github-event", "x-github-delivery", "x-github-hook-id", "x-github-hook-installation-target-id", "x-github-hook-installation-target-type", "x-github-enterprise-host"]),
    (Provider::Shopify, &["x-shopify-topic", "x-shopify-shop-domain", "x-shopify-api-version", "x-shopify-webhook-id", "x-shopify-event-id", "x-shopify-triggered-at", "x-shopify-test"]),
    (Provider::Slack, &["x-slack-retry-num", "x-slack-retry-reason"]),
    (Provider::Bitbucket, &["x-event-key", "x-hook-uuid", "x-request-uuid", "x-request-id", "x-attempt-number"]),
    (Provider::Gitea, &["x-gitea-event", "x-gitea-event-type", "x-gitea-delivery", "x-gitea-hook-installation-target-type"]),
    (Provider::Gitlab, &["x-gitlab-event", "x-gitlab-instance", "x-gitlab-webhook-uuid", "x-gitlab-event-uuid"]),
    (Provider::Linear, &["linear-event", "linear-delivery"]),
    (Provider::Square, &["square-environment", "square-initial-delivery-timestamp", "square-retry-number", "square-retry-reason"]),
    (Provider::Twilio, &["i-twilio-idempotency-token", "x-home-region"]),
    (Provider::Twitch, &["twitch-eventsub-message-id", "twitch-eventsub-message-type", "twitch-eventsub-message-timestamp", "twitch-eventsub-message-retry", "twitch-eventsub-subscription-type", "twitch-eventsub-subscription-version"]),
    (Provider::Woocommerce, &["x-wc-webhook-topic", "x-wc-webhook-resource", "x-wc-webhook-event", "x-wc-webhook-source", "x-wc-webhook-id", "x-wc-webhook-delivery-id"]),
    (Provider::Zendesk, &["x-zendesk-account-id", "x-zendesk-webhook-id", "x-zendesk-webhook-invocation-id"]),
];

impl Provider {
    /// The headers that are kept of its requests.
    pub(super) fn headers(self) -> &'static [&'static str] {
        match USUAL.iter().find(|(provider, _)| *provider == self) {
            Some((_, names)) => names,
            None => &[],
        }
    }
}

/// The names that a source gives, in lower case. A problem that names the place, if one cannot be kept.
pub(super) fn checked(names: Vec<String>) -> Result<Vec<String>, Problem> {
    for (place, name) in names.iter().enumerate() {
        EventHeaders::check_name(name)
            .map_err(|error| refused(&format!("/headers/{place}"), error))?;
    }
    let pairs = names.iter().map(|name| (name.as_str(), ""));
    EventHeaders::new(pairs).map_err(|error| refused("/headers", error))?;
    let names = names.into_iter();
    Ok(names.map(|name| name.to_ascii_lowercase()).collect())
}

/// Whether this is the header with the signature, or that of a rotation.
pub(super) fn is_signature(name: &str, signature: &str) -> bool {
    name == signature || HeaderNames::is_next(name, signature)
}

/// What an event keeps of the headers of its request: those with these names, as far as they are text,
/// and as far as there is room.
pub(super) fn kept<'n>(names: impl Iterator<Item = &'n str>, headers: &HeaderMap) -> EventHeaders {
    let mut kept: Vec<(&str, String)> = Vec::new();
    let mut bytes = 0;
    for name in names {
        let Some(value) = joined(headers, name) else {
            continue;
        };
        let more = name.len() + value.len();
        let has_room = bytes + more <= EventHeaders::BYTES_MAX;
        if has_room && EventHeaders::new([(name, value.as_str())]).is_ok() {
            bytes += more;
            kept.push((name, value));
        }
    }
    let pairs = kept.iter().map(|(name, value)| (*name, value.as_str()));
    EventHeaders::new(pairs).unwrap_or_default()
}

/// The values of a header as one (RFC 9110, section 5.3), if it is there and they are text.
fn joined(headers: &HeaderMap, name: &str) -> Option<String> {
    let values = headers.get_all(name).iter();
    let values: Option<Vec<&str>> = values
        .map(|value| {
            value
                .to_str()
                .ok()
                .map(|text| text.trim_matches([' ', '\t']))
        })
        .collect();
    let values = values.filter(|values| !values.is_empty())?;
    Some(values.join(", "))
}

/// Adds what an event keeps to the headers that a handler sees.
pub(crate) fn show(kept: &EventHeaders, shown: &mut HeaderMap) {
    for (name, value) in kept.iter() {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::from_str(value))
            && !shown.contains_key(&name)
        {
            shown.insert(name, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_usual_header_can_be_one_of_an_event() {
        for (provider, names) in USUAL {
            for name in *names {
                assert_eq!(EventHeaders::check_name(name), Ok(()), "{provider:?}");
                assert_eq!(*name, name.to_ascii_lowercase());
            }
            let all = names.iter().map(|name| (*name, ""));
            assert!(EventHeaders::new(all).is_ok(), "{provider:?}");
        }
        assert!(Provider::Stripe.headers().is_empty());
        assert!(Provider::Shopify.headers().contains(&"x-shopify-topic"));
    }

    #[test]
    fn what_is_no_text_or_has_no_room_is_left_out() {
        let mut headers = HeaderMap::new();
        let long = "v".repeat(EventHeaders::BYTES_MAX);
        headers.insert("x-a", HeaderValue::from_static("1"));
        headers.append("x-a", HeaderValue::from_static(" 2 "));
        headers.insert("x-b", HeaderValue::from_bytes(b"\xff").unwrap());
        headers.insert("x-c", HeaderValue::from_str(&long).unwrap());
        headers.insert("x-d", HeaderValue::from_static(""));
        headers.insert("x-other", HeaderValue::from_static("1"));
        let names = ["x-none", "x-a", "x-b", "x-c", "x-d"];
        let kept = kept(names.into_iter(), &headers);
        let all: Vec<_> = kept.iter().collect();
        assert_eq!(all, [("x-a", "1, 2"), ("x-d", "")]);
    }

    #[test]
    fn names_are_checked_one_by_one_and_together() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let lower = checked(names(&["X-Shop", "x-topic"])).unwrap();
        assert_eq!(lower, ["x-shop", "x-topic"]);
        for wrong in [&["x-a", "Cookie"][..], &["x-a", "X-A"], &["host"]] {
            assert!(checked(names(wrong)).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_handler_sees_what_is_kept_beside_the_rest() {
        let kept = EventHeaders::new([("linear-event", "Issue"), ("x-a", "kept")]).unwrap();
        let mut shown = HeaderMap::new();
        shown.insert("x-a", HeaderValue::from_static("shown"));
        show(&kept, &mut shown);
        assert_eq!(shown["linear-event"], "Issue");
        assert_eq!(shown["x-a"], "shown");
    }
}
