use super::*;
use proptest::prelude::*;
use serde_json::json;

fn filter(text: &str) -> Filter {
    text.parse()
        .unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn refused(text: &str) -> (String, FilterProblem) {
    let error = text.parse::<Filter>().unwrap_err();
    (error.pointer, error.problem)
}

/// Whether the payload fits this condition for `a`.
fn fits(condition: &str, payload: &Value) -> bool {
    filter(&format!("{{\"a\": {condition}}}")).matches(payload)
}

#[test]
fn each_operator_does_what_its_line_says() {
    let cases = [
        ("5", json!(5), json!("5")),
        ("null", json!(null), json!(0)),
        ("[1, 2]", json!([1, 2]), json!([2, 1])),
        (
            r#"{"$eq": {"b": 1}}"#,
            json!({"b": 1.0}),
            json!({"b": 1, "c": 2}),
        ),
        (r#"{"$ne": "x"}"#, json!("y"), json!("x")),
        (r#"{"$gt": 5}"#, json!(5.5), json!(5)),
        (r#"{"$gte": 5}"#, json!(5), json!(4.999)),
        (r#"{"$lt": "b"}"#, json!("a"), json!("b")),
        (r#"{"$lte": -1}"#, json!(-1), json!(0)),
        (r#"{"$in": ["x", 1]}"#, json!(1), json!("y")),
        (r#"{"$nin": ["x", 1]}"#, json!("y"), json!("x")),
        (r#"{"$startsWith": "ab"}"#, json!("abc"), json!("cab")),
        (r#"{"$contains": "b"}"#, json!("abc"), json!("ac")),
        (r#"{"$contains": 2}"#, json!([1, 2]), json!([1, [2]])),
        (r#"{"$not": {"$gt": 5}}"#, json!(5), json!(6)),
        (r#"{"$or": [1, {"$gt": 5}]}"#, json!(6), json!(2)),
        (r#"{"$and": [{"$gt": 1}, {"$lt": 3}]}"#, json!(2), json!(3)),
        (r#"{"$gt": 1, "$lt": 3}"#, json!(2), json!(1)),
    ];
    for (condition, good, bad) in cases {
        assert!(fits(condition, &json!({"a": good})), "{condition}: {good}");
        assert!(!fits(condition, &json!({"a": bad})), "{condition}: {bad}");
    }
}

#[test]
fn a_path_leads_into_objects_and_arrays_nested_or_dotted() {
    let payload = json!({"data": {"items": [{"price": 7}, {"price": 9}]}});
    for text in [
        r#"{"data.items.1.price": 9}"#,
        r#"{"data": {"items": {"1": {"price": 9}}}}"#,
        r#"{"data": {"items.1": {"price": {"$gt": 8}}}}"#,
        r#"{"$or": [{"data": 1}, {"data.items": {"$exists": true}}]}"#,
    ] {
        assert!(filter(text).matches(&payload), "{text}");
    }
    assert!(!filter(r#"{"data.items.2.price": 9}"#).matches(&payload));
    assert!(!filter(r#"{"data.items.price": 9}"#).matches(&payload));
}

#[test]
fn where_nothing_stands_only_a_denial_matches() {
    let nothing = json!({"b": 1});
    for condition in [
        r#"{"$exists": false}"#,
        r#"{"$ne": 1}"#,
        r#"{"$nin": [1]}"#,
        r#"{"$not": {"$gt": 1}}"#,
    ] {
        assert!(fits(condition, &nothing), "{condition}");
    }
    for condition in [
        "null",
        r#"{"$exists": true}"#,
        r#"{"$eq": null}"#,
        r#"{"$lt": 1}"#,
        r#"{"$in": [null]}"#,
        r#"{"$contains": "x"}"#,
        r#"{"$startsWith": ""}"#,
    ] {
        assert!(!fits(condition, &nothing), "{condition}");
    }
    assert!(fits(r#"{"$exists": true}"#, &json!({"a": null})));
}

#[test]
fn values_of_different_types_never_compare() {
    for value in [
        json!("7"),
        json!(true),
        json!(null),
        json!([7]),
        json!({"a": 7}),
    ] {
        for operator in ["$gt", "$gte", "$lt", "$lte", "$eq"] {
            let condition = format!("{{\"{operator}\": 7}}");
            assert!(
                !fits(&condition, &json!({"a": value})),
                "{condition}: {value}"
            );
        }
    }
}

#[test]
fn integers_are_compared_to_the_last_digit() {
    let payload = |number: &str| serde_json::from_str(&format!("{{\"a\": {number}}}")).unwrap();
    let largest = "18446744073709551615";
    assert!(fits(largest, &payload(largest)));
    assert!(!fits(largest, &payload("18446744073709551614")));
    assert!(fits(
        r#"{"$gt": 9007199254740992}"#,
        &payload("9007199254740993")
    ));
    assert!(fits(
        r#"{"$gt": 9007199254740992.0}"#,
        &payload("9007199254740993")
    ));
    assert!(fits(r#"{"$lt": -0.5}"#, &payload("-1")));
    assert!(!fits(r#"{"$lt": -1}"#, &payload("-0.5")));
    assert!(fits("0", &payload("-0.0")));
    assert!(fits(r#"{"$lt": 1e300}"#, &payload(largest)));
    assert!(fits(r#"{"$gt": -1e300}"#, &payload("-9223372036854775808")));
}

#[test]
fn what_is_refused_says_where_and_what_to_do() {
    let at = |text: &str| refused(text).0;
    assert_eq!(at(r#"{"a": {"b/c": {"$gt": null}}}"#), "/a/b~1c/$gt");
    assert_eq!(at(r#"{"$or": [{"a": 1}, {"b": {}}]}"#), "/$or/1/b");
    assert_eq!(refused("{}"), (String::new(), FilterProblem::Empty));
    assert_eq!(refused("[]").1, FilterProblem::NotAnObject);
    assert_eq!(refused(r#"{"a..b": 1}"#).1, FilterProblem::Path);
    assert_eq!(refused(r#"{"": 1}"#).1, FilterProblem::Path);
    assert!(matches!(
        refused("{\n!").1,
        FilterProblem::NotJson { line: 2, .. }
    ));
    for text in [
        r#"{"a": {"$in": 1}}"#,
        r#"{"a": {"$exists": 1}}"#,
        r#"{"a": {"$startsWith": 1}}"#,
        r#"{"$and": []}"#,
        r#"{"$or": {}}"#,
    ] {
        assert!(
            matches!(refused(text).1, FilterProblem::Operand { .. }),
            "{text}"
        );
    }
    let unknown = r#"{"a": {"$regex": "x"}}"#.parse::<Filter>().unwrap_err();
    let said = unknown.to_string();
    assert!(
        said.contains("/a/$regex") && said.contains("$startsWith"),
        "{said}"
    );
}

#[test]
fn a_filter_is_bounded_in_depth_conditions_and_bytes() {
    let nested = |depth: usize| format!("{}1{}", "{\"a\":".repeat(depth), "}".repeat(depth));
    filter(&nested(Filter::DEPTH_MAX));
    assert_eq!(
        refused(&nested(Filter::DEPTH_MAX + 1)).1,
        FilterProblem::TooDeep
    );
    let wide = |count: usize| {
        let names = (0..count).map(|number| format!("\"a{number}\":1"));
        format!("{{{}}}", names.collect::<Vec<_>>().join(","))
    };
    filter(&wide(Filter::CONDITIONS_MAX));
    assert_eq!(
        refused(&wide(Filter::CONDITIONS_MAX + 1)).1,
        FilterProblem::TooMany
    );
    let long = |bytes: usize| format!("{{\"a\":\"{}\"}}", "x".repeat(bytes - 8));
    filter(&long(Filter::BYTES_MAX));
    assert_eq!(
        refused(&long(Filter::BYTES_MAX + 1)).1,
        FilterProblem::TooLong
    );
}

#[test]
fn a_payload_that_is_not_json_matches_nothing() {
    let denial = filter(r#"{"a": {"$exists": false}}"#);
    assert!(denial.matches_payload(b"7"));
    assert!(!denial.matches_payload(b"not json"));
    assert!(!denial.matches_payload(b""));
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-3_i64..4).prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[ab$]{0,3}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        let name = prop_oneof![
            "[ab01]",
            proptest::sample::select(&OPERATORS).prop_map(str::to_owned)
        ];
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map(name, inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn no_text_and_no_payload_makes_it_panic(text in ".{0,40}", value in values(), payload in values()) {
        let _ = text.parse::<Filter>();
        if let Ok(filter) = value.to_string().parse::<Filter>() {
            let _ = filter.matches(&payload);
        }
    }

    #[test]
    fn a_denial_matches_exactly_what_its_filter_does_not(value in values(), payload in values()) {
        let at_a = json!({"a": value});
        for denial in [json!({"$not": at_a}), json!({"a": {"$not": value}})] {
            if let Ok(plain) = at_a.to_string().parse::<Filter>()
                && let Ok(denial) = denial.to_string().parse::<Filter>()
            {
                prop_assert_ne!(plain.matches(&payload), denial.matches(&payload));
            }
        }
    }

    #[test]
    fn a_filter_reads_back_as_it_was_written(value in values()) {
        let text = json!({"a": value}).to_string();
        if let Ok(filter) = text.parse::<Filter>() {
            prop_assert_eq!(filter.as_str(), &text);
            prop_assert_eq!(filter.clone(), text.parse::<Filter>().unwrap());
        }
    }
}
