//! Templates that are there without being made: the shapes that well-known services take, and those of
//! common senders. A version never changes; what must change gets a new one.

use super::Api;
use super::caller::{Caller, Read};
use super::problem::{Code, Problem};
use postrider::engine::Template;
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

/// How their names begin. No other template is called so.
pub(crate) const PREFIX: &str = "preset.";

/// A name, what it is for, and the template: its first version, and the only one so far.
struct Preset(&'static str, &'static str, &'static str);

/// The version that there is of each.
const VERSION: u32 = 1;

const PRESETS: &[Preset] = &[
    Preset(
        "preset.slack",
        "Slack's incoming webhooks, and Mattermost's: a message with the type and the payload",
        r#"{"text":"*{{type}}*\n```{{data}}```"}"#,
    ),
    Preset(
        "preset.discord",
        "Discord's webhooks: a message, which Discord takes up to 2,000 characters",
        r#"{"content":"**{{type}}**\n{{data}}","allowed_mentions":{"parse":[]}}"#,
    ),
    Preset(
        "preset.teams",
        "Microsoft Teams' workflows: an adaptive card",
        // A text that is a placeholder alone would become the value.
        r#"{"type":"message","attachments":[{"contentType":"application/vnd.microsoft.card.adaptive","content":{"$schema":"http://adaptivecards.io/schemas/adaptive-card.json","type":"AdaptiveCard","version":"1.4","body":[{"type":"TextBlock","weight":"Bolder","text":"{{type}}"},{"type":"TextBlock","wrap":true,"text":"{{data}} "}]}}]}"#,
    ),
    Preset(
        "preset.google-chat",
        "Google Chat's incoming webhooks: a message",
        r#"{"text":"*{{type}}*\n{{data}}"}"#,
    ),
    Preset(
        "preset.github-dispatch",
        "GitHub's repository_dispatch, which starts workflows",
        r#"{"event_type":"{{type}}","client_payload":"{{data}}"}"#,
    ),
    Preset(
        "preset.stripe",
        "an event as Stripe sends it",
        r#"{"id":"{{id}}","object":"event","created":"{{timestamp_seconds}}","data":{"object":"{{data}}"},"type":"{{type}}"}"#,
    ),
    Preset(
        "preset.cloudevents",
        "a CloudEvent 1.0 in JSON",
        r#"{"specversion":"1.0","id":"{{id}}","source":"postrider","type":"{{type}}","time":"{{timestamp}}","datacontenttype":"{{content_type}}","data":"{{data}}"}"#,
    ),
    Preset(
        "preset.id-type-data",
        "{id, type, data, timestamp}",
        r#"{"id":"{{id}}","type":"{{type}}","data":"{{data}}","timestamp":"{{timestamp}}"}"#,
    ),
    Preset(
        "preset.id-event-data",
        "{id, event, timestamp, data}",
        r#"{"id":"{{id}}","event":"{{type}}","timestamp":"{{timestamp}}","data":"{{data}}"}"#,
    ),
    Preset(
        "preset.event-data-ms",
        "{event, data, timestamp}, with the time as Date.now() has it",
        r#"{"event":"{{type}}","data":"{{data}}","timestamp":"{{timestamp_ms}}"}"#,
    ),
    Preset(
        "preset.with-attempt",
        "{id, timestamp, type, payload, metadata}, of this attempt: the bodies of retries differ",
        r#"{"id":"{{delivery_id}}","timestamp":"{{sent_at}}","type":"{{type}}","payload":"{{data}}","metadata":{"attempt":"{{attempt}}","previousAttempts":"{{previous_attempts}}"}}"#,
    ),
];

/// A template that is there without being made.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PresetView {
    /// By which an endpoint names it: `"template": {"name": "preset.slack", "version": 1}`.
    #[schema(example = "preset.slack")]
    name: &'static str,
    /// Its newest version.
    version: u32,
    /// What it is for.
    description: &'static str,
    /// The template.
    #[schema(value_type = Value)]
    template: Box<RawValue>,
}

/// The templates that are there without being made.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Presets {
    /// All of them.
    data: Vec<PresetView>,
}

