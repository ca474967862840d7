//! How an item is written.

use crate::api::event_headers;
use crate::api::live::Item;
use crate::api::payload::Shown;
use crate::api::time::Time;
use bytes::Bytes;
use postrider::EventRecord;
use serde::Serialize;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// A comment: clients pass over it, and what lies between keeps the connection.
pub(super) const KEEP_ALIVE: Bytes = Bytes::from_static(b": still here\n\n");

/// An event with its payload.
#[derive(Serialize)]
struct EventItem<'a> {
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<&'a str>,
    #[serde(rename = "type")]
    event_type: &'a str,
    ordering_key: Option<&'a str>,
    published_at: Time,
    /// Nothing of plain JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    content_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_encoding: Option<&'a str>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    headers: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload_text: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload_base64: Option<String>,
}

/// An item, and whose it is where all tenants are watched.
#[derive(Serialize)]
struct OfTenant<'a, T> {
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<&'a str>,
    #[serde(flatten)]
    item: &'a T,
}

#[derive(Serialize)]
struct SkippedItem {
    /// `null` where it is not known whose they were.
    count: Option<u64>,
}

/// Where the stream begins: an id without data, which clients keep and do not show (WHATWG HTML, section
/// 9.2.6). So a reader that is cut off before its first event misses nothing either.
pub(super) fn beginning(place: &str) -> Bytes {
    format!("id: {place}\n\n").into()
}

/// An event of the log, with its payload unless it is to be short. Its place, as its tenant sees it, is
/// its `id`.
pub(super) fn event(
    record: &EventRecord,
    place: Option<&str>,
    tenant: Option<&str>,
    is_short: bool,
) -> Bytes {
    let event = &record.event;
    let kind = &event.payload_type;
    let is_json = kind.is_json() && !is_short;
    let json = is_json.then(|| serde_json::from_slice(&event.payload));
    let payload: Option<&RawValue> = json.and_then(Result::ok);
    let text = || String::from_utf8_lossy(&event.payload).into_owned();
    let (text, base64) = match kind.is_json() {
        _ if is_short => (None, None),
        true => (payload.is_none().then(text), None),
        false => {
            let shown = Shown::of(event);
            (shown.text, shown.base64)
        }
    };
    let item = EventItem {
        id: event.id.to_string(),
        tenant,
        event_type: event.event_type.as_str(),
        ordering_key: event.ordering_key.get(),
        published_at: event.published_at.into(),
        content_type: (!kind.is_default()).then(|| kind.media_type()),
        content_encoding: kind.coding(),
        headers: event_headers::shown(&event.headers),
        payload,
        payload_text: text,
        payload_base64: base64,
    };
    let place = place.map_or_else(String::new, |place| format!("id: {place}\n"));
    written(&place, "event", &item)
}

/// Something that has happened.
pub(super) fn item(item: &Item, tenant: Option<&str>) -> Bytes {
    match item {
        Item::Started(item) => written("", "attempt.started", &OfTenant { tenant, item }),
        Item::Attempt(item) => written("", "attempt", &OfTenant { tenant, item }),
        Item::Delivery(item) => written("", "delivery", &OfTenant { tenant, item }),
        Item::Endpoint(item) => written("", "endpoint", &OfTenant { tenant, item }),
        Item::Skipped(count) => written("", "skipped", &SkippedItem { count: *count }),
    }
}

fn written(place: &str, name: &str, data: &impl Serialize) -> Bytes {
    // None of the forms can fail: their names are texts, and no text is no UTF-8.
    let data = serde_json::to_string(data).unwrap_or_default();
    // A line's end ends the field, and readers put `\n` between fields (HTML, section 9.2.6). In JSON
    // it stands between the tokens only, so a `\r` is all that is lost.
    let data = data.replace("\r\n", "\n").replace('\r', " ");
    let data = data.replace('\n', "\ndata: ");
    format!("{place}event: {name}\ndata: {data}\n\n").into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use postrider::{EventHeaders, EventId, EventPlace, OrderingKey, PayloadType, TenantId, Wall};
    use std::sync::Arc;

    fn shown(payload: &'static [u8]) -> String {
        shown_as(payload, PayloadType::default())
    }

    fn shown_as(payload: &'static [u8], payload_type: PayloadType) -> String {
        let event = postrider::Event {
            id: EventId::from_u128(1),
            tenant: TenantId::default(),
            event_type: "a.b".parse().unwrap(),
            payload: Bytes::from_static(payload),
            payload_type,
            headers: EventHeaders::default(),
            ordering_key: OrderingKey::none(),
            published_at: Wall(0),
        };
        let record = EventRecord {
            event: Arc::new(event),
            idempotency_key: None,
            place: EventPlace::Published("00000000000000ff".parse().unwrap()),
        };
        String::from_utf8(event_bytes(&record)).unwrap()
    }

    fn event_bytes(record: &EventRecord) -> Vec<u8> {
        event(record, Some("00ff"), None, false).to_vec()
    }

    #[test]
    fn a_payload_of_many_lines_keeps_them() {
        let text = shown(b"{\n  \"a\": 1.50,\r\n  \"b\":\r\"x\\ny\"\n}");
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[0], "id: 00ff");
        assert_eq!(lines[1], "event: event");
        assert_eq!(lines.last(), Some(&""), "{text}");
        let data = lines[2..lines.len() - 1].iter();
        let data: Vec<_> = data.map(|it| it.strip_prefix("data: ").unwrap()).collect();
        let data = data.join("\n");
        let payload = "{\n  \"a\": 1.50,\n  \"b\": \"x\\ny\"\n}";
        assert!(
            data.ends_with(&format!("\"payload\":{payload}}}")),
            "{data}"
        );
        let data: serde_json::Value = serde_json::from_str(&data).unwrap();
        assert!(data.get("payload_text").is_none());
    }

    #[test]
    fn what_is_no_json_is_shown_as_text() {
        let text = shown(b"a\nb");
        let data = text.lines().nth(2).unwrap().strip_prefix("data: ").unwrap();
        let data: serde_json::Value = serde_json::from_str(data).unwrap();
        assert_eq!(data["payload_text"], "a\nb");
        assert!(data.get("payload").is_none());
    }

    #[test]
    fn what_is_of_another_type_says_so_and_is_whole() {
        let kind = PayloadType::new("application/xml", Some("gzip")).unwrap();
        let text = shown_as(b"\x00\xff", kind);
        let data = text.lines().nth(2).unwrap().strip_prefix("data: ").unwrap();
        let data: serde_json::Value = serde_json::from_str(data).unwrap();
        assert_eq!(data["payload_base64"], "AP8=");
        assert_eq!(data["content_type"], "application/xml");
        assert_eq!(data["content_encoding"], "gzip");
        assert!(data.get("payload_text").is_none());
        let plain = shown(b"1");
        assert!(!plain.contains("content_"), "{plain}");
    }
}
