//! Where the type and the id of an event are, of the providers that sign by a recipe: one row each. How
//! they sign is the row of the same name in [`postrider::signature::PROVIDERS`].

use super::record::Provider;

/// A place in a request.
#[derive(Clone, Copy, Debug)]
pub(crate) enum At {
    Header(&'static str),
    /// A field of what is published: the body, or the object made of a form.
    Field(&'static str),
    /// No place: it is always the same.
    Fixed(&'static str),
}

/// By what repeats are known, where there is no id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WithoutId {
    /// By what was signed.
    Signed,
    /// By the body alone, which names a time or a number of its own: a repeat is signed with another
    /// time.
    Body,
    /// By nothing: two events may have the same body, so each request is an event.
    New,
}

/// What is read of the requests of a provider.
#[derive(Debug)]
pub(crate) struct Row {
    provider: Provider,
    /// The type: the first that is there.
    pub(crate) types: &'static [At],
    /// What is put behind it, if it is there: `pull_request.opened`.
    pub(crate) then: Option<At>,
    /// The id: the first that is there. One that is signed goes before.
    pub(crate) ids: &'static [At],
    pub(crate) without_id: WithoutId,
}

const fn row(provider: Provider, types: &'static [At]) -> Row {
    Row {
        provider,
        types,
        then: None,
        ids: &[],
        without_id: WithoutId::Body,
    }
}

use At::{Field, Fixed, Header};

#[rustfmt::skip] // one line for each provider
static ROWS: &[Row] = &[
    row(Provider::Adyen, &[Field("/notificationItems/0/NotificationRequestItem/eventCode")]),
    Row { then: Some(Field("/events/0/action")), ..row(Provider::Asana, &[Field("/events/0/resource/resource_type"), Fixed("heartbeat")]) },
    Row { ids: &[Header("x-request-uuid"), Header("x-request-id")], ..row(Provider::Bitbucket, &[Header("x-event-key")]) },
    row(Provider::Calendly, &[Field("/event")]),
    Row { ids: &[Field("/id")], ..row(Provider::Discord, &[Field("/event/type"), Field("/type")]) },
    Row { without_id: WithoutId::New, ..row(Provider::Dropbox, &[Fixed("notification")]) },
    Row { then: Some(Field("/action")), ids: &[Header("x-gitea-delivery")], ..row(Provider::Gitea, &[Header("x-gitea-event")]) },
    Row { then: Some(Field("/object_attributes/action")), ids: &[Header("idempotency-key")], without_id: WithoutId::New, ..row(Provider::Gitlab, &[Field("/object_kind"), Field("/event_name")]) },
    row(Provider::Hubspot, &[Field("/0/subscriptionType")]),
    Row { ids: &[Field("/id")], ..row(Provider::Intercom, &[Field("/topic")]) },
    Row { then: Some(Field("/action")), ids: &[Header("linear-delivery")], ..row(Provider::Linear, &[Header("linear-event"), Field("/type")]) },
    Row { ids: &[Field("/event-data/id")], ..row(Provider::Mailgun, &[Field("/event-data/event")]) },
    Row { then: Some(Field("/entry/0/changes/0/field")), ..row(Provider::Meta, &[Field("/object")]) },
    Row { without_id: WithoutId::New, ..row(Provider::MicrosoftGraph, &[Field("/value/0/changeType"), Field("/value/0/lifecycleEvent")]) },
    Row { ids: &[Field("/event_id")], ..row(Provider::Paddle, &[Field("/event_type")]) },
    row(Provider::Paystack, &[Field("/event")]),
    row(Provider::Sendgrid, &[Field("/0/event")]),
    Row { ids: &[Field("/event_id")], ..row(Provider::Square, &[Field("/type")]) },
    Row { ids: &[Header("i-twilio-idempotency-token")], without_id: WithoutId::Signed, ..row(Provider::Twilio, &[Field("/EventType"), Field("/MessageStatus"), Field("/SmsStatus"), Field("/CallStatus")]) },
    row(Provider::Twitch, &[Header("twitch-eventsub-subscription-type")]),
    Row { ids: &[Field("/event_id")], ..row(Provider::Typeform, &[Field("/event_type")]) },
    Row { ids: &[Header("x-wc-webhook-delivery-id")], ..row(Provider::Woocommerce, &[Header("x-wc-webhook-topic")]) },
    Row { then: Some(Field("/events/0/eventType")), ..row(Provider::Xero, &[Field("/events/0/eventCategory"), Fixed("check")]) },
    Row { ids: &[Header("x-zendesk-webhook-invocation-id"), Field("/id")], ..row(Provider::Zendesk, &[Field("/type")]) },
    row(Provider::Zoom, &[Field("/event")]),
];

impl Provider {
    /// What is read of its requests, if it signs by a recipe.
    pub(crate) fn row(self) -> Option<&'static Row> {
        ROWS.iter().find(|row| row.provider == self)
    }
}

impl Row {
    /// The headers that it reads: each can be there once.
    pub(crate) fn reads(&self) -> impl Iterator<Item = &'static str> {
        let all = self.types.iter().chain(self.ids).chain(&self.then);
        all.filter_map(|at| match at {
            At::Header(name) => Some(*name),
            At::Field(_) | At::Fixed(_) => None,
        })
    }

    /// Whether an id would be in the body.
    pub(crate) fn has_id_in_body(&self) -> bool {
        self.ids.iter().any(|at| matches!(at, At::Field(_)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use postrider::signature::PROVIDERS;

    #[test]
    fn the_providers_that_are_read_are_those_that_are_verified() {
        let read: Vec<&str> = ROWS.iter().map(|row| row.provider.name()).collect();
        let verified: Vec<&str> = PROVIDERS.iter().map(|(name, _)| *name).collect();
        assert_eq!(read, verified);
    }

    #[test]
    fn a_provider_is_written_as_it_is_named() {
        for row in ROWS {
            let written = serde_json::to_value(row.provider).unwrap();
            assert_eq!(written, row.provider.name());
        }
    }
}