#[utoipa::path(
    get, path = "/v1/template-presets", tag = "Templates",
    summary = "List the templates that are there without being made",
    description = "For Slack, Discord, Teams and others, and in the shapes of common senders. An endpoint \
                   names them as it names other templates.",
    responses((status = OK, description = "All presets.", body = Presets))
)]
pub(crate) async fn list(_: Caller<Read>) -> Result<axum::Json<Presets>, Problem> {
    let views = PRESETS.iter().map(|&Preset(name, description, text)| {
        let template = RawValue::from_string(text.to_owned());
        let template = template.map_err(|error| Problem::new(Code::Internal, error))?;
        Ok(PresetView {
            name,
            version: VERSION,
            description,
            template,
        })
    });
    let data = views.collect::<Result<_, Problem>>()?;
    Ok(axum::Json(Presets { data }))
}

/// The preset of this name in this version.
pub(crate) fn template(name: &str, version: u32) -> Option<Template> {
    let Preset(name, _, text) = PRESETS.iter().find(|preset| preset.0 == name)?;
    let known = (version == VERSION).then_some(text)?;
    Template::new(name, version, known).ok()
}

impl Api {
    /// A template that is named: one of the tenant's, or a preset.
    pub(crate) fn named_template(
        &self,
        tenant: &postrider::TenantId,
        name: &str,
        version: u32,
    ) -> Option<Template> {
        // One that a tenant made under such a name, before these were kept for presets, stays.
        let own = self.template(tenant, name, version);
        own.or_else(|| template(name, version))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use postrider::engine::{PayloadForm, RenderContext};
    use postrider::{
        DeliveryId, Event, EventHeaders, EventId, EventType, OrderingKey, PayloadType, Wall,
    };
    use serde_json::{Value, json};

    fn written(name: &str) -> String {
        let event = Event {
            id: EventId::from_u128(1),
            tenant: Default::default(),
            event_type: "order.paid".parse().unwrap(),
            payload: br#"{"b": 1.0, "a": "x"}"#.as_slice().into(),
            payload_type: PayloadType::default(),
            headers: EventHeaders::default(),
            ordering_key: OrderingKey::none(),
            published_at: Wall(1_795_341_600_000),
        };
        let sending = RenderContext {
            delivery: DeliveryId::from_u128(2),
            attempt: 2,
            at: Wall(1_795_341_660_000),
        };
        let form = PayloadForm::Template(template(name, 1).unwrap());
        let body = form.render(&event, &sending, 10_000).unwrap();
        String::from_utf8(body.into()).unwrap()
    }

    #[test]
    fn every_preset_is_a_template_under_a_name_that_a_template_can_have() {
        for Preset(name, description, text) in PRESETS {
            assert!(name.starts_with(PREFIX) && name.parse::<EventType>().is_ok());
            assert!(!description.is_empty());
            Template::new(name, 1, text).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert!(serde_json::from_str::<Value>(&written(name)).is_ok());
            assert!(template(name, 2).is_none());
        }
        assert!(template("preset.none", 1).is_none());
    }

    #[test]
    fn services_get_texts_where_they_take_texts() {
        let of = |name: &str| serde_json::from_str::<Value>(&written(name)).unwrap();
        let text = "{\"b\": 1.0, \"a\": \"x\"}";
        assert_eq!(
            of("preset.slack")["text"],
            format!("*order.paid*\n```{text}```")
        );
        assert_eq!(
            of("preset.discord")["content"],
            format!("**order.paid**\n{text}")
        );
        let card = &of("preset.teams")["attachments"][0]["content"];
        assert_eq!(card["body"][0]["text"], "order.paid");
        assert_eq!(card["body"][1]["text"], format!("{text} "));
        assert_eq!(of("preset.stripe")["created"], 1_795_341_600);
        assert_eq!(of("preset.github-dispatch")["client_payload"]["a"], "x");
    }

    #[test]
    fn shapes_of_common_senders_are_those_to_the_byte() {
        let data = r#"{"b": 1.0, "a": "x"}"#;
        assert_eq!(
            written("preset.event-data-ms"),
            format!(r#"{{"event":"order.paid","data":{data},"timestamp":1795341600000}}"#)
        );
        let attempt: Value = serde_json::from_str(&written("preset.with-attempt")).unwrap();
        let expected = json!({ "attempt": 2, "previousAttempts": 1 });
        assert_eq!(attempt["metadata"], expected);
        assert_eq!(attempt["timestamp"], "2026-11-22T10:01:00.000Z");
    }
}
