//! Why a request is refused under a recipe: the usual causes, tried one at a time. As in
//! [`Verifier::explain`], a cause is told only if a signature is right once it is undone.

use super::key::Key;
use super::providers::PROVIDERS;
use super::{Algorithm, Received, RecipeVerifier};
use crate::cause::Cause;
use crate::encoding::decode_base64_secret;
use crate::explain::{BYTE_ORDER_MARK, of_length, with_crlf, with_lf};
use crate::json;
use crate::scheme::Scheme;
use crate::secret::{HMAC_PREFIX, Secret, SecretKind};
use crate::timestamp;
use crate::verify::Verifier;
use core::slice;

impl RecipeVerifier {
    /// Looks for the cause of a refusal, given the arguments of [`verify`](Self::verify) that led to
    /// it. `None` if the request is right, or if no single cause is found.
    ///
    /// It reads the body some fifty times for each secret: see [`Verifier::explain`].
    #[must_use]
    pub fn explain(&self, request: &Received<'_, '_>, now_unix_seconds: u64) -> Option<Cause> {
        if self.holds(request, &self.keys) {
            return self.of_time(request, now_unix_seconds);
        }
        self.of_body(request)
            .or_else(|| self.of_url(request))
            .or_else(|| {
                self.secrets
                    .iter()
                    .find_map(|it| self.of_secret(it, request))
            })
            .or_else(|| self.of_scheme(request))
            .or_else(|| signed_as(&self.secrets, request))
            .or_else(|| of_length(request.headers, request.body))
    }

    /// The signature is right: what remains is the time.
    fn of_time(&self, request: &Received<'_, '_>, now: u64) -> Option<Cause> {
        let tolerance = self.tolerance_seconds;
        let items = self.made.items(request).unwrap_or_default();
        let times = (0..items).filter_map(|index| self.made.claim(request, index).ok());
        let mut times = times.filter_map(|claim| claim.unix_seconds);
        let far = times.find(|time| timestamp::judge(*time, now, tolerance).is_err())?;
        if timestamp::judge(far / 1_000, now, tolerance).is_ok() {
            return Some(Cause::TimestampInMilliseconds);
        }
        Some(Cause::OutsideTolerance {
            seconds: far.abs_diff(now),
            tolerance,
        })
    }

    /// The body as it may have been before something on the way, or in the receiver, changed it.
    fn of_body(&self, request: &Received<'_, '_>) -> Option<Cause> {
        if !self.made.signs_body() && self.made.body_digest.is_none() {
            return None;
        }
        let body = request.body;
        let is = |body: &[u8]| self.holds(&with_body(request, body), &self.keys);
        let ends: [&[u8]; 2] = [b"\r\n", b"\n"];
        let without = |end: &[u8]| body.strip_suffix(end).is_some_and(is);
        let with = |end: &[u8]| is(&[body, end].concat());
        if body.strip_prefix(BYTE_ORDER_MARK).is_some_and(is)
            || is(&[BYTE_ORDER_MARK, body].concat())
        {
            Some(Cause::ByteOrderMark)
        } else if ends.into_iter().any(|end| without(end) || with(end)) {
            Some(Cause::TrailingNewline)
        } else if is(&with_lf(body)) || is(&with_crlf(body)) {
            Some(Cause::LineEnds)
        } else if json::respaced(body).any(|body| is(&body)) {
            Some(Cause::JsonRewritten)
        } else {
            None
        }
    }

    /// The URL as the sender may have been given it.
    fn of_url(&self, request: &Received<'_, '_>) -> Option<Cause> {
        if !self.made.signs_url() {
            return None;
        }
        let meant = request.urls.iter().flat_map(|url| other_urls(url));
        let mut meant = meant.filter(|url| {
            let urls = [&**url];
            self.holds(&with_urls(request, &urls), &self.keys)
        });
        meant.next().map(|url| Cause::OtherUrl { url })
    }

