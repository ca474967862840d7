use super::*;
use proptest::prelude::*;
use std::cmp::Ordering;

fn read(json: &[u8]) -> Document<'_> {
    Document::read(json)
        .unwrap_or_else(|error| panic!("{}: {error}", String::from_utf8_lossy(json)))
}

fn text_at(json: &[u8], pointer: &str) -> Option<String> {
    let document = read(json);
    let value = document.pointer(pointer)?;
    value.text().map(Cow::into_owned)
}

#[test]
fn what_is_odd_hides_nothing_but_itself() {
    let deep = format!("{}1{}", "[".repeat(130), "]".repeat(130));
    for odd in [
        r#""caf\ud83d""#,
        r#""\ude00\ud83d\ud83d""#,
        r#""\x \u12""#,
        "1e400",
        "-123456789012345678901234567890.5e-99999999999999999999",
        "NaN",
        "-Infinity",
        "01",
        "\"a\tb\n\u{0}\"",
        &deep,
    ] {
        let json = format!(r#"{{"odd": {odd}, "type": "a.b", "after": [{odd}, {{"id": "x"}}]}}"#);
        for json in [
            json.clone(),
            format!("\u{feff}{json}"),
            format!(" \r\n\t{json}\n"),
        ] {
            let json = json.as_bytes();
            assert_eq!(text_at(json, "/type").as_deref(), Some("a.b"), "{odd}");
            assert_eq!(text_at(json, "/after/1/id").as_deref(), Some("x"), "{odd}");
            assert!(read(json).pointer("/odd").is_some(), "{odd}");
        }
    }
    let invalid = b"{\"odd\": \"\xff\xc3\", \"\xfe\": \"\xf0\x9f\", \"type\": \"a.b\"}";
    assert_eq!(text_at(invalid, "/type").as_deref(), Some("a.b"));
    assert_eq!(
        text_at(invalid, "/odd").as_deref(),
        Some("\u{fffd}\u{fffd}")
    );
    assert_eq!(text_at(invalid, "/\u{fffd}").as_deref(), Some("\u{fffd}"));
}

#[test]
fn a_text_reads_as_far_as_it_can_be_read() {
    for (json, text) in [
        (r#""caf\ud83d""#, "caf\u{fffd}"),
        (r#""\ud83d\ude00 \u00e9""#, "😀 é"),
        (r#""\ud83d\ud83d\ude00""#, "\u{fffd}😀"),
        (r#""\ude00x\ud83dy""#, "\u{fffd}x\u{fffd}y"),
        (r#""\ud83d\u0041""#, "\u{fffd}A"),
        (r#""\"\\\/\b\f\n\r\t""#, "\"\\/\u{8}\u{c}\n\r\t"),
        (r#""\q\u12\u""#, "\u{fffd}q\u{fffd}12\u{fffd}"),
        ("\"a\u{1}\n\"", "a\u{1}\n"),
        (r#""""#, ""),
    ] {
        assert_eq!(
            text_at(json.as_bytes(), "").as_deref(),
            Some(text),
            "{json}"
        );
    }
}

#[test]
fn what_cannot_be_read_says_where() {
    let refused = |json: &[u8]| Document::read(json).unwrap_err();
    for (json, at) in [
        (&b""[..], 0),
        (b" ", 1),
        (b"not json", 4),
        (b"hello", 0),
        (b"NaN", 0),
        (b"{\"a\":1", 6),
        (b"{\"a\" 1}", 5),
        (b"{\"a\":1,}", 7),
        (b"{a:1}", 1),
        (b"[1,]", 3),
        (b"[1 2]", 3),
        (b"[1}", 2),
        (b"{\"a\":1]", 6),
        (b"{} {}", 3),
        (b"[\"a]", 1),
        (b"\"a\\\"", 0),
        (b"<a/>", 0),
        (b"a=b", 1),
        (b"\xff\xfe{\0}\0", 0),
        (b"{\0\"\0a\0", 1),
    ] {
        assert_eq!(refused(json).at, at, "{}", String::from_utf8_lossy(json));
    }
    assert_eq!(
        refused(b"{\"a\":1").to_string(),
        "byte 6: expected a comma, or the end of the object or array"
    );
}

#[test]
fn of_members_with_the_same_name_the_last_one_counts() {
    let document = read(br#"{"a": 1, "b": 2, "\u0061": {"c": 3}, "a": [4], "b": 5}"#);
    assert_eq!(document.pointer("/a/0").unwrap().raw(), b"4");
    assert_eq!(document.pointer("/b").unwrap().raw(), b"5");
    let names: Vec<_> = document
        .root()
        .members()
        .into_iter()
        .map(|it| it.0)
        .collect();
    assert_eq!(names, ["a", "b"]);
    assert!(document.pointer("/a/c").is_none());
}

#[test]
fn a_pointer_is_that_of_rfc_6901() {
    let document = read(br#"{"a/b": {"~": [10, 11]}, "": {"0": 1, "01": 2}}"#);
    for (pointer, raw) in [
        ("/a~1b/~0/1", Some("11")),
        ("/a~1b/~0/01", None),
        ("/a~1b/~0/+1", None),
        ("/a~1b/~0/2", None),
        ("/a~1b/~0/-", None),
        ("//0", Some("1")),
        ("//01", Some("2")),
        ("a", None),
        ("/a~1b/~0/0/x", None),
    ] {
        let found = document.pointer(pointer).map(|it| it.raw());
        assert_eq!(found, raw.map(str::as_bytes), "{pointer}");
    }
}

#[test]
fn a_million_levels_are_read() {
    let levels = 1_000_000;
    let json = format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    let document = read(json.as_bytes());
    assert_eq!(document.nodes.len(), levels);
    assert!(document.pointer(&"/0".repeat(1_000)).is_some());
    let objects = format!("{}1{}", "{\"a\":".repeat(200_000), "}".repeat(200_000));
    assert!(
        read(objects.as_bytes())
            .pointer(&"/a".repeat(1_000))
            .is_some()
    );
    assert!(Document::read("[".repeat(levels).as_bytes()).is_err());
}

#[test]
fn numbers_compare_exactly_at_any_size() {
    use Ordering::{Equal, Greater, Less};
    let long = "9".repeat(300_000);
    let longer = format!("{}.0", "9".repeat(300_001));
    let far = format!("1e{long}");
    let farther = format!("10e{long}");
    for (a, order, b) in [
        ("12345678901234567890123", Less, "12345678901234567890124"),
        ("1.0", Equal, "1"),
        ("10e-1", Equal, "1"),
        ("0.001E+3", Equal, "1"),
        ("1e400", Equal, "10e399"),
        ("1e400", Less, "1e401"),
        ("1e999999999", Greater, "9e999999998"),
        ("1e-999999999", Greater, "0"),
        ("-1e999999999", Less, "1e-999999999"),
        ("-0.0", Equal, "0"),
        ("0e999999999999999999999", Equal, "0"),
        ("-2", Less, "-1.5"),
        ("0.05", Less, "0.5"),
        ("0.1", Less, "0.10000000000000000000000000000000001"),
        ("9007199254740993", Greater, "9007199254740992.0"),
        (
            "1e99999999999999999999999999999999999999999",
            Less,
            "1e100000000000000000000000000000000000000000",
        ),
        (
            "100e99999999999999999999999999999999999999999",
            Equal,
            "1e100000000000000000000000000000000000000001",
        ),
        (
            "1e-99999999999999999999999999999999999999999",
            Less,
            "1e-99999999999999999999999999999999999999998",
        ),
        (&long, Less, &longer),
        (&far, Less, &farther),
    ] {
        assert_eq!(compare_numbers(a, b), Some(order), "{a:.40} and {b:.40}");
        assert_eq!(
            compare_numbers(b, a),
            Some(order.reverse()),
            "{b:.40} and {a:.40}"
        );
        assert_eq!(compare_numbers(a, a), Some(Equal), "{a:.40}");
    }
    for odd in [
        "", "-", "01", "1.", ".5", "1e", "1e+", "+1", "NaN", "0x1", "1 ",
    ] {
        assert_eq!(compare_numbers(odd, "1"), None, "{odd}");
    }
}

#[test]
fn what_json_does_not_have_becomes_what_it_has() {
    for (odd, json) in [
        (
            &b"{\"a\": [NaN, 1.10, 1e400], \"b\": null}"[..],
            r#"{"a": ["NaN", 1.10, 1e400], "b": null}"#,
        ),
        (
            b"[\"a\tb\\ud83d\\q\xff\", \"\\\"]\"]",
            "[\"a\\u0009b\u{fffd}\u{fffd}q\u{fffd}\", \"\\\"]\"]",
        ),
        (b"{\"a\":1, \"a\":01}", r#"{"a":1, "a":"01"}"#),
        (b"\"\\u00e9\"", r#""\u00e9""#),
        (
            br#"{"\ud83d": ["\ud83d\ude00", "\\ud83d", "\ude00\ud83d"]}"#,
            "{\"\u{fffd}\": [\"\\ud83d\\ude00\", \"\\\\ud83d\", \"\u{fffd}\u{fffd}\"]}",
        ),
    ] {
        assert_eq!(read(odd).root().json(), json);
    }
}

#[test]
fn compact_text_has_the_same_tokens() {
    let json = "{ \"a b\" : [1.10,\t\"c \\\" d\", \"\\\\\"],\r\n\"é\": null }\n";
    assert_eq!(compact(json), r#"{"a b":[1.10,"c \" d","\\"],"é":null}"#);
}

fn values() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        "[ab\"\\\\/~ é😀\u{0}-\u{20}]{0,5}".prop_map(Into::into),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Into::into),
            proptest::collection::btree_map("[ab/~\"é]{0,2}", inner, 0..5)
                .prop_map(|it| serde_json::Value::Object(it.into_iter().collect())),
        ]
    })
}

/// All pointers into a value.
fn pointers(value: &serde_json::Value, at: String, all: &mut Vec<String>) {
    match value {
        serde_json::Value::Array(list) => {
            for (place, it) in list.iter().enumerate() {
                pointers(it, format!("{at}/{place}"), all);
            }
        }
        serde_json::Value::Object(members) => {
            for (name, it) in members {
                let name = name.replace('~', "~0").replace('/', "~1");
                pointers(it, format!("{at}/{name}"), all);
            }
        }
        _ => (),
    }
    all.push(at);
}

fn agrees(ours: Value<'_, '_>, theirs: &serde_json::Value) -> bool {
    // Both are read again: `serde_json` rounds.
    let read = |json: &[u8]| serde_json::from_slice::<serde_json::Value>(json).ok();
    ours.text().as_deref() == theirs.as_str()
        && read(ours.raw()) == read(theirs.to_string().as_bytes())
}

proptest! {
    #[test]
    fn every_pointer_finds_what_serde_json_finds(value in values(), pretty: bool) {
        let json = match pretty {
            true => serde_json::to_string_pretty(&value).unwrap(),
            false => value.to_string(),
        };
        let document = read(json.as_bytes());
        let mut all = Vec::new();
        pointers(&value, String::new(), &mut all);
        for pointer in all {
            let ours = document.pointer(&pointer);
            prop_assert!(ours.is_some_and(|it| agrees(it, value.pointer(&pointer).unwrap())), "{pointer}");
        }
        prop_assert_eq!(&*document.root().json(), &json);
        prop_assert_eq!(compact(&json), value.to_string());
    }

    #[test]
    fn numbers_compare_as_machines_compare_those_they_have(a: i64, b: i64, tens in 0_usize..4) {
        let spelled = format!("{b}{}e-{tens}", "0".repeat(tens));
        prop_assert_eq!(compare_numbers(&a.to_string(), &spelled), Some(a.cmp(&b)));
        let (x, y) = (a as f64 / 1024.0, b as f64 / 1024.0);
        prop_assert_eq!(compare_numbers(&x.to_string(), &y.to_string()), x.partial_cmp(&y));
    }

    #[test]
    fn no_bytes_make_it_panic(value in values(), cuts in proptest::collection::vec((any::<u16>(), any::<u8>()), 0..6)) {
        let mut json = value.to_string().into_bytes();
        for (at, byte) in cuts {
            let place = usize::from(at) % (json.len() + 1);
            match byte {
                0..80 => json.insert(place, byte),
                80..160 => json.truncate(place),
                _ if place < json.len() => json[place] = b"\\\"{}[]:,u0\xff\t"[usize::from(byte) % 12],
                _ => (),
            }
        }
        if let Ok(document) = Document::read(&json) {
            let mended = document.root().json();
            prop_assert!(serde_json::from_str::<&serde_json::value::RawValue>(&mended).is_ok(), "{}", mended);
            for (name, value) in document.root().members() {
                prop_assert_eq!(document.root().member(&name).map(Value::raw), Some(value.raw()));
                let _ = value.text();
            }
            for value in document.root().elements() {
                let _ = (value.text(), value.number(), value.members());
            }
        } else {
            prop_assert!(serde_json::from_slice::<&serde_json::value::RawValue>(&json).is_err());
        }
    }
}
