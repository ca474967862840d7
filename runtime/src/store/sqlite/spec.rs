//! An endpoint's spec as JSON: a form of its own, so that the engine's types may change while the
//! records stay readable. Its custom headers are sealed in it.

mod sending;

use super::StoreFault;
use super::seal::{KeyRing, SealError, Sealed};
use postrider_engine::signature::HeaderNames;
use postrider_engine::{
    BatchPolicy, BreakerPolicy, EndpointId, EndpointSpec, OnFailed, Ordering, PayloadForm,
    RateLimit, RetryPolicy, Schedule, Sending, SignatureForm, Template, TenantId,
};
use sending::SendingRecord;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use zeroize::Zeroizing;

#[derive(Serialize, Deserialize)]
struct SpecRecord {
    tenant: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    url: String,
    event_types: Vec<String>,
    headers: HeadersRecord,
    fifo: bool,
    stop_on_failed: bool,
    timeout_ms: u64,
    retry: RetryRecord,
    concurrency: u32,
    rate_limit: Option<RateRecord>,
    breaker: Option<BreakerRecord>,
    disable_after_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    description: String,
    #[serde(default = "no_metadata")]
    metadata: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    filter: Option<String>,
    #[serde(default)]
    payload_form: FormRecord,
    #[serde(default = "default_signatures")]
    signatures: Vec<SignatureRecord>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    batch: Option<BatchRecord>,
    #[serde(default, skip_serializing_if = "SendingRecord::is_usual")]
    sending: SendingRecord,
}

/// Custom headers: sealed, in hexadecimal digits, unless there are none. Files of before have them
/// as they are.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum HeadersRecord {
    Plain(Vec<(String, String)>),
    Sealed(String),
}

impl HeadersRecord {
    fn seal(headers: &[(String, String)], place: &Place<'_>) -> Result<Self, StoreFault> {
        if headers.is_empty() {
            return Ok(Self::Plain(Vec::new()));
        }
        let text = Zeroizing::new(serde_json::to_vec(headers).map_err(|error| fault(&error))?);
        let sealed = place.keys.seal(&place.sealed(), &text)?;
        Ok(Self::Sealed(hex::encode(sealed)))
    }

    fn open(self, place: &Place<'_>) -> Result<Vec<(String, String)>, StoreFault> {
        match self {
            Self::Plain(headers) => Ok(headers),
            Self::Sealed(text) => {
                let damaged = || SealError::Damaged(place.sealed().to_string());
                let sealed = hex::decode(text).map_err(|_| damaged())?;
                let text = place.keys.open(&place.sealed(), &sealed)?;
                Ok(serde_json::from_slice(&text).map_err(|_| damaged())?)
            }
        }
    }

    /// Whether they are not sealed, or with another key than the first.
    fn is_old(&self, keys: &KeyRing) -> bool {
        match self {
            Self::Plain(headers) => !headers.is_empty(),
            Self::Sealed(text) => hex::decode(text).is_ok_and(|sealed| keys.is_old(&sealed)),
        }
    }
}

/// Whose spec it is, and with what it is sealed.
pub(super) struct Place<'a> {
    pub(super) keys: &'a KeyRing,
    pub(super) tenant: &'a TenantId,
    pub(super) endpoint: EndpointId,
}

impl Place<'_> {
    fn sealed(&self) -> Sealed<'_> {
        Sealed::Headers(self.tenant, self.endpoint)
    }
}

/// Whether what is sealed in this record is to be sealed anew.
pub(super) fn has_old_seal(text: &str, keys: &KeyRing) -> bool {
    #[derive(Deserialize)]
    struct Parts {
        headers: HeadersRecord,
        #[serde(default)]
        sending: SendingRecord,
    }
    let is_old = |record: Parts| record.headers.is_old(keys) || record.sending.is_old(keys);
    serde_json::from_str(text).is_ok_and(is_old)
}