    /// The key that the sender may have made of this secret.
    fn of_secret(&self, secret: &Secret, request: &Received<'_, '_>) -> Option<Cause> {
        let text = secret.expose_secret_text();
        let trimmed = text.trim();
        let algorithm = self.made.algorithm;
        if algorithm == Algorithm::Token {
            let trimmed = Secret::parse(trimmed).ok().filter(|it| it != secret)?;
            let holds = self.holds(request, &[Key::Token(trimmed)]);
            return holds.then_some(Cause::SecretWhitespace);
        }
        if !algorithm.is_hmac() || secret.kind() != SecretKind::Hmac {
            return None;
        }
        let holds = |key: &[u8]| self.holds(request, &[Key::hmac(algorithm, key)]);
        let behind = trimmed.strip_prefix(HMAC_PREFIX);
        if trimmed.len() < text.len() && holds(trimmed.as_bytes()) {
            Some(Cause::SecretWhitespace)
        } else if decode_base64_secret(behind.unwrap_or(trimmed)).is_some_and(|key| holds(&key)) {
            Some(Cause::SecretDecoded)
        } else if behind.is_some_and(|text| holds(text.as_bytes())) {
            Some(Cause::SecretPrefixExtra)
        } else {
            None
        }
    }

    /// One of the built-in schemes, in its own headers.
    fn of_scheme(&self, request: &Received<'_, '_>) -> Option<Cause> {
        // `postrider` is verified as `standard`.
        let is_own = |scheme: &Scheme| *scheme != Scheme::Postrider;
        for scheme in Scheme::ALL.into_iter().filter(is_own) {
            for secret in &*self.secrets {
                let Ok(verifier) = Verifier::new(scheme, slice::from_ref(secret)) else {
                    continue;
                };
                let verifier = verifier.tolerance_seconds(u64::MAX);
                let headers = request.headers.iter().copied();
                if verifier.verify(headers, request.body, 0).is_ok() {
                    let (_, _, header) = verifier.looks_at();
                    return Some(Cause::OtherScheme {
                        scheme,
                        header: header.to_owned(),
                    });
                }
            }
        }
        None
    }
}

fn with_body<'h, 'r>(request: &Received<'h, 'r>, body: &'r [u8]) -> Received<'h, 'r> {
    Received { body, ..*request }
}

fn with_urls<'h, 'r>(request: &Received<'h, 'r>, urls: &'r [&'r str]) -> Received<'h, 'r> {
    Received { urls, ..*request }
}

/// The provider of the table that has signed this request with one of the secrets, whenever that was:
/// [`Cause::OtherProvider`]. It reads the body once for each provider and secret.
#[must_use]
pub fn signed_as(secrets: &[Secret], request: &Received<'_, '_>) -> Option<Cause> {
    for &(provider, recipe) in PROVIDERS {
        for secret in secrets {
            let verifier = RecipeVerifier::new(&recipe, slice::from_ref(secret));
            if let Ok(verifier) = verifier
                && verifier.holds(request, &verifier.keys)
            {
                return Some(Cause::OtherProvider {
                    provider,
                    place: verifier.made.signature.named(),
                });
            }
        }
    }
    None
}

/// The URL with the other scheme, with and without the slash at the end, the query and the port.
fn other_urls(url: &str) -> Vec<String> {
    let swapped = match url.split_once("://") {
        Some(("https", rest)) => format!("http://{rest}"),
        Some((_, rest)) => format!("https://{rest}"),
        None => return Vec::new(),
    };
    let mut urls = Vec::new();
    for url in [url, &swapped] {
        let (path, query) = match url.split_once('?') {
            Some((path, query)) => (path, format!("?{query}")),
            None => (url, String::new()),
        };
        let slashed = match path.strip_suffix('/') {
            Some(bare) => bare.to_owned(),
            None => format!("{path}/"),
        };
        for path in [path, &slashed] {
            for path in [path.to_owned(), other_port(path)] {
                urls.push(format!("{path}{query}"));
                urls.push(path);
            }
        }
    }
    urls
}

/// Without its port, or with that of its scheme.
fn other_port(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let has_port = host
        .rsplit_once(':')
        .is_some_and(|(_, port)| !port.is_empty() && port.bytes().all(|it| it.is_ascii_digit()));
    match host.rsplit_once(':') {
        Some((host, _)) if has_port => format!("{scheme}://{host}{path}"),
        _ if scheme == "http" => format!("{scheme}://{host}:80{path}"),
        _ => format!("{scheme}://{host}:443{path}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_urls_that_may_be_meant_differ_in_one_part() {
        let urls = other_urls("https://a.example/in/src_1?x=1");
        for meant in [
            "http://a.example/in/src_1?x=1",
            "https://a.example/in/src_1/?x=1",
            "https://a.example/in/src_1",
            "https://a.example:443/in/src_1?x=1",
        ] {
            assert!(urls.iter().any(|url| url == meant), "{meant}");
        }
        let urls = other_urls("https://a.example:8443/in/src_1");
        assert!(urls.iter().any(|url| url == "https://a.example/in/src_1"));
        assert!(other_urls("no URL").is_empty());
    }
}
