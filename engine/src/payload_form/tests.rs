use super::*;
use crate::{EventHeaders, EventId, OrderingKey, PayloadType, TenantId, Wall};

fn event(payload: &'static [u8]) -> Event {
    Event {
        id: EventId::from_u128(1),
        tenant: TenantId::default(),
        event_type: "payment.made".parse().unwrap(),
        payload: Bytes::from_static(payload),
        payload_type: PayloadType::default(),
        headers: EventHeaders::default(),
        ordering_key: OrderingKey::none(),
        published_at: Wall(1_795_341_600_000),
    }
}

fn sending() -> RenderContext {
    RenderContext {
        delivery: DeliveryId::from_u128(2),
        attempt: 3,
        at: Wall(1_795_341_661_234),
    }
}

/// An event with a payload of this type.
fn typed(payload: &'static [u8], media_type: &str, coding: Option<&str>) -> Event {
    Event {
        payload_type: PayloadType::new(media_type, coding).unwrap(),
        ..event(payload)
    }
}

fn rendered(
    form: &PayloadForm,
    payload: &'static [u8],
    most: usize,
) -> Result<Bytes, BodyTooLarge> {
    form.render(&event(payload), &sending(), most)
}

#[test]
fn an_envelope_has_the_payload_byte_for_byte() {
    let body = rendered(
        &PayloadForm::Envelope,
        b"{\"n\": 1.10,  \"big\":12345678901234567890}",
        200,
    );
    let expected = r#"{"type":"payment.made","timestamp":"2026-11-22T10:00:00.000Z","data":{"n": 1.10,  "big":12345678901234567890}}"#;
    assert_eq!(body.unwrap(), expected.as_bytes());
}

