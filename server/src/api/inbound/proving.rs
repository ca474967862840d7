//! Whether a request is its provider's, and if not, why: the sender is told the code, the log and the
//! source's owner are told the cause.

use super::turn;
use crate::api::Api;
use crate::api::problem::{Code, Problem};
use crate::api::sources::{Refused, Source};
use axum::extract::OriginalUri;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Uri, header};
use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use postrider::Limits;
use postrider::engine::json::Document;
use postrider::signature::{Cause, Fields, NoFields, Received, Verified};
use std::io::Read;

/// The largest body whose refusal is explained, in bytes: to look for the cause reads it some hundred
/// times, and strangers can ask for it as often as lines are written to the log.
const EXPLAINED_BYTES_MAX: usize = 32 << 10;

/// What is said of a source where nothing is signed, and the operator has not allowed that.
const UNSIGNED_OFF: &str =
    "nothing is signed, and that is off here: the setting `unsigned_sources` has it on";

/// A request that is not proven to be its provider's.
pub(super) struct Unproven {
    pub(super) problem: Problem,
    /// What the source's owner is told beside it.
    pub(super) explanation: String,
}

/// Proves that a request is its source's provider's. Gives the body beside it: what was signed, which is
/// the plain text where a body came packed and was signed before.
pub(super) fn prove<'h>(
    api: &Api,
    source: &Source,
    head: &'h Parts,
    body: Bytes,
) -> Result<(Verified<'h>, Bytes), Unproven> {
    if source.record().is_unsigned() && !api.options().unsigned_sources {
        let refused = Refused {
            code: "UNSIGNED_OFF",
            error: UNSIGNED_OFF.to_owned(),
        };
        return Err(unproven(source, &refused, turn(source), None));
    }
    let urls = urls(api, source, head);
    let urls: Vec<&str> = urls.iter().map(String::as_str).collect();
    let headers = head.headers.iter();
    let headers: Vec<(&'h str, &'h [u8])> = headers
        .map(|(name, value)| (name.as_str(), value.as_bytes()))
        .collect();
    let now_unix_seconds = api.now().0 / 1_000;
    let proof = source.proof();
    let verify = |body: &[u8]| {
        with_request(source, head, (&urls, &headers), body, |request| {
            proof.verify(request, now_unix_seconds)
        })
    };
    let refused = match verify(&body) {
        Ok(verified) => return Ok((verified, body)),
        Err(refused) => refused,
    };
    if let Some(plain) = unpacked(&head.headers, &body)
        && let Ok(verified) = verify(&plain)
    {
        return Ok((verified, plain));
    }
    let turn = turn(source);
    let is_explained = turn.is_some() && body.len() <= EXPLAINED_BYTES_MAX;
    let explain = || {
        with_request(source, head, (&urls, &headers), &body, |request| {
            proof.explain(request, now_unix_seconds)
        })
    };
    let cause = is_explained.then(explain).flatten();
    Err(unproven(source, &refused, turn, cause.as_ref()))
}

/// Says it in the log, and to whom it concerns.
fn unproven(
    source: &Source,
    refused: &Refused,
    turn: Option<u64>,
    cause: Option<&Cause>,
) -> Unproven {
    let Refused { code, error } = refused;
    let explanation = match cause {
        Some(cause) => format!("{code}: {}: {cause}", cause.code()),
        None => format!("{code}: {error}"),
    };
    if let Some(left_out) = turn {
        let why = cause.map(ToString::to_string);
        let cause = cause.map(Cause::code);
        tracing::warn!(source = %source.id(), code, error, cause, why, left_out, "postrider.inbound.refused");
    }
    Unproven {
        problem: Problem::new(Code::SignatureRefused, code),
        explanation,
    }
}

/// Does something with the request as it is verified. Its body is read as JSON where a recipe may ask
/// for fields.
fn with_request<'h, T>(
    source: &Source,
    head: &Parts,
    (urls, headers): (&[&str], &[(&'h str, &'h [u8])]),
    body: &[u8],
    work: impl FnOnce(&Received<'h, '_>) -> T,
) -> T {
    let document = match source.proof().is_recipe() {
        true => Document::read(body).ok(),
        false => None,
    };
    let fields: &dyn Fields = match &document {
        Some(document) => document,
        None => &NoFields,
    };
    work(&Received {
        method: head.method.as_str(),
        urls,
        headers,
        body,
        fields,
    })
}

/// The URLs that the provider may have been given: what the source's owner has said, or else that of this
/// request below the address that the operator has said, and where it says that it went. A provider that
/// signs the URL has signed one of them.
fn urls(api: &Api, source: &Source, head: &Parts) -> Vec<String> {
    let OriginalUri(uri) = head
        .extensions
        .get::<OriginalUri>()
        .cloned()
        .unwrap_or_else(|| OriginalUri(head.uri.clone()));
    let query = uri.query().map(|query| format!("?{query}"));
    let query = query.unwrap_or_default();
    if let Some(url) = source.url() {
        return vec![format!("{url}{query}")];
    }
    let path = uri.path();
    let public = api.options().public_url.get();
    let public = public.map(|public| format!("{public}/in/{}{query}", source.id()));
    let asked = host(&uri, &head.headers)
        .into_iter()
        .flat_map(|host| ["https", "http"].map(|scheme| format!("{scheme}://{host}{path}{query}")));
    public.into_iter().chain(asked).collect()
}

/// The host and the port that were asked for.
fn host(uri: &Uri, headers: &HeaderMap) -> Option<String> {
    let said = headers.get(header::HOST);
    let said = said.and_then(|value| value.to_str().ok());
    let named = uri.authority().map(|authority| authority.as_str());
    named.or(said).map(str::to_owned)
}

/// The plain text of a body that came as gzip, if it is that and not too long.
fn unpacked(headers: &HeaderMap, body: &[u8]) -> Option<Bytes> {
    let coding = headers.get(header::CONTENT_ENCODING)?.to_str().ok()?;
    let is_gzip = ["gzip", "x-gzip"]
        .iter()
        .any(|it| coding.trim().eq_ignore_ascii_case(it));
    if !is_gzip {
        return None;
    }
    let most = Limits::default().payload_bytes_max;
    let more = u64::try_from(most).ok()?.checked_add(1)?;
    let mut plain = Vec::new();
    let read = MultiGzDecoder::new(body).take(more).read_to_end(&mut plain);
    (read.is_ok() && plain.len() <= most).then(|| plain.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use std::io::Write;

    fn packed(plain: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    }

    fn headers(coding: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_ENCODING, coding.parse().unwrap());
        headers
    }

    #[test]
    fn gzip_is_unpacked_up_to_the_size_of_a_payload() {
        let most = Limits::default().payload_bytes_max;
        for (plain, is_taken) in [(vec![b'a'; most], true), (vec![b'a'; most + 1], false)] {
            let unpacked = unpacked(&headers("gzip"), &packed(&plain));
            assert_eq!(unpacked, is_taken.then(|| Bytes::from(plain)));
        }
    }

    #[test]
    fn what_is_no_gzip_is_left_alone() {
        let gzip = packed(b"{}");
        assert_eq!(unpacked(&headers("br"), &gzip), None);
        assert_eq!(unpacked(&HeaderMap::new(), &gzip), None);
        assert_eq!(unpacked(&headers("gzip"), b"{}"), None);
        assert_eq!(unpacked(&headers("gzip"), &gzip[..gzip.len() - 1]), None);
        assert_eq!(
            unpacked(&headers("X-GZIP"), &gzip).as_deref(),
            Some(&b"{}"[..])
        );
    }
}
