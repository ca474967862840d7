//! Where the requests of attempts went, and what took how long.

use super::show;
use serde_json::Value;

/// The phases in their order: the field, and what it is called.
const PHASES: [(&str, &str); 6] = [
    ("queued_ms", "queued"),
    ("dns_ms", "look-up"),
    ("connect_ms", "connect"),
    ("tls_ms", "TLS"),
    ("first_byte_ms", "first byte"),
    ("total_ms", "whole"),
];

/// A line for each attempt of which it is known.
pub(super) fn lines(attempts: &[Value]) -> String {
    let known = attempts.iter().filter(|attempt| !attempt["url"].is_null());
    let lines: Vec<Vec<String>> = known
        .map(|attempt| {
            let number = format!("request {}", show::cell(&attempt["number"]));
            vec![number, show::cell(&attempt["url"]), about(attempt)]
        })
        .collect();
    show::aligned(&lines)
}

/// What took how long, and whether the request was sent twice.
fn about(attempt: &Value) -> String {
    let took = phases(attempt);
    if attempt["repeated"].is_null() {
        return took;
    }
    let why = show::cell(&attempt["repeated"]).replace('_', " ");
    let twice = format!("sent twice ({why})");
    match took.is_empty() {
        true => twice,
        false => format!("{took}, {twice}"),
    }
}

/// An attempt: what is told of it, what took how long, and the headers of both messages.
pub(super) fn described(attempt: &Value) -> String {
    const APART: [&str; 3] = ["request_headers", "response_headers", "phases"];
    let mut about = attempt.clone();
    if let Some(about) = about.as_object_mut() {
        about.retain(|name, _| !APART.contains(&name.as_str()));
    }
    let mut text = show::fields(
        &about,
        &["id", "number", "url", "status", "failure", "error"],
    );
    let took = phases(attempt);
    if !took.is_empty() {
        text += &format!("\n{took}\n");
    }
    for (field, title) in [
        ("request_headers", "request"),
        ("response_headers", "response"),
    ] {
        let pairs = show::rows(&attempt[field]).iter();
        let lines: Vec<Vec<String>> = pairs
            .map(|pair| vec![show::cell(&pair[0]), show::cell(&pair[1])])
            .collect();
        if !lines.is_empty() {
            text += &format!("\nheaders of the {title}\n{}", show::aligned(&lines));
        }
    }
    text
}

fn phases(attempt: &Value) -> String {
    let took = PHASES.iter().filter_map(|(field, name)| {
        let took = &attempt["phases"][*field];
        (!took.is_null()).then(|| format!("{name} {} ms", show::cell(took)))
    });
    took.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_line_has_the_url_and_the_phases_that_happened() {
        let attempts = [
            json!({"number": 1, "url": null, "phases": null}),
            json!({"number": 2, "url": "https://a.example/", "phases": {
                "queued_ms": null, "dns_ms": 0, "connect_ms": 20, "tls_ms": null,
                "first_byte_ms": 300, "total_ms": 325,
            }}),
            json!({"number": 3, "url": "https://long.example/", "phases": null,
                "repeated": "connection_closed"}),
        ];
        let expected = "request 2  https://a.example/     look-up 0 ms, connect 20 ms, \
                        first byte 300 ms, whole 325 ms\n\
                        request 3  https://long.example/  sent twice (connection closed)\n";
        assert_eq!(lines(&attempts), expected);
        assert_eq!(lines(&attempts[..1]), "");
    }

    #[test]
    fn an_attempt_has_its_headers_one_below_the_other() {
        let attempt = json!({
            "number": 1, "url": "https://a.example/", "status": 200,
            "phases": {"total_ms": 5},
            "request_headers": [["x-attempt", "1"], ["x-id", "a"]],
            "response_headers": [],
        });
        let expected = "number  1\nurl     https://a.example/\nstatus  200\n\nwhole 5 ms\n\n\
                        headers of the request\nx-attempt  1\nx-id       a\n";
        assert_eq!(described(&attempt), expected);
    }
}
