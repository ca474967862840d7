//! Schemas that would take for ever, and schemas as people write them.

use super::*;
use serde_json::json;
use std::time::{Duration, Instant};

/// The longest that any one piece of work may take here. The aim is well below a second; the tests run
/// without optimisation, beside others.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Matches,
    Violates,
    /// The schema is refused.
    Refused,
    /// The schema is no schema.
    Invalid,
    /// The value takes too much work.
    TooCostly,
}

use Verdict::{Invalid, Matches, Refused, TooCostly, Violates};

/// What becomes of the schema and the value, on a thread as the workers are.
fn verdict(schema: Value, value: Value) -> Verdict {
    let Value::Object(schema) = schema else {
        panic!("no object");
    };
    let started = Instant::now();
    let work = move || match Schema::compile(&schema) {
        Err(SchemaError::Invalid(_)) => Invalid,
        Err(SchemaError::TooCostly(_)) => Refused,
        Ok(schema) => match schema.check(&value) {
            Ok(()) => Matches,
            Err(Mismatch::Violations(places)) => {
                assert!((1..=PLACES_MAX).contains(&places.len()));
                Violates
            }
            Err(Mismatch::TooCostly) => TooCostly,
        },
    };
    let thread = std::thread::Builder::new().stack_size(64 << 20);
    let verdict = thread.spawn(work).unwrap().join().unwrap();
    let took = started.elapsed();
    assert!(took < PATIENCE, "{verdict:?} after {took:?}");
    verdict
}

/// `depth` subschemas, each of which applies the next one twice.
fn doubling(apply_twice: impl Fn(Value) -> Value, depth: usize) -> Value {
    let next = |index: usize| json!({ "$ref": format!("#/$defs/s{index}") });
    let mut all: Map<String, Value> = (0..depth)
        .map(|index| (format!("s{index}"), apply_twice(next(index + 1))))
        .collect();
    all.insert(format!("s{depth}"), json!({ "type": "object" }));
    json!({ "$ref": "#/$defs/s0", "$defs": all })
}

fn through(keyword: &'static str) -> impl Fn(Value) -> Value {
    move |next| json!({ keyword: [next.clone(), next] })
}

fn nested(depth: usize) -> Value {
    (0..depth).fold(json!({}), |inner, _| json!({ "x": inner }))
}

fn members(count: usize) -> Value {
    let members = (0..count).map(|it| (format!("k{it}"), json!(it)));
    Value::Object(members.collect())
}

#[test]
fn too_much_that_applies_at_one_place_is_refused() {
    for keyword in ["allOf", "anyOf", "oneOf"] {
        assert_eq!(
            verdict(doubling(through(keyword), 40), json!({})),
            Refused,
            "{keyword}"
        );
        assert_ne!(
            verdict(doubling(through(keyword), 8), json!({})),
            Refused,
            "{keyword}"
        );
    }
    let conditional =
        |next: Value| json!({ "if": next.clone(), "then": next.clone(), "else": next });
    assert_eq!(verdict(doubling(conditional, 40), json!({})), Refused);
    let dependent = |next: Value| json!({ "dependentSchemas": { "a": next.clone(), "b": next } });
    assert_eq!(
        verdict(doubling(dependent, 40), json!({ "a": 1, "b": 1 })),
        Refused
    );
    let not = |next: Value| json!({ "not": { "anyOf": [next.clone(), next] } });
    assert_eq!(verdict(doubling(not, 40), json!({})), Refused);
    let mut unevaluated = doubling(through("allOf"), 40);
    unevaluated["unevaluatedProperties"] = json!(false);
    assert_eq!(verdict(unevaluated, json!({ "a": 1 })), Refused);
}

#[test]
fn references_by_name_count_like_those_by_place() {
    let named = |name: &str, next: &str, anchor: &str| json!({ anchor: name, "allOf": [{ "$ref": next }, { "$ref": next }] });
    for (anchor, prefix, name_prefix) in [
        ("$anchor", "#n", "n"),
        ("$id", "n", "n"),
        ("$dynamicAnchor", "#n", "n"),
    ] {
        let all: Map<String, Value> = (0..40)
            .map(|it| {
                let next = format!("{prefix}{}", it + 1);
                (
                    format!("d{it}"),
                    named(&format!("{name_prefix}{it}"), &next, anchor),
                )
            })
            .chain([("d40".to_owned(), json!({ anchor: "n40" }))])
            .collect();
        let schema = json!({ "$id": "https://example.com/root", "$ref": format!("{prefix}0"), "$defs": all });
        assert_eq!(verdict(schema, json!({})), Refused, "{anchor}");
    }
    let escaped =
        json!({ "$ref": "#/$defs/a~1b%20c", "$defs": { "a/b c": { "$ref": "#/$defs/a~1b%20c" } } });
    assert_eq!(verdict(escaped, json!({})), Refused);
}

