//! What providers sign that have no scheme of their own: by the table, and as a source describes it.

use super::{Hook, SECRET, now, send, source_with, types};
use crate::api::{Answer, Server};
use postrider::signature::Scheme;
use serde_json::{Value, json};

/// The requests that the providers' own libraries have signed.
fn vectors() -> Vec<Value> {
    let vectors = include_str!("../../../signature/vectors/providers.json");
    let vectors: Value = serde_json::from_str(vectors).unwrap();
    vectors["vectors"].as_array().unwrap().clone()
}

/// What becomes of a vector: its type, or the code of its refusal, since they were made at a fixed time.
#[rustfmt::skip] // a line for each
const BECOMES: &[(&str, &str)] = &[
    ("adyen", "adyen.AUTHORISATION"),
    ("adyen", "adyen.AUTHORISATION"),
    ("asana", "asana.heartbeat"),
    ("bitbucket", "bitbucket.repo.push"),
    ("calendly", "TIMESTAMP_TOO_OLD"),
    ("discord", "TIMESTAMP_TOO_OLD"),
    ("dropbox", "dropbox.notification"),
    ("gitea", "gitea.push"),
    ("gitlab", "gitlab.push"),
    ("hubspot", "TIMESTAMP_TOO_OLD"),
    ("intercom", "intercom.user.created"),
    ("linear", "TIMESTAMP_TOO_OLD"),
    ("mailgun", "TIMESTAMP_TOO_OLD"),
    ("meta", "meta.whatsapp_business_account.messages"),
    ("microsoft_graph", "microsoft_graph.created"),
    ("paddle", "TIMESTAMP_TOO_OLD"),
    ("paystack", "paystack.charge.success"),
    ("sendgrid", "TIMESTAMP_TOO_OLD"),
    ("square", "square.payment.created"),
    ("twilio", "twilio.unknown"),
    ("twilio", "twilio.onMessageAdded"),
    ("twitch", "TIMESTAMP_TOO_OLD"),
    ("typeform", "typeform.form_response"),
    ("woocommerce", "woocommerce.order.created"),
    ("xero", "xero.check"),
    ("zendesk", "TIMESTAMP_TOO_OLD"),
    ("zoom", "TIMESTAMP_TOO_OLD"),
];

/// Whether it became an event, whatever the provider is answered.
fn is_taken(answer: &Answer) -> bool {
    (200..300).contains(&answer.status) && answer.headers.contains_key("postrider-event-id")
}

/// A vector on its way to a source of its own.
struct Sent {
    path: String,
    headers: Vec<(String, String)>,
    body: String,
}

impl Sent {
    async fn of(server: &Server, number: usize, vector: &Value) -> Self {
        let text = |name: &str| vector[name].as_str().unwrap().to_owned();
        let url = text("url");
        let (url, query) = url.split_once('?').unwrap_or((url.as_str(), ""));
        let fields = json!({
            "name": format!("vector-{number}"), "secrets": [text("secret")], "url": url,
            "event_prefix": text("provider"),
        });
        let path = source_with(server, &text("provider"), fields).await;
        let headers = vector["headers"].as_object().unwrap().iter();
        let headers = headers.map(|(name, value)| {
            (
                name.to_ascii_lowercase(),
                value.as_str().unwrap().to_owned(),
            )
        });
        Self {
            path: match query {
                "" => path,
                query => format!("{path}?{query}"),
            },
            headers: headers.collect(),
            body: text("body"),
        }
    }

    async fn again(&self, server: &Server) -> Answer {
        send(server, &self.path, &self.headers, &self.body).await
    }
}

#[tokio::test]
async fn each_provider_of_the_table_is_taken_or_refused_for_its_age_alone() {
    let vectors = vectors();
    assert_eq!(vectors.len(), BECOMES.len());
    let server = Server::start().await;
    let mut expected = Vec::new();
    for (number, (vector, (provider, becomes))) in vectors.iter().zip(BECOMES).enumerate() {
        assert_eq!(vector["provider"], *provider);
        let sent = Sent::of(&server, number, vector).await;
        let answer = sent.again(&server).await;
        if becomes.starts_with("TIMESTAMP") {
            let problem = answer.problem(401, "signature_refused");
            assert_eq!(problem["detail"], *becomes, "{provider}");
        } else {
            assert!(is_taken(&answer), "{provider}: {answer:?}");
            expected.push(*becomes);
        }
    }
    assert_eq!(types(&server).await, expected);
}

#[tokio::test]
async fn a_repeat_is_known_unless_two_events_may_look_the_same() {
    let server = Server::start().await;
    for (number, vector) in vectors().iter().enumerate() {
        let provider = vector["provider"].as_str().unwrap();
        let sent = Sent::of(&server, number, vector).await;
        let first = sent.again(&server).await;
        if !is_taken(&first) {
            continue;
        }
        let again = sent.again(&server).await;
        let said = |answer: &Answer, name: &str| answer.headers[name].to_str().unwrap().to_owned();
        let is_new = ["dropbox", "gitlab", "microsoft_graph"].contains(&provider);
        let duplicate = said(&again, "postrider-duplicate");
        assert_eq!(duplicate, (!is_new).to_string(), "{provider}");
        let [before, now] = [&first, &again].map(|it| said(it, "postrider-event-id"));
        let is_same = before == now;
        assert_eq!(is_same, !is_new, "{provider}");
    }
}

