//! What the owner of an endpoint decides, as flags.

use super::ClientError;
use super::certificates::CertificateArgs;
use super::value::{self, Fields};
use clap::ValueEnum;
use serde_json::value::RawValue;
use serde_json::{Value, json};

/// What an endpoint is to be. What no flag is for goes into --spec.
#[derive(clap::Args)]
pub(crate) struct SpecArgs {
    /// The events it gets: `*`, families such as `payment.*`, types; with commas between
    #[arg(long = "type", value_name = "TYPES", value_delimiter = ',')]
    types: Vec<String>,
    /// For people
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// Only events whose payload matches, such as `{"amount": {"$gt": 100}}`; `null` for all
    #[arg(long, value_name = "JSON")]
    filter: Option<String>,
    /// Whether deliveries keep their order
    #[arg(long)]
    ordering: Option<Ordering>,
    /// What becomes of a lane whose first delivery has failed for good
    #[arg(long)]
    on_failed: Option<OnFailed>,
    /// The time of one attempt, in milliseconds
    #[arg(long, value_name = "MS")]
    timeout_ms: Option<u64>,
    /// Attempts at the same time, over all lanes
    #[arg(long, value_name = "N")]
    concurrency: Option<u32>,
    /// Requests a second that it takes; 0 for no limit
    #[arg(long, value_name = "N")]
    rate: Option<u32>,
    /// The Content-Type of its requests, whatever their body is
    #[arg(long, value_name = "TYPE")]
    content_type: Option<String>,
    /// The User-Agent of its requests
    #[arg(long, value_name = "TEXT")]
    user_agent: Option<String>,
    /// Whether an attempt may send its request a second time, where a used connection was closed
    #[arg(long, value_name = "true|false")]
    send_again: Option<bool>,
    #[command(flatten)]
    certificate: CertificateArgs,
    /// Other fields, as `POST /v1/endpoints` takes them: JSON, `@FILE`, or `-` for the standard
    /// input
    #[arg(long, value_name = "JSON")]
    spec: Option<String>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Ordering {
    /// One at a time per lane
    Fifo,
    /// Any order
    None,
}

#[derive(Clone, Copy, ValueEnum)]
enum OnFailed {
    /// The lane goes on with the next delivery
    Continue,
    /// The lane stops until somebody resends or discards the dead letter
    Stop,
}

impl SpecArgs {
    /// The fields that are given; a flag goes before `--spec`.
    pub(crate) fn fields(&self) -> Result<Fields, ClientError> {
        let mut fields = match &self.spec {
            None => Fields::default(),
            Some(argument) => object("--spec", argument)?,
        };
        if let Some(argument) = &self.filter {
            fields.set_json("filter", value::json("--filter", argument)?);
        }
        let certificate = self.certificate.field()?;
        let mut set = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                fields.set(name, value);
            }
        };
        set(
            "event_types",
            (!self.types.is_empty()).then(|| json!(self.types)),
        );
        set("description", self.description.as_deref().map(Value::from));
        let ordering = self.ordering.map(|ordering| match ordering {
            Ordering::Fifo => "fifo",
            Ordering::None => "none",
        });
        set("ordering", ordering.map(Value::from));
        let on_failed = self.on_failed.map(|on_failed| match on_failed {
            OnFailed::Continue => "continue",
            OnFailed::Stop => "stop",
        });
        set("on_failed", on_failed.map(Value::from));
        set("timeout_ms", self.timeout_ms.map(Value::from));
        set("concurrency", self.concurrency.map(Value::from));
        let rate = self.rate.map(|rate| match rate {
            0 => Value::Null,
            rate => json!({ "requests": rate }),
        });
        set("rate_limit", rate);
        let content_type = self.content_type.as_deref();
        set("content_type", content_type.map(Value::from));
        set("user_agent", self.user_agent.as_deref().map(Value::from));
        set("send_again", self.send_again.map(Value::from));
        set("client_certificate", certificate);
        Ok(fields)
    }
}

/// JSON that an argument means.
pub(crate) fn parsed(what: &'static str, argument: &str) -> Result<Value, ClientError> {
    let text = value::json(what, argument)?;
    serde_json::from_str(text.get()).map_err(|error| ClientError::NotJson { what, error })
}

/// A JSON object that an argument means.
pub(crate) fn object(what: &'static str, argument: &str) -> Result<Fields, ClientError> {
    let text: Box<RawValue> = value::json(what, argument)?;
    serde_json::from_str(text.get()).map_err(|_| ClientError::Form {
        what,
        why: "give a JSON object".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        spec: SpecArgs,
    }

    fn fields(args: &[&str]) -> Result<Value, ClientError> {
        let line = Line::try_parse_from([&["x"], args].concat()).unwrap();
        let fields = line.spec.fields()?;
        Ok(serde_json::to_value(&fields).unwrap())
    }

    #[test]
    fn flags_go_before_the_spec_and_what_is_not_given_is_left_out() {
        assert_eq!(fields(&[]).unwrap(), json!({}));
        let spec = r#"{"concurrency": 2, "headers": {"x-team": "a"}}"#;
        let given = fields(&[
            "--spec",
            spec,
            "--concurrency=3",
            "--type=a.*,b",
            "--rate=0",
            "--filter=null",
            "--ordering=none",
            "--send-again=false",
            "--content-type=text/xml",
        ]);
        assert_eq!(
            given.unwrap(),
            json!({
                "concurrency": 3, "headers": {"x-team": "a"}, "event_types": ["a.*", "b"],
                "rate_limit": null, "filter": null, "ordering": "none",
                "send_again": false, "content_type": "text/xml",
            })
        );
    }

    #[test]
    fn numbers_stay_as_they_are_given() {
        let spec = r#"{"metadata": {"z": 1.10, "a": 1e400}}"#;
        let filter = r#"{"amount": 12345678901234567890123}"#;
        let line = Line::try_parse_from(["x", "--spec", spec, "--filter", filter]).unwrap();
        assert_eq!(
            serde_json::to_string(&line.spec.fields().unwrap()).unwrap(),
            r#"{"filter":{"amount": 12345678901234567890123},"metadata":{"z": 1.10, "a": 1e400}}"#
        );
    }

    #[test]
    fn a_spec_is_an_object() {
        let refused = fields(&["--spec", "[]"]).unwrap_err().to_string();
        assert_eq!(refused, "--spec is not as expected: give a JSON object");
    }
}