/// What a dynamic reference means depends on the way that led to it, so that each way is compiled.
#[test]
fn a_schema_whose_meaning_doubles_with_every_reference_is_refused() {
    let mut all = Map::new();
    for level in 0..40 {
        for name in ["a", "b"] {
            let next = |name: &str| match level {
                39 => json!({ "type": "integer" }),
                _ => json!({ "$ref": format!("{name}{}", level + 1) }),
            };
            let schema = json!({ "$id": format!("{name}{level}"), "properties": { "x": next("a"), "y": next("b") } });
            all.insert(format!("{name}{level}"), schema);
        }
    }
    let schema = json!({ "$id": "https://example.com/", "$ref": "a0", "$defs": all });
    assert_eq!(verdict(schema, nested(60)), Refused);
}

#[test]
fn a_schema_without_an_end_is_refused() {
    for endless in [
        json!({ "$ref": "#" }),
        json!({ "allOf": [{ "$ref": "#" }] }),
        json!({ "not": { "$ref": "#" } }),
        json!({ "$ref": "#/$defs/a", "$defs": { "a": { "$ref": "#/$defs/b" }, "b": { "$ref": "#/$defs/a" } } }),
        json!({ "$dynamicAnchor": "n", "anyOf": [{ "$dynamicRef": "#n" }] }),
    ] {
        assert_eq!(verdict(endless.clone(), json!({})), Refused, "{endless}");
    }
    let chain: Map<String, Value> = (0..1_500)
        .map(|it| {
            (
                format!("s{it}"),
                json!({ "$ref": format!("#/$defs/s{}", it + 1) }),
            )
        })
        .chain([("s1500".to_owned(), json!({}))])
        .collect();
    assert_eq!(
        verdict(json!({ "$ref": "#/$defs/s0", "$defs": chain }), json!(1)),
        Refused
    );
}

#[test]
fn a_reference_into_data_is_refused() {
    let hidden = json!({ "$ref": "#/const/a", "const": { "a": { "allOf": [{ "$ref": "#/const/b" }] }, "b": {} } });
    assert_eq!(verdict(hidden, json!({})), Refused);
}

#[test]
fn checking_that_doubles_with_every_step_into_the_value_is_given_up() {
    let both = |next: Value| json!({ "allOf": [{ "properties": { "x": next.clone() } }, { "properties": { "x": next } }] });
    assert_eq!(verdict(doubling(both, 40), nested(60)), TooCostly);
    let contains =
        |next: Value| json!({ "allOf": [{ "contains": next.clone() }, { "contains": next }] });
    let lists = (0..60).fold(json!({}), |inner, _| json!([inner]));
    assert_ne!(verdict(doubling(contains, 40), lists), Refused);
    let itself = json!({ "anyOf": [
        { "properties": { "x": { "$ref": "#" } }, "required": ["y"] },
        { "properties": { "x": { "$ref": "#" } }, "required": ["z"] },
    ] });
    verdict(itself, nested(60));
}

#[test]
fn large_values_against_many_patterns_or_choices_are_given_up() {
    let patterns: Map<String, Value> = (0..120).map(|it| (format!("^a{it}$"), json!({}))).collect();
    assert_eq!(
        verdict(json!({ "patternProperties": patterns }), members(20_000)),
        TooCostly
    );
    let choices: Vec<_> = (0..9_000).collect();
    let schema = json!({ "items": { "enum": choices } });
    assert_eq!(verdict(schema, json!(vec![1; 50_000])), TooCostly);
    // Each is looked at: none matches.
    let backtracking = json!({ "items": { "not": { "pattern": "^(?=(a+)+$)(a|a)*$" } } });
    let texts = json!(vec!["a".repeat(40) + "b"; 20_000]);
    assert!([TooCostly, Matches].contains(&verdict(backtracking, texts)));
}

