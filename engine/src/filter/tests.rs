use super::*;
use crate::event_headers::EventHeaders;
use proptest::prelude::*;
use serde_json::{Value, json};

fn filter(text: &str) -> Filter {
    text.parse()
        .unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn refused(text: &str) -> (String, FilterProblem) {
    let error = text.parse::<Filter>().unwrap_err();
    (error.pointer, error.problem)
}

fn matches(filter: &Filter, payload: &Value) -> bool {
    filter.matches_payload(payload.to_string().as_bytes())
}

/// Whether the payload fits this condition for `a`.
fn fits(condition: &str, payload: &Value) -> bool {
    fits_text(condition, &payload.to_string())
}

fn fits_text(condition: &str, payload: &str) -> bool {
    filter(&format!("{{\"a\": {condition}}}")).matches_payload(payload.as_bytes())
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
        (
            r#"{"$elemMatch": {"b": 1, "c": {"$gt": 1}}}"#,
            json!([{"b": 2}, {"b": 1, "c": 2}]),
            json!([{"b": 1, "c": 1}, {"b": 2, "c": 2}]),
        ),
        (r#"{"$elemMatch": {"$gt": 5}}"#, json!([1, 6]), json!(6)),
        (r#"{"$elemMatch": 6}"#, json!([1, 6]), json!([1, [6]])),
        (
            r#"{"$elemMatch": {"b": {"$elemMatch": {"c": 1}}}}"#,
            json!([{"b": []}, {"b": [{"c": 2}, {"c": 1}]}]),
            json!([{"b": {"c": 1}}]),
        ),
        (
            r#"{"$not": {"$elemMatch": {"b": {"$ne": 1}}}}"#,
            json!([{"b": 1}, {"b": 1}]),
            json!([{"b": 1}, {}]),
        ),
        (
            r#"{"$at": {"path": ["b.c", 1, "$d"], "is": 5}}"#,
            json!({"b.c": [0, {"$d": 5}]}),
            json!({"b": {"c": [0, {"$d": 5}]}}),
        ),
        (
            r#"{"$at": {"path": ["x.y"], "is": {"$exists": false}}}"#,
            json!({"x": {"y": 1}}),
            json!({"x.y": 1}),
        ),
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
        assert!(matches(&filter(text), &payload), "{text}");
    }
    assert!(!matches(&filter(r#"{"data.items.2.price": 9}"#), &payload));
    assert!(!matches(&filter(r#"{"data.items.price": 9}"#), &payload));
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
fn numbers_are_compared_to_the_last_digit() {
    let fits =
        |condition: &str, number: &str| fits_text(condition, &format!("{{\"a\": {number}}}"));
    let largest = "18446744073709551615";
    assert!(fits(largest, largest));
    assert!(!fits(largest, "18446744073709551614"));
    let long = "12345678901234567890123";
    assert!(fits(long, long));
    assert!(fits(long, "12345678901234567890123.00"));
    assert!(!fits(long, "12345678901234567890124"));
    assert!(fits(r#"{"$in": [12345678901234567890123]}"#, long));
    assert!(!fits(r#"{"$in": [12345678901234567890122]}"#, long));
    assert!(fits(r#"{"$lt": 12345678901234567890124}"#, long));
    assert!(fits(r#"{"$gt": 9007199254740992}"#, "9007199254740993"));
    assert!(fits(r#"{"$gt": 9007199254740992.0}"#, "9007199254740993"));
    assert!(fits(r#"{"$lt": -0.5}"#, "-1"));
    assert!(!fits(r#"{"$lt": -1}"#, "-0.5"));
    assert!(fits("0", "-0.0"));
    assert!(fits(r#"{"$lt": 1e300}"#, largest));
    assert!(fits(r#"{"$gt": -1e300}"#, "-9223372036854775808"));
    assert!(fits(r#"{"$gt": 1e399}"#, "1e400"));
    assert!(fits("1e400", "10e399"));
    assert!(!fits("1e999999999", "1e999999998"));
    assert!(fits("0.1", "1e-1"));
}

#[test]
fn what_is_not_asked_for_hides_nothing() {
    let wanted = filter(r#"{"a": "x", "list.1": {"$gt": 1}}"#);
    let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
    for odd in [r#""caf\ud83d""#, "1e400", "NaN", "\"\u{1}\"", &deep] {
        for mark in ["", "\u{feff}"] {
            let payload = format!(r#"{mark}{{"odd": {odd}, "a": "x", "list": [0, 2]}}"#);
            assert!(wanted.matches_payload(payload.as_bytes()), "{odd}");
        }
    }
    assert!(wanted.matches_payload(b"{\"odd\": \"\xff\", \"a\": \"x\", \"list\": [0, 2]}"));
    assert!(fits_text(
        r#"{"$startsWith": "caf"}"#,
        r#"{"a": "caf\ud83d"}"#
    ));
    assert!(fits_text("\"caf\u{fffd}\"", r#"{"a": "caf\ud83d"}"#));
    assert!(fits_text(r#"{"$exists": true}"#, r#"{"a": NaN}"#));
    assert!(!fits_text("\"NaN\"", r#"{"a": NaN}"#));
    assert!(fits_text("2", r#"{"a": 1, "a": 2}"#));
    assert!(fits_text(
        r#"{"$eq": {"b": 2}}"#,
        r#"{"a": {"b": 1, "\u0062": 2}}"#
    ));
}

#[test]
fn a_filter_that_looks_at_too_much_does_not_match_and_says_so() {
    let parts = (0..16).map(|number| format!(r#"{{"a": {{"$contains": {number}}}}}"#));
    let all = parts.collect::<Vec<_>>().join(",");
    let costly = filter(&format!(r#"{{"$or": [{all}]}}"#));
    let zeros = |count: usize| format!(r#"{{"a": [{}-1]}}"#, "-1,".repeat(count));
    assert_eq!(costly.verdict(zeros(100).as_bytes()), Verdict::NoMatch);
    assert_eq!(costly.verdict(zeros(80_000).as_bytes()), Verdict::TooCostly);
    let denial = filter(&format!(r#"{{"$not": {costly}}}"#));
    assert_eq!(denial.verdict(zeros(80_000).as_bytes()), Verdict::TooCostly);
    let number = format!("{{\"a\": 0.{}1}}", "0".repeat(250_000));
    let parts = (1..30).map(|number| format!(r#"{{"a": {{"$gt": {number}}}}}"#));
    let numbers = parts.collect::<Vec<_>>().join(",");
    let costly = filter(&format!(r#"{{"$or": [{numbers}]}}"#));
    assert_eq!(costly.verdict(number.as_bytes()), Verdict::TooCostly);
}

#[test]
fn elements_of_elements_are_paid_for() {
    let inner = format!("[{}0]", "0,".repeat(3_000));
    let payload = format!("{{\"a\": [{}0]}}", format!("{inner},").repeat(400));
    let nested = filter(r#"{"a": {"$elemMatch": {"$elemMatch": 1}}}"#);
    assert_eq!(nested.verdict(payload.as_bytes()), Verdict::TooCostly);
    assert_eq!(nested.verdict(b"{\"a\": [[0], [2, 1]]}"), Verdict::Match);
}

#[test]
fn a_list_path_says_what_is_wrong_with_it() {
    for operand in [
        "1",
        "{}",
        r#"{"path": ["a"]}"#,
        r#"{"path": [], "is": 1}"#,
        r#"{"path": "a.b", "is": 1}"#,
        r#"{"path": [-1], "is": 1}"#,
        r#"{"path": [1.5], "is": 1}"#,
        r#"{"path": [["a"]], "is": 1}"#,
        r#"{"path": ["a"], "is": 1, "more": 2}"#,
    ] {
        let (pointer, problem) = refused(&format!(r#"{{"a": {{"$at": {operand}}}}}"#));
        let operator = "$at";
        assert_eq!(pointer, "/a/$at", "{operand}");
        assert_eq!(
            problem,
            FilterProblem::Operand {
                operator,
                takes: AT
            }
        );
    }
    let within = r#"{"$at": {"path": ["a.b"], "is": {"$above": 1}}}"#;
    assert_eq!(refused(within).0, "/$at/is/$above");
}

#[test]
fn a_filter_that_matches_may_be_too_costly_within_fewer_steps() {
    let denial = filter(r#"{"list": {"$not": {"$contains": 7}}}"#);
    let list = |count: usize| format!(r#"{{"list": [{}-1]}}"#, "-1,".repeat(count));
    let within = |payload: &str| denial.verdict_within(payload.as_bytes(), Filter::STEPS_MIN);
    assert_eq!(within(&list(100)), Verdict::Match);
    let long = list(20_000);
    assert_eq!(denial.verdict(long.as_bytes()), Verdict::Match);
    assert_eq!(within(&long), Verdict::TooCostly);
}

#[test]
fn an_object_of_many_members_is_looked_up_and_not_gone_through() {
    let members = (0..20_000).map(|number| format!("\"m{number}\":{number}"));
    let payload = format!("{{{}}}", members.collect::<Vec<_>>().join(","));
    let paths = (0..60).map(|number| format!("\"m{}\":{}", number * 300, number * 300));
    let many = filter(&format!("{{{}}}", paths.collect::<Vec<_>>().join(",")));
    assert_eq!(many.verdict(payload.as_bytes()), Verdict::Match);
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
    let operand = |depth: usize| {
        format!(
            "{{\"a\":{{\"$eq\":{}{}}}}}",
            "[".repeat(depth),
            "]".repeat(depth)
        )
    };
    filter(&operand(Filter::OPERAND_DEPTH_MAX));
    assert_eq!(
        refused(&operand(Filter::OPERAND_DEPTH_MAX + 1)).1,
        FilterProblem::OperandTooDeep
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
    let Verdict::Unreadable(why) = denial.verdict(b"{\"b\": 1") else {
        panic!("it is read");
    };
    assert_eq!(why.at, 7);
}

#[test]
fn headers_are_asked_for_by_their_names_in_any_case() {
    let headers = [("x-shop", "a.example"), ("x-topic", "orders/create")];
    let headers = EventHeaders::new(headers).unwrap();
    let fits = |condition: &str, payload: &str| {
        let most = Filter::STEPS_MAX;
        filter(condition).verdict_with(payload.as_bytes(), &headers, most)
    };
    for (condition, expected) in [
        (r#"{"$headers": {"X-Shop": "a.example"}}"#, Verdict::Match),
        (r#"{"$headers": {"x-shop": "b.example"}}"#, Verdict::NoMatch),
        (
            r#"{"$headers": {"x-topic": {"$startsWith": "orders/"}}}"#,
            Verdict::Match,
        ),
        (
            r#"{"$headers": {"x-none": {"$exists": false}}}"#,
            Verdict::Match,
        ),
        (
            r#"{"$headers": {"x-shop": "a.example", "x-topic": "x"}}"#,
            Verdict::NoMatch,
        ),
        (
            r#"{"$not": {"$headers": {"x-shop": "a.example"}}}"#,
            Verdict::NoMatch,
        ),
        (
            r#"{"$or": [{"$headers": {"x-shop": "b"}}, {"n": 1}]}"#,
            Verdict::Match,
        ),
        (
            r#"{"$headers": {"x-shop": "a.example"}, "n": 2}"#,
            Verdict::NoMatch,
        ),
    ] {
        assert_eq!(fits(condition, r#"{"n": 1}"#), expected, "{condition}");
    }
    let alone = r#"{"$or": [{"$headers": {"x-shop": "a.example"}}]}"#;
    assert_eq!(fits(alone, "no json"), Verdict::Match);
    let both = r#"{"$headers": {"x-shop": "a.example"}, "n": 1}"#;
    assert!(matches!(fits(both, "no json"), Verdict::Unreadable(_)));
    for wrong in [r#"{"$headers": {}}"#, r#"{"$headers": "x-shop"}"#] {
        let (pointer, problem) = refused(wrong);
        assert_eq!(pointer, "/$headers");
        assert!(
            matches!(problem, FilterProblem::Operand { .. }),
            "{problem}"
        );
    }
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
            let _ = matches(&filter, &payload);
        }
    }

    #[test]
    fn a_denial_matches_exactly_what_its_filter_does_not(value in values(), payload in values()) {
        let at_a = json!({"a": value});
        for denial in [json!({"$not": at_a}), json!({"a": {"$not": value}})] {
            if let Ok(plain) = at_a.to_string().parse::<Filter>()
                && let Ok(denial) = denial.to_string().parse::<Filter>()
            {
                prop_assert_ne!(matches(&plain, &payload), matches(&denial, &payload));
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
