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
            vec![number, show::cell(&attempt["url"]), phases(attempt)]
        })
        .collect();
    show::aligned(&lines)
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
            json!({"number": 3, "url": "https://long.example/", "phases": null}),
        ];
        let expected = "request 2  https://a.example/     look-up 0 ms, connect 20 ms, \
                        first byte 300 ms, whole 325 ms\n\
                        request 3  https://long.example/\n";
        assert_eq!(lines(&attempts), expected);
        assert_eq!(lines(&attempts[..1]), "");
    }
}
