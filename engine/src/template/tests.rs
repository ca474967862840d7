use super::*;
use crate::payload_form::PayloadForm;
use crate::{DeliveryId, EventHeaders, EventId, OrderingKey, PayloadType, TenantId, Wall};
use bytes::Bytes;
use proptest::prelude::*;

fn event(payload: &str) -> Event {
    Event {
        id: EventId::from_u128(1),
        tenant: TenantId::default(),
        event_type: "payment.made".parse().unwrap(),
        payload: Bytes::copy_from_slice(payload.as_bytes()),
        payload_type: PayloadType::default(),
        headers: EventHeaders::default(),
        ordering_key: OrderingKey::none(),
        published_at: Wall(1_795_341_600_000),
    }
}

/// The document with the parts of an event with this payload.
fn written(text: &str, payload: &str) -> String {
    let template = Template::new("t", 1, text).unwrap_or_else(|error| panic!("{text}: {error}"));
    written_of(&template, &event(payload))
}

fn written_of(template: &Template, event: &Event) -> String {
    let form = PayloadForm::Template(template.clone());
    let body = form.render(event, &sending(), 10_000).unwrap();
    String::from_utf8(body.into()).unwrap()
}

fn sending() -> RenderContext {
    RenderContext {
        delivery: DeliveryId::from_u128(2),
        attempt: 3,
        at: Wall(1_795_341_661_234),
    }
}

fn refused(text: &str) -> (usize, usize, TemplateProblem) {
    match Template::new("t", 1, text).unwrap_err() {
        InvalidTemplate::Text {
            line,
            column,
            problem,
        } => (line, column, problem),
        other => panic!("{other}"),
    }
}

