//! Whether a request is its provider's, and if not, why: the sender is told the code, the log and the
//! source's owner are told the cause.

use super::arriving::{Arrived, arrived};
use super::content::Content;
use super::handshakes::is_unsigned_ping;
use super::turn;
use crate::api::Api;
use crate::api::problem::{Code, Problem};
use crate::api::receipts::Receipt;
use crate::api::sources::{Refused, Source};
use axum::body::Body;
use axum::extract::OriginalUri;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Uri, header};
use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use postrider::engine::json::Document;
use postrider::signature::{Cause, Fields, NoFields, Received, Verified};
use std::io::Read;

/// The largest body whose refusal is explained, in bytes: to look for the cause reads it some hundred
/// times, and strangers can ask for it as often as lines are written to the log.
const EXPLAINED_BYTES_MAX: usize = 32 << 10;

/// What is said of a source where nothing is signed, and the operator has not allowed that.
const UNSIGNED_OFF: &str =
    "nothing is signed, and that is off here: the setting `unsigned_sources` has it on";

/// A request that is its source's provider's.
pub(super) struct Proven<'h> {
    pub(super) verified: Verified<'h>,
    /// What was signed: the plain text where a body came packed and was signed before.
    pub(super) body: Bytes,
    is_unpacked: bool,
}

impl Proven<'_> {
    /// What it says.
    pub(super) fn content(&self, headers: &HeaderMap) -> Content {
        match self.is_unpacked {
            true => Content::unpacked(headers, self.body.clone()),
            false => Content::of(headers, self.body.clone()),
        }
    }
}

/// Reads a body of at most `most` bytes, and proves that the request is its source's provider's. `None` if
/// it is an unsigned ping, which nothing is done with.
pub(super) async fn prove<'h>(
    api: &Api,
    source: &Source,
    head: &'h Parts,
    (body, most): (Body, usize),
    receipt: &mut Receipt,
) -> Result<Option<Proven<'h>>, Problem> {
    if source.record().is_unsigned() && !api.options().unsigned_sources {
        let refused = Refused {
            code: "UNSIGNED_OFF",
            error: UNSIGNED_OFF.to_owned(),
        };
        return Err(unproven(source, &refused, (turn(source), None), receipt));
    }
    if let Some(refused) = source.proof().refuses_all() {
        return Err(unproven(source, &refused, (turn(source), None), receipt));
    }
    let now_unix_seconds = api.now().0 / 1_000;
    let headers = &head.headers;
    let verifier = source.proof().verifier();
    let arrived = arrived(verifier, headers, (body, most), now_unix_seconds).await?;
    let Arrived { body, is_whole, .. } = arrived;
    if is_whole {
        receipt.got_body(body.len());
    }
    let asked = Asked::of(api, source, head);
    let verified = match arrived.verified {
        Some(verified) => verified.map_err(Refused::from),
        None => asked.verify(&body, now_unix_seconds),
    };
    let refused = match verified {
        Ok(verified) => {
            return Ok(Some(Proven {
                verified,
                body,
                is_unpacked: false,
            }));
        }
        Err(refused) => refused,
    };
    if is_whole && is_unsigned_ping(source, headers, &body) {
        return Ok(None);
    }
    if let Some(body) = unpacked(headers, &body, most)
        && let Ok(verified) = asked.verify(&body, now_unix_seconds)
    {
        return Ok(Some(Proven {
            verified,
            body,
            is_unpacked: true,
        }));
    }
    let turn = turn(source);
    let is_explained = turn.is_some() && is_whole && body.len() <= EXPLAINED_BYTES_MAX;
    let explain = || asked.explain(&body, now_unix_seconds);
    let cause = is_explained.then(explain).flatten();
    Err(unproven(source, &refused, (turn, cause.as_ref()), receipt))
}

/// Says it in the log, and to the source's owner.
fn unproven(
    source: &Source,
    refused: &Refused,
    (turn, cause): (Option<u64>, Option<&Cause>),
    receipt: &mut Receipt,
) -> Problem {
    let Refused { code, error } = refused;
    receipt.explain(&match cause {
        Some(cause) => format!("{code}: {}: {cause}", cause.code()),
        None => format!("{code}: {error}"),
    });
    if let Some(left_out) = turn {
        let why = cause.map(ToString::to_string);
        let cause = cause.map(Cause::code);
        tracing::warn!(source = %source.id(), code, error, cause, why, left_out, "postrider.inbound.refused");
    }
    Problem::new(Code::SignatureRefused, code)
}

/// A request as it is verified.
struct Asked<'a, 'h> {
    source: &'a Source,
    method: &'a str,
    urls: Vec<String>,
    headers: Vec<(&'h str, &'h [u8])>,
}

impl<'a, 'h> Asked<'a, 'h> {
    fn of(api: &Api, source: &'a Source, head: &'h Parts) -> Self
    where
        'h: 'a,
    {
        let headers = head.headers.iter();
        Self {
            source,
            method: head.method.as_str(),
            urls: urls(api, source, head),
            headers: headers
                .map(|(name, value)| (name.as_str(), value.as_bytes()))
                .collect(),
        }
    }

    fn verify(&self, body: &[u8], now_unix_seconds: u64) -> Result<Verified<'h>, Refused> {
        let proof = self.source.proof();
        self.with(body, |request| proof.verify(request, now_unix_seconds))
    }

    fn explain(&self, body: &[u8], now_unix_seconds: u64) -> Option<Cause> {
        let proof = self.source.proof();
        self.with(body, |request| proof.explain(request, now_unix_seconds))
    }

    /// The body is read as JSON where a recipe may ask for fields.
    fn with<T>(&self, body: &[u8], work: impl FnOnce(&Received<'h, '_>) -> T) -> T {
        let document = match self.source.proof().is_recipe() {
            true => Document::read(body).ok(),
            false => None,
        };
        let fields: &dyn Fields = match &document {
            Some(document) => document,
            None => &NoFields,
        };
        let urls: Vec<&str> = self.urls.iter().map(String::as_str).collect();
        work(&Received {
            method: self.method,
            urls: &urls,
            headers: &self.headers,
            body,
            fields,
        })
    }
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

/// The plain text of a body that came as gzip, if it is that and has at most `most` bytes.
fn unpacked(headers: &HeaderMap, body: &[u8], most: usize) -> Option<Bytes> {
    let coding = headers.get(header::CONTENT_ENCODING)?.to_str().ok()?;
    let is_gzip = ["gzip", "x-gzip"]
        .iter()
        .any(|it| coding.trim().eq_ignore_ascii_case(it));
    if !is_gzip {
        return None;
    }
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
    fn gzip_is_unpacked_up_to_a_bound() {
        let most = 100_000;
        for (plain, is_taken) in [(vec![b'a'; most], true), (vec![b'a'; most + 1], false)] {
            let unpacked = unpacked(&headers("gzip"), &packed(&plain), most);
            assert_eq!(unpacked, is_taken.then(|| Bytes::from(plain)));
        }
    }

    #[test]
    fn what_is_no_gzip_is_left_alone() {
        let gzip = packed(b"{}");
        assert_eq!(unpacked(&headers("br"), &gzip, 100), None);
        assert_eq!(unpacked(&HeaderMap::new(), &gzip, 100), None);
        assert_eq!(unpacked(&headers("gzip"), b"{}", 100), None);
        assert_eq!(
            unpacked(&headers("gzip"), &gzip[..gzip.len() - 1], 100),
            None
        );
        assert_eq!(
            unpacked(&headers("X-GZIP"), &gzip, 100).as_deref(),
            Some(&b"{}"[..])
        );
    }
}