#[test]
fn an_envelope_has_what_is_not_json_as_a_string() {
    for (payload, data) in [
        (&b"a\"b\n"[..], r#""a\"b\n""#),
        (b"", r#""""#),
        (b"{\"a\":1}}", r#""{\"a\":1}}""#),
        (b"\xff", "\"\u{fffd}\""),
    ] {
        let body = rendered(&PayloadForm::Envelope, payload, 200).unwrap();
        let body = String::from_utf8(body.into()).unwrap();
        assert!(body.ends_with(&format!("\"data\":{data}}}")), "{body}");
    }
}

#[test]
fn an_envelope_has_json_as_it_is_without_what_json_does_not_have() {
    for (payload, data) in [
        (
            &b"\xef\xbb\xbf{\"n\": 1e400, \"t\": \"caf\\ud83d\"}"[..],
            "{\"n\": 1e400, \"t\": \"caf\u{fffd}\"}",
        ),
        (
            br#"{"half": "\ude00\ud83d", "pair": "\uD83D\uDE00 \u00e9 \\ud83d",  "n": 1.10}"#,
            "{\"half\": \"\u{fffd}\u{fffd}\", \"pair\": \"\\uD83D\\uDE00 \\u00e9 \\\\ud83d\",  \"n\": 1.10}",
        ),
        (
            br#"{"pair": "\uD83D\uDE00",  "n": 1.10, "slash": "\\ud83d"}"#,
            r#"{"pair": "\uD83D\uDE00",  "n": 1.10, "slash": "\\ud83d"}"#,
        ),
        (b"{\"a\":1,\"a\":2}", r#"{"a":1,"a":2}"#),
        (
            b"{\"n\":NaN,\"t\":\"\xff\"}",
            "{\"n\":\"NaN\",\"t\":\"\u{fffd}\"}",
        ),
    ] {
        let body = rendered(&PayloadForm::Envelope, payload, 200).unwrap();
        let body = String::from_utf8(body.into()).unwrap();
        assert!(body.ends_with(&format!("\"data\":{data}}}")), "{body}");
    }
}

#[test]
fn an_array_of_events_is_taken_by_a_strict_parser_whatever_one_of_them_has() {
    let events = [event(b"{\"n\": 1.10}"), event(br#""caf\ud83d""#)];
    let deliveries = events.iter().map(|it| (it, sending()));
    let body = PayloadForm::Raw.render_all(deliveries, 200).unwrap();
    assert_eq!(body, "[{\"n\": 1.10},\"caf\u{fffd}\"]".as_bytes());
    assert!(serde_json::from_slice::<Value>(&body).is_ok());
    let half = rendered(&PayloadForm::Raw, br#""caf\ud83d""#, 200).unwrap();
    assert_eq!(half, br#""caf\ud83d""#.as_slice());
}

#[test]
fn a_raw_payload_is_not_copied_whatever_its_size() {
    static PAYLOAD: &[u8] = b"{\"a\":1}";
    let body = rendered(&PayloadForm::Raw, PAYLOAD, 0).unwrap();
    assert_eq!(body.as_ptr(), PAYLOAD.as_ptr());
}

#[test]
fn an_envelope_over_the_bound_is_an_error() {
    let envelope = |most| rendered(&PayloadForm::Envelope, b"1", most);
    let bytes = envelope(1_000).unwrap().len();
    assert!(envelope(bytes).is_ok());
    assert_eq!(envelope(bytes - 1), Err(BodyTooLarge { most: bytes - 1 }));
}

/// What an envelope says behind its time.
fn enveloped(event: &Event) -> String {
    let body = PayloadForm::Envelope
        .render(event, &sending(), 500)
        .unwrap();
    let body = String::from_utf8(body.into()).unwrap();
    assert!(serde_json::from_str::<Value>(&body).is_ok(), "{body}");
    let head = r#"{"type":"payment.made","timestamp":"2026-11-22T10:00:00.000Z""#;
    body.strip_prefix(head).unwrap().to_owned()
}

#[test]
fn an_envelope_says_what_a_payload_is_that_is_not_plain_json() {
    for (event, expected) in [
        (
            typed(b"<a b=\"c\"/>", "application/xml", None),
            r#","content_type":"application/xml","data":"<a b=\"c\"/>"}"#,
        ),
        (
            typed(b"a=b&c=d", "application/x-www-form-urlencoded", None),
            r#","content_type":"application/x-www-form-urlencoded","data":"a=b&c=d"}"#,
        ),
        (
            typed(b"\x00\xff", "application/octet-stream", None),
            r#","content_type":"application/octet-stream","data_base64":"AP8="}"#,
        ),
        (
            typed(b"foo", "text/plain", Some("gzip")),
            r#","content_type":"text/plain","content_encoding":"gzip","data_base64":"Zm9v"}"#,
        ),
        (
            typed(br#"{"a": 1.0}"#, "application/vnd.api+json", None),
            r#","content_type":"application/vnd.api+json","data":{"a": 1.0}}"#,
        ),
        (
            typed(br#"{"a": 1.0}"#, "text/plain; charset=UTF-8", None),
            r#","content_type":"text/plain; charset=UTF-8","data":{"a": 1.0}}"#,
        ),
        (
            typed(b"[draft] 5", "text/plain", None),
            r#","content_type":"text/plain","data":"[draft] 5"}"#,
        ),
        (
            typed(b"5", "text/plain", None),
            r#","content_type":"text/plain","data":"5"}"#,
        ),
        (event(b"5"), r#","data":5}"#),
    ] {
        assert_eq!(enveloped(&event), expected);
    }
}

#[test]
fn an_array_of_events_has_what_is_not_json_as_a_string() {
    let events = [
        typed(b"<a/>", "application/xml", None),
        typed(b"\xff", "image/png", None),
        event(b"{}"),
    ];
    let deliveries = events.iter().map(|it| (it, sending()));
    let body = PayloadForm::Raw.render_all(deliveries, 200).unwrap();
    assert_eq!(body, r#"["<a/>","/w==",{}]"#);
}