#[test]
fn a_string_that_is_a_placeholder_becomes_the_value_digit_by_digit() {
    let payload = r#"{"amount": 12345678901234567890.10, "items": [{"price": 1e2}], "none": null}"#;
    for (path, value) in [
        ("data.amount", "12345678901234567890.10"),
        ("data.items.0.price", "1e2"),
        ("data.items.0", r#"{"price": 1e2}"#),
        ("data.none", "null"),
        ("data.missing.further", "null"),
        ("data.items.1", "null"),
        ("data", payload),
        ("id", "\"evt_00000000000000000000000001\""),
        ("delivery_id", "\"dlv_00000000000000000000000002\""),
        ("type", "\"payment.made\""),
        ("timestamp", "\"2026-11-22T10:00:00.000Z\""),
        ("timestamp_seconds", "1795341600"),
        ("timestamp_ms", "1795341600000"),
        ("attempt", "3"),
        ("previous_attempts", "2"),
        ("sent_at", "\"2026-11-22T10:01:01.234Z\""),
        ("sent_at_seconds", "1795341661"),
        ("sent_at_ms", "1795341661234"),
        ("content_type", "\"application/json\""),
        ("content_encoding", "null"),
    ] {
        let text = format!("{{ \"v\" : \"{{{{ {path} }}}}\" }}");
        assert_eq!(written(&text, payload), format!("{{ \"v\" : {value} }}"));
    }
}

#[test]
fn a_placeholder_within_a_string_becomes_the_text_of_the_value() {
    let payload = r#"{"name": "A \"q\" \u00e9", "n": 7, "list": ["x"], "none": null}"#;
    for (text, expected) in [
        (r#""Hi {{data.name}}!""#, r#""Hi A \"q\" \u00e9!""#),
        (r#""{{data.n}}/{{data.n}}""#, r#""7/7""#),
        (r#""l: {{data.list}}""#, r#""l: [\"x\"]""#),
        (r#""<{{data.none}}{{data.missing}}>""#, r#""<>""#),
        (
            r#"["\u00e9 \\", "{{type}} "]"#,
            r#"["\u00e9 \\", "payment.made "]"#,
        ),
    ] {
        assert_eq!(written(text, payload), expected);
    }
}

#[test]
fn names_with_escapes_are_found() {
    let payload = r#"{"a\"b": 1, "é": 2}"#;
    assert_eq!(
        written(r#"["{{data.a\"b}}", "{{data.\u00e9}}"]"#, payload),
        "[1, 2]"
    );
}

#[test]
fn a_payload_that_is_not_json_is_a_string() {
    assert_eq!(
        written(r#"["{{data}}", "{{data.a}}"]"#, "a\n\"b\""),
        r#"["a\n\"b\"", null]"#
    );
    assert_eq!(written(r#""= {{data}}""#, "a\n\"b\""), r#""= a\n\"b\"""#);
}

#[test]
fn what_is_taken_from_an_odd_payload_stays_as_it_is_given_where_parsers_take_it() {
    let payload = "\u{feff}{\"b\": 1.10, \"big\": 1e400, \"t\": \"caf\\ud83d\", \"o\": {\"z\": 1, \"a\": 2, \"z\": 3}, \"b\": 2.0, \"odd\": [NaN, \"\t\"]}";
    for (path, value) in [
        ("data.b", "2.0"),
        ("data.big", "1e400"),
        ("data.t", "\"caf\u{fffd}\""),
        ("data.o", r#"{"z": 1, "a": 2, "z": 3}"#),
        ("data.o.z", "3"),
        ("data.odd", r#"["NaN", "\u0009"]"#),
        ("data.odd.0", r#""NaN""#),
    ] {
        assert_eq!(written(&format!("\"{{{{{path}}}}}\""), payload), value);
    }
    assert_eq!(
        written(r#""= {{data.t}} {{data.big}}""#, payload),
        "\"= caf\u{fffd} 1e400\""
    );
}

#[test]
fn a_payload_of_many_levels_and_members_is_read_once() {
    let levels = 60_000;
    let members = (0..20_000).map(|number| format!("\"m{number}\":{number}"));
    let members = members.collect::<Vec<_>>().join(",");
    let payload = format!(
        "{{\"deep\":{}{},{members}}}",
        "[".repeat(levels),
        "]".repeat(levels)
    );
    let paths = (0..64).map(|number| format!("\"{{{{data.m{number}}}}}\""));
    let text = format!("[{}]", paths.collect::<Vec<_>>().join(","));
    let numbers: Vec<u32> = serde_json::from_str(&written(&text, &payload)).unwrap();
    assert_eq!(numbers, (0..64).collect::<Vec<_>>());
}

#[test]
fn members_keep_the_order_of_the_template_and_of_the_payload() {
    let text = r#"{"z": "{{data}}", "a": 1, "m": {"y": "{{data.o}}", "b": "{{attempt}}"}}"#;
    let payload = r#"{"q": 1, "o": {"z": 2, "a": 3}, "c": 4}"#;
    let expected = r#"{"z": {"q": 1, "o": {"z": 2, "a": 3}, "c": 4}, "a": 1, "m": {"y": {"z": 2, "a": 3}, "b": 3}}"#;
    assert_eq!(written(text, payload), expected);
}

#[test]
fn a_number_within_a_string_is_its_digits() {
    assert_eq!(
        written(r#""<!date^{{timestamp_seconds}}^> no. {{attempt}}""#, "1"),
        r#""<!date^1795341600^> no. 3""#
    );
}

#[test]
fn a_payload_of_another_type_is_its_text_or_base64() {
    let text = r#"["{{data}}", "{{data.a}}", "{{content_type}}", "{{content_encoding}}"]"#;
    let template = Template::new("t", 1, text).unwrap();
    let typed = |payload: &'static [u8], media_type, coding| Event {
        payload: Bytes::from_static(payload),
        payload_type: PayloadType::new(media_type, coding).unwrap(),
        ..event("")
    };
    for (event, expected) in [
        (
            typed(b"<a>1</a>", "text/xml", None),
            r#"["<a>1</a>", null, "text/xml", null]"#,
        ),
        (
            typed(b"\x00\xff", "image/png", None),
            r#"["AP8=", null, "image/png", null]"#,
        ),
        (
            typed(b"foo", "application/json", Some("br")),
            r#"["Zm9v", null, "application/json", "br"]"#,
        ),
        (
            typed(br#"{"a":1}"#, "text/plain", None),
            r#"[{"a":1}, 1, "text/plain", null]"#,
        ),
    ] {
        assert_eq!(written_of(&template, &event), expected);
    }
}

#[test]
fn a_template_has_the_headers_of_the_event() {
    let text = r#"["{{headers.X-Shopify-Topic}}", "{{headers.x-none}}", "{{headers}}", "on {{headers.x-shopify-topic}}"]"#;
    let template = Template::new("t", 1, text).unwrap();
    let told = Event {
        headers: EventHeaders::new([("x-shopify-topic", "orders/create")]).unwrap(),
        ..event("1")
    };
    let expected =
        r#"["orders/create", null, {"x-shopify-topic":"orders/create"}, "on orders/create"]"#;
    assert_eq!(written_of(&template, &told), expected);
    let expected = r#"[null, null, {}, "on "]"#;
    assert_eq!(written_of(&template, &event("1")), expected);
    assert_eq!(refused(r#""{{headers.}}""#).2, TemplateProblem::Path);
}

#[test]
fn what_is_refused_says_where_and_what_to_do() {
    assert_eq!(refused("{\n \"a\": {{data}} }").0, 2);
    assert_eq!(
        refused("[\"é\",\n \"x {{data\"]"),
        (2, 5, TemplateProblem::Unclosed)
    );
    assert_eq!(
        refused("{\"{{data.a}}\" : 1}"),
        (1, 3, TemplateProblem::InName)
    );
    assert_eq!(refused("\"{{data..a}}\""), (1, 2, TemplateProblem::Path));
    assert_eq!(refused("\"{{data.}}\""), (1, 2, TemplateProblem::Path));
    for name in ["", "payload", "datas.x", "id.x"] {
        let unknown = TemplateProblem::Unknown { name: name.into() };
        assert_eq!(refused(&format!("\"{{{{{name}}}}}\"")), (1, 2, unknown));
    }
    let name = |name: &str| Template::new(name, 1, "{}").err();
    assert_eq!(name(""), Some(InvalidTemplate::Name));
    assert_eq!(name("a\nb"), Some(InvalidTemplate::Name));
    assert_eq!(name("Slack (v2)"), None);
}

#[test]
fn a_template_is_bounded_in_bytes_depth_and_placeholders() {
    let problem = |text: &str| Template::new("t", 1, text).err().map(|_| refused(text).2);
    let nested = |depth: usize| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
    assert_eq!(problem(&nested(Template::DEPTH_MAX)), None);
    let too_deep = nested(Template::DEPTH_MAX + 1);
    assert_eq!(problem(&too_deep), Some(TemplateProblem::TooDeep));
    let many = |count: usize| format!("\"{}\"", "{{id}}".repeat(count));
    assert_eq!(problem(&many(Template::PLACEHOLDERS_MAX)), None);
    let too_many = many(Template::PLACEHOLDERS_MAX + 1);
    assert_eq!(problem(&too_many), Some(TemplateProblem::TooMany));
    let long = |bytes: usize| format!("\"{}\"", "x".repeat(bytes - 2));
    assert_eq!(problem(&long(Template::BYTES_MAX)), None);
    assert_eq!(
        problem(&long(Template::BYTES_MAX + 1)),
        Some(TemplateProblem::TooLong)
    );
    let path = |parts: usize| format!("\"{{{{data{}}}}}\"", ".a".repeat(parts - 1));
    assert_eq!(problem(&path(Template::DEPTH_MAX)), None);
    assert_eq!(
        problem(&path(Template::DEPTH_MAX + 1)),
        Some(TemplateProblem::Path)
    );
}

#[test]
fn a_rendered_body_is_bounded() {
    let template = Template::new("t", 1, r#"["{{data}}", "{{data}}"]"#).unwrap();
    let form = PayloadForm::Template(template);
    let (event, sending) = (event("\"1234\""), sending());
    let fits = "[\"1234\", \"1234\"]".len();
    assert!(form.render(&event, &sending, fits).is_ok());
    let most = fits - 1;
    assert_eq!(
        form.render(&event, &sending, most),
        Err(BodyTooLarge { most })
    );
}

proptest! {
    #[test]
    fn whatever_is_accepted_renders_json(text in "[\\[\\]{}\":,a-c. 01\\\\]{0,30}", payload in "[{}\\[\\]\":a,0]{0,12}") {
        for text in [text.clone(), format!("[\"{text}\"]"), format!("\"{{{{data.{text}}}}}\"")] {
            if Template::new("t", 1, &text).is_ok() {
                let written = written(&text, &payload);
                prop_assert!(serde_json::from_str::<serde_json::Value>(&written).is_ok(), "{}", written);
            }
        }
    }
}
