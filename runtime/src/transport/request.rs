//! What goes out.

use crate::EndpointUrl;
use bytes::Bytes;
use http::header::HOST;
use http::uri::InvalidUri;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri};
use http_body_util::Full;
use postrider_engine::{ClientIdentity, REPEAT_HEADER, Repeat, TenantId};

/// Says in a request that is sent again why that is so.
const REPEATED: HeaderName = HeaderName::from_static(REPEAT_HEADER);

/// One HTTP POST, ready to go.
#[derive(Clone, Debug)]
pub struct WireRequest {
    /// Whose it is: where it may go depends on it.
    pub tenant: TenantId,
    /// Where it goes.
    pub url: EndpointUrl,
    /// The headers in their order, signature and all. Those that say how a message travels are
    /// the transport's: it sets `host` and `content-length`, and leaves out `accept-encoding`,
    /// `connection`, `expect`, `keep-alive`, `proxy-connection`, `te`, `trailer`,
    /// `transfer-encoding` and `upgrade`.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The body.
    pub body: Bytes,
    /// The most bytes of the response's body that are read and kept.
    pub response_bytes_max: usize,
    /// Whether it may be sent a second time: see [`Repeat`]. What may not has a connection of its own.
    pub send_again: bool,
    /// As whom it appears in a TLS handshake; `None`: as its tenant does.
    pub identity: Option<ClientIdentity>,
}

impl WireRequest {
    /// The request in origin form with `host` as its first header, as HTTP/1 wants it
    /// ([RFC 9112 section 3.2.1](https://www.rfc-editor.org/rfc/rfc9112#section-3.2.1),
    /// [RFC 9110 section 7.2](https://www.rfc-editor.org/rfc/rfc9110#section-7.2)).
    ///
    /// If it is sent again, it says so: the attempt, and its number in the headers, is the same.
    pub(crate) fn to_http1(
        &self,
        repeated: Option<Repeat>,
    ) -> Result<Request<Full<Bytes>>, http::Error> {
        let host = HeaderValue::from_str(self.url.authority())?;
        let uri = Uri::try_from(self.url.path_and_query())?;
        let mut headers = HeaderMap::with_capacity(self.headers.len() + 3);
        headers.insert(HOST, host);
        Ok(self.to_request(uri, headers, repeated))
    }

    /// The request with its absolute URI, from which HTTP/2 takes the pseudo-headers
    /// ([RFC 9113 section 8.3.1](https://www.rfc-editor.org/rfc/rfc9113#section-8.3.1)).
    pub(crate) fn to_http2(
        &self,
        repeated: Option<Repeat>,
    ) -> Result<Request<Full<Bytes>>, InvalidUri> {
        let uri = Uri::try_from(self.url.as_str())?;
        let headers = HeaderMap::with_capacity(self.headers.len() + 2);
        Ok(self.to_request(uri, headers, repeated))
    }

    fn to_request(
        &self,
        uri: Uri,
        mut headers: HeaderMap,
        repeated: Option<Repeat>,
    ) -> Request<Full<Bytes>> {
        for (name, value) in self.end_to_end_headers() {
            headers.append(name.clone(), value.clone());
        }
        if let Some(why) = repeated {
            headers.insert(REPEATED, HeaderValue::from_static(why.name()));
        }
        let mut request = Request::new(Full::new(self.body.clone()));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = uri;
        *request.headers_mut() = headers;
        request
    }

    /// The headers without those that are the transport's.
    pub(crate) fn end_to_end_headers(&self) -> impl Iterator<Item = &(HeaderName, HeaderValue)> {
        self.headers.iter().filter(|(name, _)| !is_hop_by_hop(name))
    }
}

/// Whether a header says how the message travels, not what it is
/// ([RFC 9110 section 7.6.1](https://www.rfc-editor.org/rfc/rfc9110#section-7.6.1)).
/// `accept-encoding` is among them because no transport decompresses.
fn is_hop_by_hop(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        "accept-encoding"
            | "connection"
            | "content-length"
            | "expect"
            | "host"
            | "keep-alive"
            | "proxy-connection"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::header::{ACCEPT_ENCODING, TRANSFER_ENCODING};

    fn request() -> WireRequest {
        WireRequest {
            tenant: TenantId::default(),
            url: EndpointUrl::parse("https://example.com:8443/hooks?key=1").unwrap(),
            headers: vec![
                (
                    HeaderName::from_static("webhook-id"),
                    HeaderValue::from_static("evt_1"),
                ),
                (HOST, HeaderValue::from_static("elsewhere")),
                (TRANSFER_ENCODING, HeaderValue::from_static("chunked")),
                (ACCEPT_ENCODING, HeaderValue::from_static("gzip")),
            ],
            body: Bytes::from_static(b"{}"),
            response_bytes_max: 0,
            send_again: true,
            identity: None,
        }
    }

    #[test]
    fn http1_is_in_origin_form_with_host_first() {
        let sent = request().to_http1(None).unwrap();
        assert_eq!(sent.uri(), "/hooks?key=1");
        let headers: Vec<_> = sent
            .headers()
            .iter()
            .map(|(name, value)| (name.as_str(), value))
            .collect();
        assert_eq!(
            headers[0],
            ("host", &HeaderValue::from_static("example.com:8443"))
        );
        assert_eq!(
            headers[1],
            ("webhook-id", &HeaderValue::from_static("evt_1"))
        );
        assert_eq!(headers.len(), 2, "how it travels is up to the transport");
    }

    #[test]
    fn http2_has_the_absolute_uri_and_no_host() {
        let sent = request().to_http2(None).unwrap();
        assert_eq!(sent.uri(), "https://example.com:8443/hooks?key=1");
        assert!(!sent.headers().contains_key(HOST));
    }

    #[test]
    fn a_request_that_is_sent_again_says_why() {
        for why in Repeat::ALL {
            let http1 = request().to_http1(Some(why)).unwrap();
            let http2 = request().to_http2(Some(why)).unwrap();
            for headers in [http1.headers(), http2.headers()] {
                assert_eq!(headers["x-attempt-repeat"], why.name());
            }
        }
        let first = request().to_http1(None).unwrap();
        assert!(!first.headers().contains_key(REPEATED));
    }
}