#[tokio::test]
async fn a_source_describes_a_signature_that_no_scheme_has() {
    let server = Server::start().await;
    // As `timestamped-sha256` signs.
    let custom = json!({
        "signature": {
            "algorithm": "hmac-sha256", "header": "X-Webhook-Signature", "prefix": "sha256=",
            "signed": "{timestamp}.{body}", "timestamp": { "header": "X-Webhook-Timestamp" },
        },
        "type_pointer": "/kind",
    });
    let path = source_with(&server, "custom", json!({ "custom": custom })).await;
    let mut hook = Hook::new(Scheme::TimestampedSha256, &[], r#"{"kind":"a.b","id":1}"#);
    let (first, duplicate) = hook.taken(&server, &path).await;
    assert!(!duplicate);
    assert_eq!(hook.taken(&server, &path).await, (first, true));
    hook.at = now() - 400;
    let problem = hook.send(&server, &path).await;
    let problem = problem.problem(401, "signature_refused");
    assert_eq!(problem["detail"], "TIMESTAMP_TOO_OLD");
    assert_eq!(types(&server).await, ["custom.a.b"]);
    let shown = server.get(&path.replace("/in/", "/v1/sources/")).await;
    let shown = shown.expect(200);
    assert_eq!(shown["custom"]["signature"]["key"], "text");
    assert_eq!(shown["signed"], true);
}

#[tokio::test]
async fn a_description_that_cannot_be_right_names_the_part() {
    let server = Server::start().await;
    let signature = |part: Value| {
        let mut signature = json!({ "algorithm": "hmac-sha256", "header": "x-sig" });
        let parts = part.as_object().unwrap().clone();
        signature.as_object_mut().unwrap().extend(parts);
        json!({ "custom": { "signature": signature } })
    };
    for (fields, pointer) in [
        (json!({ "custom": {} }), "/custom/scheme"),
        (
            json!({ "custom": { "scheme": "github", "signature": { "algorithm": "token", "header": "a" } } }),
            "/custom/scheme",
        ),
        (
            json!({ "custom": { "signature": { "algorithm": "token", "header": "a" }, "signature_header": "b" } }),
            "/custom/signature_header",
        ),
        (
            signature(json!({ "signed": "{bodies}" })),
            "/custom/signature/signed",
        ),
        (
            signature(json!({ "signed": "{url}" })),
            "/custom/signature/signed",
        ),
        (
            signature(json!({ "field": "/a" })),
            "/custom/signature/header",
        ),
        (
            signature(json!({ "separator": "ab" })),
            "/custom/signature/separator",
        ),
        (signature(json!({ "algorithm": "ecdsa-p256" })), "/secrets"),
        (signature(json!({ "key": "hex" })), "/secrets"),
    ] {
        let mut form = json!({ "name": "new", "provider": "custom", "secrets": [SECRET] });
        let fields = fields.as_object().unwrap().clone();
        form.as_object_mut().unwrap().extend(fields);
        let problem = server.post("/v1/sources", form).await;
        let problem = problem.problem(422, "invalid_value");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem}");
    }
    for url in [
        "ftp://a.example",
        "https://a.example/in?x=1",
        "https://a.example/ b",
        "no",
    ] {
        let form = json!({ "name": "new", "provider": "square", "secrets": ["s"], "url": url });
        let problem = server.post("/v1/sources", form).await;
        let problem = problem.problem(422, "invalid_value");
        assert_eq!(problem["errors"][0]["pointer"], "/url", "{problem}");
    }
}

#[tokio::test]
async fn without_a_url_of_its_own_a_source_takes_where_the_request_went() {
    let server = Server::start().await;
    let vector = vectors().into_iter().find(|it| it["provider"] == "square");
    let vector = vector.unwrap();
    // The path is a new source's: the signature is made anew, as Shopify's are, over the URL and the body.
    let secret = vector["secret"].as_str().unwrap();
    let path = source_with(&server, "square", json!({ "secrets": [secret] })).await;
    let body = vector["body"].as_str().unwrap();
    let mut signer = Hook::new(
        Scheme::Shopify,
        &[],
        &format!("{}{path}{body}", server.base),
    );
    signer.secret = "asdf1234";
    let signed = signer.signed().remove(0).1;
    let headers = [("x-square-hmacsha256-signature".to_owned(), signed)];
    send(&server, &path, &headers, body).await.expect(200);
    let problem = send(&server, &format!("{path}?a=1"), &headers, body).await;
    let problem = problem.problem(401, "signature_refused");
    assert_eq!(problem["detail"], "NO_MATCH");
}