/// What fails is left at once, before keywords of our own are reached.
#[test]
fn checking_that_fails_over_and_over_is_counted_too() {
    let either = |next: Value| json!({ "anyOf": [{ "properties": { "x": next.clone() } }, { "properties": { "x": next } }] });
    let mut failing = doubling(either, 40);
    failing["$defs"]["s40"] = json!({ "type": "string" });
    assert_eq!(verdict(failing, nested(60)), TooCostly);
    let not = |next: Value| json!({ "not": { "anyOf": [{ "properties": { "x": next.clone() } }, { "properties": { "x": next } }] } });
    verdict(doubling(not, 40), nested(60));
    let one = |next: Value| json!({ "oneOf": [{ "items": next.clone() }, { "items": next }] });
    let lists = (0..60).fold(json!(1), |inner, _| json!([inner]));
    verdict(doubling(one, 40), lists);
}

#[test]
fn one_text_that_would_backtrack_for_ever_ends() {
    for pattern in ["^(a+)+$", "^(?=(a+)+$)(a|a)*$", "^(a*)*\\1$"] {
        let long = json!("a".repeat(20_000) + "b");
        let got = verdict(json!({ "pattern": pattern }), long);
        assert!([Violates, TooCostly, Matches].contains(&got), "{pattern}");
    }
}

#[test]
fn patterns_are_bounded_in_number_and_size() {
    let many: Map<String, Value> = (0..300).map(|it| (format!("^a{it}$"), json!({}))).collect();
    assert_eq!(
        verdict(json!({ "patternProperties": many }), json!({})),
        Refused
    );
    let large = json!({ "pattern": "(\\w{1,200}){200}" });
    assert_eq!(verdict(large, json!("")), Refused);
    let properties = json!({ "pattern": "\\p{L}{200}" });
    assert_eq!(verdict(properties, json!("")), Invalid);
    for usual in [
        "^.{1,1000}$",
        "^\\w{1,255}$",
        "^[^\\s@]{1,64}@[^\\s@]{1,255}$",
        "^\\p{L}+$",
    ] {
        let schema = json!({ "pattern": usual });
        assert!(
            [Matches, Violates].contains(&verdict(schema, json!("x"))),
            "{usual}"
        );
    }
}

#[test]
fn unique_items_are_found_in_good_time() {
    let different: Vec<_> = (0..40_000).map(|it| json!({ "a": it })).collect();
    assert_eq!(
        verdict(json!({ "uniqueItems": true }), json!(different)),
        Matches
    );
    let fractions: Vec<_> = (0..40_000).map(|it| json!(f64::from(it) + 0.5)).collect();
    assert_eq!(
        verdict(json!({ "uniqueItems": true }), json!(fractions)),
        Matches
    );
}

#[test]
fn odd_numbers_are_no_more_work() {
    for (of, value) in [(1e-300, 1e300), (1e300, 1e308), (1e-9, 1e15)] {
        let schema = json!({ "items": { "multipleOf": of } });
        verdict(schema, json!(vec![value; 10_000]));
    }
}

#[test]
fn a_reference_to_a_meta_schema_is_refused_for_it_has_no_budget() {
    for reference in [
        "https://json-schema.org/draft/2020-12/schema",
        "http://json-schema.org/draft-07/schema#",
        "#/nowhere",
        "#nobody",
    ] {
        let many = vec![json!({ "$ref": reference }); 500];
        let wrong = json!({ "properties": members(20_000) });
        assert_eq!(
            verdict(json!({ "allOf": many }), wrong),
            Invalid,
            "{reference}"
        );
    }
    let boolean = json!({ "$ref": "#/$defs/any", "$defs": { "any": true } });
    assert_eq!(verdict(boolean, json!(1)), Matches);
}

#[test]
fn nothing_is_fetched() {
    for reference in [
        "http://127.0.0.1:9/x.json",
        "file:///etc/hostname",
        "https://example.com/x",
    ] {
        assert_eq!(
            verdict(json!({ "$ref": reference }), json!(1)),
            Invalid,
            "{reference}"
        );
        let schema = json!({ "$schema": reference, "type": "object" });
        assert_eq!(verdict(schema, json!(1)), Invalid, "{reference}");
    }
}

#[test]
fn a_long_report_is_short_of_memory_and_ends() {
    let wrong = json!(vec![1; 100_000]);
    assert_eq!(
        verdict(json!({ "items": { "type": "string" } }), wrong),
        Violates
    );
    let either: Vec<_> = (0..50)
        .map(|it| json!({ "required": [format!("k{it}")] }))
        .collect();
    let schema = json!({ "items": { "type": "object", "anyOf": either } });
    let got = verdict(schema, json!(vec![json!({}); 5_000]));
    assert!([Violates, TooCostly].contains(&got));
}