#[derive(Serialize, Deserialize)]
struct BatchRecord {
    events_max: u32,
    wait_ms: u64,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum FormRecord {
    #[default]
    Raw,
    Envelope,
    Template {
        name: String,
        version: u32,
        text: String,
    },
}

#[derive(Serialize, Deserialize)]
struct SignatureRecord {
    scheme: String,
    #[serde(default, skip_serializing_if = "NamesRecord::is_empty")]
    header_names: NamesRecord,
}

#[derive(Default, PartialEq, Serialize, Deserialize)]
struct NamesRecord {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    timestamp: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    signature: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    body_signature: Option<String>,
}

impl NamesRecord {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

fn no_metadata() -> String {
    "{}".to_owned()
}

fn default_signatures() -> Vec<SignatureRecord> {
    vec![signature_record(&SignatureForm::default())]
}

#[derive(Serialize, Deserialize)]
struct RetryRecord {
    schedule: ScheduleRecord,
    jitter_percent: u8,
    retry_after_max_ms: u64,
    also_retry: Vec<u16>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ScheduleRecord {
    Exponential {
        first_ms: u64,
        factor: f64,
        cap_ms: u64,
        retries: u32,
    },
    DelaysMs(Vec<u64>),
}

#[derive(Serialize, Deserialize)]
struct RateRecord {
    requests: u32,
    per_ms: u64,
    burst: u32,
}

#[derive(Serialize, Deserialize)]
struct BreakerRecord {
    failures: u32,
    cooldown_ms: u64,
    cooldown_max_ms: u64,
}

/// The spec as it is recorded.
pub(super) fn to_json(spec: &EndpointSpec, place: &Place<'_>) -> Result<String, StoreFault> {
    let record = SpecRecord {
        tenant: spec.tenant.as_str().to_owned(),
        name: spec.name.as_ref().map(ToString::to_string),
        url: spec.url.to_string(),
        event_types: spec
            .event_types
            .iter()
            .map(|pattern| pattern.as_str().to_owned())
            .collect(),
        headers: HeadersRecord::seal(&spec.headers, place)?,
        fifo: spec.ordering == Ordering::Fifo,
        stop_on_failed: spec.on_failed == OnFailed::Stop,
        timeout_ms: ms(spec.timeout),
        retry: retry_record(&spec.retry),
        concurrency: spec.concurrency,
        rate_limit: spec.rate_limit.map(|rate| RateRecord {
            requests: rate.requests,
            per_ms: ms(rate.per),
            burst: rate.burst,
        }),
        breaker: spec.breaker.map(|breaker| BreakerRecord {
            failures: breaker.failures,
            cooldown_ms: ms(breaker.cooldown),
            cooldown_max_ms: ms(breaker.cooldown_max),
        }),
        disable_after_ms: spec.disable_after.map(ms),
        description: spec.description.to_string(),
        metadata: spec.metadata.to_string(),
        filter: spec.filter.as_ref().map(ToString::to_string),
        payload_form: form_record(&spec.payload_form),
        signatures: spec.signatures.iter().map(signature_record).collect(),
        batch: spec.batch.map(|batch| BatchRecord {
            events_max: batch.events_max,
            wait_ms: ms(batch.wait),
        }),
        sending: SendingRecord::seal(&spec.sending, place)?,
    };
    serde_json::to_string(&record).map_err(|error| fault(&error))
}

/// Reads it back.
pub(super) fn from_json(text: &str, place: &Place<'_>) -> Result<EndpointSpec, StoreFault> {
    let damaged = |why| StoreFault::Damaged(format!("{}: {why}", place.endpoint));
    let mut record: SpecRecord =
        serde_json::from_str(text).map_err(|error| damaged(error.to_string()))?;
    let headers = std::mem::replace(&mut record.headers, HeadersRecord::Plain(Vec::new()));
    let headers = headers.open(place)?;
    let sending = std::mem::take(&mut record.sending).open(place)?;
    Ok(EndpointSpec {
        headers,
        sending,
        ..spec_of(record).map_err(damaged)?
    })
}

/// The spec in a record, without its headers and how it is sent.
fn spec_of(record: SpecRecord) -> Result<EndpointSpec, String> {
    let patterns = record.event_types.iter().map(|pattern| pattern.parse());
    let event_types = patterns.collect::<Result<_, _>>();
    let filter = record.filter.map(|filter| filter.parse()).transpose();
    let name = record.name.map(|name| name.parse());
    let signatures = record.signatures.into_iter().map(signature);
    Ok(EndpointSpec {
        tenant: record.tenant.parse().map_err(told)?,
        name: name.transpose().map_err(told)?,
        url: record.url.into(),
        description: record.description.into(),
        metadata: record.metadata.into(),
        event_types: event_types.map_err(told)?,
        filter: filter.map_err(told)?,
        payload_form: payload_form(record.payload_form)?,
        signatures: signatures.collect::<Result<_, _>>()?,
        batch: record.batch.map(|batch| BatchPolicy {
            events_max: batch.events_max,
            wait: Duration::from_millis(batch.wait_ms),
        }),
        headers: Vec::new(),
        sending: Sending::default(),
        ordering: if record.fifo {
            Ordering::Fifo
        } else {
            Ordering::None
        },
        on_failed: if record.stop_on_failed {
            OnFailed::Stop
        } else {
            OnFailed::Continue
        },
        timeout: Duration::from_millis(record.timeout_ms),
        retry: RetryPolicy {
            schedule: schedule(record.retry.schedule),
            jitter_percent: record.retry.jitter_percent,
            retry_after_max: Duration::from_millis(record.retry.retry_after_max_ms),
            also_retry: record.retry.also_retry,
        },
        concurrency: record.concurrency,
        rate_limit: record.rate_limit.map(|rate| RateLimit {
            requests: rate.requests,
            per: Duration::from_millis(rate.per_ms),
            burst: rate.burst,
        }),
        breaker: record.breaker.map(|breaker| BreakerPolicy {
            failures: breaker.failures,
            cooldown: Duration::from_millis(breaker.cooldown_ms),
            cooldown_max: Duration::from_millis(breaker.cooldown_max_ms),
        }),
        disable_after: record.disable_after_ms.map(Duration::from_millis),
    })
}

fn retry_record(retry: &RetryPolicy) -> RetryRecord {
    let schedule = match &retry.schedule {
        Schedule::Exponential {
            first,
            factor,
            cap,
            retries,
        } => ScheduleRecord::Exponential {
            first_ms: ms(*first),
            factor: *factor,
            cap_ms: ms(*cap),
            retries: *retries,
        },
        Schedule::Delays(delays) => {
            ScheduleRecord::DelaysMs(delays.iter().copied().map(ms).collect())
        }
    };
    RetryRecord {
        schedule,
        jitter_percent: retry.jitter_percent,
        retry_after_max_ms: ms(retry.retry_after_max),
        also_retry: retry.also_retry.clone(),
    }
}

fn schedule(record: ScheduleRecord) -> Schedule {
    match record {
        ScheduleRecord::Exponential {
            first_ms,
            factor,
            cap_ms,
            retries,
        } => Schedule::Exponential {
            first: Duration::from_millis(first_ms),
            factor,
            cap: Duration::from_millis(cap_ms),
            retries,
        },
        ScheduleRecord::DelaysMs(delays) => {
            Schedule::Delays(delays.into_iter().map(Duration::from_millis).collect())
        }
    }
}

fn form_record(form: &PayloadForm) -> FormRecord {
    match form {
        PayloadForm::Raw => FormRecord::Raw,
        PayloadForm::Envelope => FormRecord::Envelope,
        PayloadForm::Template(template) => FormRecord::Template {
            name: template.name().to_owned(),
            version: template.version(),
            text: template.text().to_owned(),
        },
    }
}

fn payload_form(record: FormRecord) -> Result<PayloadForm, String> {
    Ok(match record {
        FormRecord::Raw => PayloadForm::Raw,
        FormRecord::Envelope => PayloadForm::Envelope,
        FormRecord::Template {
            name,
            version,
            text,
        } => PayloadForm::Template(Template::new(&name, version, &text).map_err(told)?),
    })
}

fn signature_record(form: &SignatureForm) -> SignatureRecord {
    let names = form.header_names.clone();
    SignatureRecord {
        scheme: form.scheme.name().to_owned(),
        header_names: NamesRecord {
            id: names.id,
            timestamp: names.timestamp,
            signature: names.signature,
            body_signature: names.body_signature,
        },
    }
}

fn signature(record: SignatureRecord) -> Result<SignatureForm, String> {
    let names = record.header_names;
    Ok(SignatureForm {
        scheme: record.scheme.parse().map_err(told)?,
        header_names: HeaderNames {
            id: names.id,
            timestamp: names.timestamp,
            signature: names.signature,
            body_signature: names.body_signature,
        },
    })
}

/// The engine counts in whole milliseconds.
fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn fault(error: &serde_json::Error) -> StoreFault {
    StoreFault::Damaged(error.to_string())
}

fn told(error: impl std::fmt::Display) -> String {
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use postrider_engine::signature::Scheme;

    const OLD: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    const NEW: &str = "ff0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

    fn sealed_and_read(spec: &EndpointSpec, keys: &KeyRing, tenant: &TenantId) -> EndpointSpec {
        let endpoint = EndpointId::from_u128(5);
        let place = Place {
            keys,
            tenant,
            endpoint,
        };
        from_json(&to_json(spec, &place).unwrap(), &place).unwrap()
    }

    #[test]
    fn a_spec_with_everything_in_it_is_read_back_as_it_was() {
        let keys = KeyRing::new([OLD]).unwrap();
        let read_back = |spec: &EndpointSpec| sealed_and_read(spec, &keys, &spec.tenant);
        let mut spec = EndpointSpec::new("https://example.com/hooks?a=b");
        assert_eq!(read_back(&spec), spec);
        spec.tenant = "acme".parse().unwrap();
        spec.event_types = vec!["payment.*".parse().unwrap(), "x".parse().unwrap()];
        spec.headers = vec![("x-team".to_owned(), "ünï".to_owned())];
        spec.ordering = Ordering::None;
        spec.on_failed = OnFailed::Stop;
        spec.timeout = Duration::from_millis(1_234);
        spec.retry.schedule = Schedule::Delays(vec![Duration::from_secs(60); 3]);
        spec.retry.also_retry = vec![408, 429];
        spec.concurrency = 3;
        spec.rate_limit = Some(RateLimit {
            requests: 5,
            per: Duration::from_secs(1),
            burst: 7,
        });
        spec.breaker = None;
        spec.disable_after = None;
        spec.description = "ERP, main line".into();
        spec.metadata = r#"{"team": "a"}"#.into();
        spec.filter = Some(r#"{"amount": {"$gt": 10}}"#.parse().unwrap());
        let template = Template::new("chat", 3, r#"{"text": "{{data.name}} paid"}"#);
        spec.payload_form = PayloadForm::Template(template.unwrap());
        spec.signatures = vec![SignatureForm::of(Scheme::Stripe), named()];
        spec.batch = Some(BatchPolicy {
            events_max: 50,
            wait: Duration::from_millis(1_500),
        });
        assert_eq!(read_back(&spec), spec);
    }

    #[test]
    fn headers_are_sealed_to_their_endpoint_and_sealed_anew_when_they_are_not_or_the_key_is_old() {
        let tenant = TenantId::default();
        let (old, both) = (KeyRing::new([OLD]), KeyRing::new([NEW, OLD]));
        let (old, both) = (old.unwrap(), both.unwrap());
        let place = |endpoint, keys| Place {
            keys,
            tenant: &tenant,
            endpoint: EndpointId::from_u128(endpoint),
        };
        let mut spec = EndpointSpec::new("https://example.com/");
        assert!(!has_old_seal(
            &to_json(&spec, &place(5, &old)).unwrap(),
            &both
        ));
        spec.headers = vec![("X-Team".to_owned(), "hunter2".to_owned())];
        let text = to_json(&spec, &place(5, &old)).unwrap();
        assert!(
            !text.contains("hunter2") && !text.contains("X-Team"),
            "{text}"
        );
        assert!(!has_old_seal(&text, &old) && has_old_seal(&text, &both));
        assert_eq!(from_json(&text, &place(5, &both)).unwrap(), spec);
        let other = from_json(&text, &place(6, &both));
        assert!(matches!(
            other,
            Err(StoreFault::Seal(SealError::Damaged(_)))
        ));
        let (start, end) = text.split_once(r#""headers":""#).unwrap();
        let (_, end) = end.split_once('"').unwrap();
        let plain = format!(r#"{start}"headers":[["X-Team","hunter2"]]{end}"#);
        assert!(has_old_seal(&plain, &old), "a file of before");
        assert_eq!(from_json(&plain, &place(5, &old)).unwrap(), spec);
    }

    fn named() -> SignatureForm {
        SignatureForm {
            scheme: Scheme::TimestampedV1,
            header_names: HeaderNames {
                timestamp: Some("x-acme-time".to_owned()),
                ..HeaderNames::default()
            },
        }
    }

    #[test]
    fn a_spec_from_before_there_were_filters_and_forms_has_the_defaults() {
        let old = r#"{"tenant":"default","url":"https://example.com/","event_types":["*"],
            "headers":[],"fifo":true,"stop_on_failed":false,"timeout_ms":30000,
            "retry":{"schedule":{"exponential":{"first_ms":1000,"factor":2.0,"cap_ms":3600000,
            "retries":5}},"jitter_percent":20,"retry_after_max_ms":3600000,"also_retry":[]},
            "concurrency":16,"rate_limit":null,"breaker":{"failures":10,"cooldown_ms":30000,
            "cooldown_max_ms":600000},"disable_after_ms":432000000}"#;
        let mut spec = EndpointSpec::new("https://example.com/");
        // What its owner had then, by default or by choice, is on record and stays.
        spec.retry.also_retry = Vec::new();
        spec.retry.schedule = Schedule::Exponential {
            first: Duration::from_secs(1),
            factor: 2.0,
            cap: Duration::from_secs(3_600),
            retries: 5,
        };
        let keys = KeyRing::new([OLD]).unwrap();
        let place = Place {
            keys: &keys,
            tenant: &TenantId::default(),
            endpoint: EndpointId::from_u128(5),
        };
        assert_eq!(from_json(old, &place).unwrap(), spec);
        for text in ["{}", "not json"] {
            assert!(from_json(text, &place).is_err(), "what is no spec: {text}");
        }
    }

    #[test]
    fn a_filter_of_before_with_an_operand_as_deep_as_was_taken_then_is_read() {
        let keys = KeyRing::new([OLD]).unwrap();
        let tenant = TenantId::default();
        let place = Place {
            keys: &keys,
            tenant: &tenant,
            endpoint: EndpointId::from_u128(5),
        };
        let spec = EndpointSpec {
            filter: Some(r#"{"a": {"$eq": 7}}"#.parse().unwrap()),
            ..EndpointSpec::new("https://example.com/")
        };
        let text = to_json(&spec, &place).unwrap();
        let deep = format!("{}7{}", "[".repeat(120), "]".repeat(120));
        let old = text.replace(r#"{\"$eq\": 7}"#, &format!(r#"{{\"$eq\": {deep}}}"#));
        assert_ne!(old, text);
        let read = from_json(&old, &place).unwrap();
        let payload = format!(r#"{{"a": {deep}}}"#);
        assert!(read.filter.unwrap().matches_payload(payload.as_bytes()));
    }
}
