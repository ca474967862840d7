//! Pages for people, made of the description: no script, nothing from elsewhere.

use super::problem::table;
use serde_json::Value;
use std::fmt::Write;

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;\
padding:0 1rem;color:#1a2233;background:#fff}code,pre{font:14px/1.5 ui-monospace,monospace}\
h2{margin-top:3rem;border-bottom:1px solid #d6dbe4}h3{margin:2rem 0 .25rem}\
table{border-collapse:collapse;width:100%}td,th{border-bottom:1px solid #e6e9ef;padding:.25rem .5rem \
.25rem 0;text-align:left;vertical-align:top}.method{display:inline-block;min-width:4.5rem;\
font-weight:600;color:#3452a4}p{margin:.4rem 0}a{color:#3452a4}\
@media(prefers-color-scheme:dark){body{color:#e4e8f0;background:#11151d}h2,td,th{border-color:#2a3142}\
a,.method{color:#9db4ff}}";

fn escaped(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    text.replace('>', "&gt;").replace('"', "&quot;")
}

/// Text in which `code` is marked with backticks.
fn prose(text: &str) -> String {
    let mut shown = String::new();
    for (place, part) in text.split('`').enumerate() {
        let part = escaped(part);
        if place % 2 == 1 {
            // Writing to a string cannot fail.
            let _ = write!(shown, "<code>{part}</code>");
        } else {
            shown.push_str(&part);
        }
    }
    shown
}

fn html(title: &str, body: &str) -> String {
    format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width\"><link rel=\"icon\" href=\"data:,\"><title>{title}</title><style>{STYLE}</style><body>\
         <h1>{title}</h1>{body}</body></html>"
    )
}

/// The name of a schema, or its type.
fn kind(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str() {
        let name = name.rsplit('/').next().unwrap_or_default();
        return format!("<a href=\"#schema-{name}\">{name}</a>");
    }
    for list in ["oneOf", "anyOf"] {
        if let Some(parts) = schema[list].as_array() {
            return parts.iter().map(kind).collect::<Vec<_>>().join(" or ");
        }
    }
    if schema["items"].is_object() {
        return format!("list of {}", kind(&schema["items"]));
    }
    match &schema["type"] {
        Value::String(name) => escaped(name),
        Value::Array(names) => {
            let names: Vec<_> = names.iter().filter_map(Value::as_str).collect();
            escaped(&names.join(" or "))
        }
        _ => "any".to_owned(),
    }
}

fn operation(method: &str, path: &str, operation: &Value, page: &mut String) {
    let text = |name: &str| prose(operation[name].as_str().unwrap_or_default());
    let _ = write!(
        page,
        "<h3><span class=\"method\">{}</span> <code>{}</code></h3><p>{}. {}</p>",
        method.to_uppercase(),
        escaped(path),
        text("summary"),
        text("description"),
    );
    let mut rows = String::new();
    for parameter in operation["parameters"].as_array().into_iter().flatten() {
        let _ = write!(
            rows,
            "<tr><td><code>{}</code></td><td>{}</td><td>{}</td></tr>",
            escaped(parameter["name"].as_str().unwrap_or_default()),
            kind(&parameter["schema"]),
            prose(parameter["description"].as_str().unwrap_or_default()),
        );
    }
    if !rows.is_empty() {
        let _ = write!(page, "<table>{rows}</table>");
    }
    for (_, body) in operation["requestBody"]["content"]
        .as_object()
        .into_iter()
        .flatten()
    {
        let _ = write!(page, "<p>Body: {}</p>", kind(&body["schema"]));
    }
    for (status, response) in operation["responses"].as_object().into_iter().flatten() {
        let text = prose(response["description"].as_str().unwrap_or_default());
        let content = response["content"].as_object().into_iter().flatten();
        let kinds: Vec<_> = content.map(|(_, body)| kind(&body["schema"])).collect();
        let _ = write!(
            page,
            "<p><code>{status}</code> {text} {}</p>",
            kinds.join(", ")
        );
    }
}

/// The reference of the API.
pub(super) fn page(document: &Value) -> String {
    let mut body = String::from(
        "<p>The same for programs: <a href=\"/openapi.json\">openapi.json</a> (OpenAPI 3.1). \
         Errors: <a href=\"/problems\">problems</a>.</p>",
    );
    let mut tag = "";
    for (path, item) in document["paths"].as_object().into_iter().flatten() {
        for (method, described) in item.as_object().into_iter().flatten() {
            let own = described["tags"][0].as_str().unwrap_or_default();
            if own != tag {
                let _ = write!(body, "<h2>{}</h2>", escaped(own));
                tag = own;
            }
            operation(method, path, described, &mut body);
        }
    }
    body.push_str("<h2>Forms</h2>");
    for (name, schema) in document["components"]["schemas"]
        .as_object()
        .into_iter()
        .flatten()
    {
        let _ = write!(
            body,
            "<h3 id=\"schema-{0}\">{0}</h3><p>{1}</p><table>",
            escaped(name),
            prose(schema["description"].as_str().unwrap_or_default())
        );
        for (field, described) in schema["properties"].as_object().into_iter().flatten() {
            let _ = write!(
                body,
                "<tr><td><code>{}</code></td><td>{}</td><td>{}</td></tr>",
                escaped(field),
                kind(described),
                prose(described["description"].as_str().unwrap_or_default()),
            );
        }
        body.push_str("</table>");
    }
    html("Postrider API", &body)
}

/// A paragraph for each code of a problem.
pub(super) fn problems() -> String {
    let mut body = String::new();
    for (name, status, title, remedy) in table() {
        let (title, remedy) = (prose(title), prose(remedy));
        let _ = write!(
            body,
            "<h3 id=\"{name}\"><code>{name}</code></h3><p>{status}: {title}. {remedy}</p>"
        );
    }
    html("Problems", &body)
}