#[test]
fn schemas_as_people_write_them_are_checked_as_before() {
    let item = json!({ "type": "object", "required": ["sku"], "additionalProperties": false, "properties": {
        "sku": { "type": "string", "pattern": "^(?!x)[A-Z0-9-]+$" },
        "count": { "type": "integer", "minimum": 0 },
        "tags": { "type": "array", "uniqueItems": true, "items": { "type": "string" } },
        "of": { "$ref": "#/definitions/item" },
    } });
    for draft in [
        "http://json-schema.org/draft-04/schema#",
        "http://json-schema.org/draft-07/schema#",
        "https://json-schema.org/draft/2019-09/schema",
        "https://json-schema.org/draft/2020-12/schema",
    ] {
        let schema = json!({ "$schema": draft, "type": "object", "required": ["items"],
            "properties": { "items": { "type": "array", "items": { "$ref": "#/definitions/item" } },
                "kind": { "enum": ["a", "b", { "const": 1 }] } },
            "definitions": { "item": item } });
        let one = json!({ "sku": "ABC-1", "count": 3, "tags": ["a", "b"], "of": { "sku": "B" } });
        let many = json!({ "items": vec![one.clone(); 300], "kind": { "const": 1 } });
        assert_eq!(verdict(schema.clone(), many), Matches, "{draft}");
        let wrong = json!({ "items": [one, { "sku": "x" }] });
        assert_eq!(verdict(schema, wrong), Violates, "{draft}");
    }
    let names =
        json!({ "properties": { "const": { "type": "integer" }, "properties": { "enum": [1] } } });
    assert_eq!(
        verdict(names.clone(), json!({ "const": 1, "properties": 1 })),
        Matches
    );
    assert_eq!(verdict(names.clone(), json!({ "const": "x" })), Violates);
    assert_eq!(verdict(names, json!({ "properties": 2 })), Violates);
    assert_eq!(
        verdict(json!({ "const": { "a": 1 } }), json!({ "a": 1 })),
        Matches
    );
    assert_eq!(verdict(json!({ "type": "nothing" }), json!(1)), Invalid);
    assert_eq!(
        verdict(
            json!({ "unevaluatedProperties": false, "allOf": [{ "properties": { "a": {} } }] }),
            json!({ "a": 1 })
        ),
        Matches
    );
}

#[test]
fn the_report_names_the_places() {
    let Value::Object(schema) =
        json!({ "properties": { "a": { "type": "integer" } }, "required": ["b"] })
    else {
        panic!("no object");
    };
    let schema = Schema::compile(&schema).unwrap();
    let Err(Mismatch::Violations(mut places)) = schema.check(&json!({ "a": "x" })) else {
        panic!("it does not match");
    };
    places.sort();
    let at: Vec<_> = places.iter().map(|(at, _)| at.as_str()).collect();
    assert_eq!(at, ["", "/a"]);
    let long = schema.check(&json!({ "a": "x".repeat(100_000), "b": 1 }));
    let Err(Mismatch::Violations(places)) = long else {
        panic!("it does not match");
    };
    assert!(
        places[0].1.len() <= DETAIL_CHARS_MAX + 3,
        "{}",
        places[0].1.len()
    );
}

#[test]
fn a_schema_can_be_dropped_where_the_stack_is_small() {
    let chain: Map<String, Value> = (0..1_000)
        .map(|it| {
            (
                format!("s{it}"),
                json!({ "properties": { "x": { "$ref": format!("#/$defs/s{}", it + 1) } } }),
            )
        })
        .chain([("s1000".to_owned(), json!({}))])
        .collect();
    let Value::Object(schema) = json!({ "$ref": "#/$defs/s0", "$defs": chain }) else {
        panic!("no object");
    };
    let thread = std::thread::Builder::new().stack_size(64 << 20);
    let compiled = thread
        .spawn(move || Schema::compile(&schema).unwrap())
        .unwrap();
    let compiled = compiled.join().unwrap();
    let thread = std::thread::Builder::new().stack_size(2 << 20);
    thread
        .spawn(move || drop(compiled))
        .unwrap()
        .join()
        .unwrap();
}
