//! A proxy that connections are made through, by the method CONNECT
//! ([RFC 9110, section 9.3.6](https://www.rfc-editor.org/rfc/rfc9110#section-9.3.6)).

use crate::{EndpointUrl, Host};
use ipnet::IpNet;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;
use url::Url;

/// A proxy that connections are made through, by the method CONNECT, to `http://` receivers, too.
///
/// The name of a receiver is looked up here, its addresses are vetted by the egress guard, and the proxy
/// is asked for such an address: the guard holds as if there were no proxy. Where names can only be
/// looked up by the proxy ([`Proxy::resolving`]), the guard sees addresses that are written in URLs, and
/// what a name means is for the proxy to judge.
///
/// The proxy's own address is the operator's affair: the guard does not judge it.
///
/// ```
/// use postrider::transport::Proxy;
///
/// let proxy: Proxy = "http://user:password@proxy.internal:3128".parse()?;
/// assert_eq!(format!("{proxy:?}"), "Proxy(proxy.internal:3128)");
/// # Ok::<(), postrider::transport::InvalidProxy>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    host: Arc<str>,
    address: Option<IpAddr>,
    port: u16,
    /// The value of `Proxy-Authorization`.
    authorization: Option<Arc<str>>,
    resolves: bool,
    passed_by: Arc<[IpNet]>,
}

/// Why a text is not the URL of a proxy. Holds nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidProxy {
    /// It is not the URL of an HTTP proxy.
    #[error("write it as http://HOST:PORT, or http://USER:PASSWORD@HOST:PORT, and nothing behind")]
    Url,
    /// The user name cannot be told from the password.
    #[error("a user name cannot hold a colon, nor user name or password a control character")]
    Credentials,
}

impl Proxy {
    /// Leaves it to the proxy to look up the names of receivers, and to keep requests from private
    /// addresses.
    #[must_use]
    pub fn resolving(mut self) -> Self {
        self.resolves = true;
        self
    }

    /// Receivers whose addresses are all in these ranges are reached directly. Of no effect where the
    /// proxy looks up the names.
    #[must_use]
    pub fn passed_by(mut self, ranges: impl IntoIterator<Item = IpNet>) -> Self {
        self.passed_by = ranges.into_iter().collect();
        self
    }

    pub(crate) fn is_resolving(&self) -> bool {
        self.resolves
    }

    pub(crate) fn is_passed_by(&self, address: IpAddr) -> bool {
        let reached = address.to_canonical();
        self.passed_by.iter().any(|range| range.contains(&reached))
    }

    /// Its address, or the name that it has to be looked up by.
    pub(crate) fn place(&self) -> Result<SocketAddr, (&str, u16)> {
        match self.address {
            Some(address) => Ok(SocketAddr::new(address, self.port)),
            None => Err((&*self.host, self.port)),
        }
    }

    /// What it is asked for, one after the other.
    pub(crate) fn targets(&self, url: &EndpointUrl, addresses: &[SocketAddr]) -> Vec<String> {
        match url.host() {
            Host::Name(name) if self.resolves => vec![format!("{name}:{}", url.port())],
            _ => addresses.iter().map(ToString::to_string).collect(),
        }
    }

    /// The request for a connection to there.
    pub(crate) fn request(&self, target: &str) -> String {
        let authorization = self
            .authorization
            .as_deref()
            .map_or_else(String::new, |it| format!("Proxy-Authorization: {it}\r\n"));
        format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n{authorization}\r\n")
    }
}

impl FromStr for Proxy {
    type Err = InvalidProxy;

    fn from_str(text: &str) -> Result<Self, InvalidProxy> {
        let url = Url::parse(text).map_err(|_| InvalidProxy::Url)?;
        let has_more =
            !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some();
        if url.scheme() != "http" || has_more {
            return Err(InvalidProxy::Url);
        }
        let port = url.port_or_known_default().ok_or(InvalidProxy::Url)?;
        let (host, address): (Arc<str>, Option<IpAddr>) =
            match url.host().ok_or(InvalidProxy::Url)? {
                url::Host::Domain(name) => (name.into(), None),
                url::Host::Ipv4(address) => (address.to_string().into(), Some(address.into())),
                url::Host::Ipv6(address) => (format!("[{address}]").into(), Some(address.into())),
            };
        Ok(Self {
            host,
            address,
            port,
            authorization: authorization(&url)?,
            resolves: false,
            passed_by: Arc::default(),
        })
    }
}

impl fmt::Debug for Proxy {
    /// Without its password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({}:{})", self.host, self.port)
    }
}

/// User name and password, by the scheme Basic
/// ([RFC 7617, section 2](https://www.rfc-editor.org/rfc/rfc7617#section-2)).
fn authorization(url: &Url) -> Result<Option<Arc<str>>, InvalidProxy> {
    if url.username().is_empty() && url.password().is_none() {
        return Ok(None);
    }
    let user = decoded(url.username());
    let password = decoded(url.password().unwrap_or_default());
    let has_control = |text: &[u8]| text.iter().any(u8::is_ascii_control);
    if user.contains(&b':') || has_control(&user) || has_control(&password) {
        return Err(InvalidProxy::Credentials);
    }
    let pair = [&user[..], b":", &password[..]].concat();
    Ok(Some(format!("Basic {}", base64(&pair)).into()))
}

/// The bytes of a part of a URL, without percent-encoding.
fn decoded(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let digits = after.first_chunk::<2>().filter(|_| *first == b'%');
        let byte = digits.and_then(|digits| {
            let [high, low] = (*digits).map(|digit| char::from(digit).to_digit(16));
            u8::try_from(high? * 16 + low?).ok()
        });
        bytes.push(byte.unwrap_or(*first));
        rest = match byte {
            Some(_) => after.get(2..).unwrap_or_default(),
            None => after,
        };
    }
    bytes
}

/// [RFC 4648, section 4](https://www.rfc-editor.org/rfc/rfc4648#section-4).
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |place: usize| usize::from(chunk.get(place).copied().unwrap_or_default());
        let bits = (byte(0) << 16) | (byte(1) << 8) | byte(2);
        for place in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * place)) & 63];
            text.push(match place <= chunk.len() {
                true => char::from(digit),
                false => '=',
            });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxy(text: &str) -> Proxy {
        text.parse().unwrap()
    }

    #[test]
    fn a_proxy_is_asked_for_an_address_and_told_who_asks() {
        let asked = proxy("http://proxy.internal:3128").request("192.0.2.1:443");
        let expected = "CONNECT 192.0.2.1:443 HTTP/1.1\r\nHost: 192.0.2.1:443\r\n\r\n";
        assert_eq!(asked, expected);
        // The example of RFC 7617, section 2.
        let asked = proxy("http://Aladdin:open%20sesame@p:1").request("a:1");
        let line = "\r\nProxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n\r\n";
        assert!(asked.ends_with(line), "{asked}");
    }

    #[test]
    fn a_name_is_given_to_a_proxy_only_if_it_is_to_look_it_up() {
        let url = EndpointUrl::parse("https://hooks.example/a").unwrap();
        let addresses: Vec<SocketAddr> = ["192.0.2.1:443", "[2001:db8::1]:443"]
            .iter()
            .map(|it| it.parse().unwrap())
            .collect();
        let here = proxy("http://p:1");
        let found = here.targets(&url, &addresses);
        assert_eq!(found, ["192.0.2.1:443", "[2001:db8::1]:443"]);
        let there = here.resolving();
        assert_eq!(there.targets(&url, &[]), ["hooks.example:443"]);
        let literal = EndpointUrl::parse("http://192.0.2.1/").unwrap();
        let found = there.targets(&literal, &addresses[..1]);
        assert_eq!(found, ["192.0.2.1:443"]);
    }

    #[test]
    fn what_is_no_url_of_a_proxy_is_refused_without_being_repeated() {
        for text in [
            "",
            "proxy:3128",
            "socks5://proxy:1080",
            "https://user:hunter2@proxy/",
            "http://user:hunter2@proxy/path",
            "http://proxy/?a",
        ] {
            let error = text.parse::<Proxy>().unwrap_err();
            assert_eq!(error, InvalidProxy::Url, "{text}");
            assert!(!error.to_string().contains("hunter2"));
        }
        let line_end = "http://user:a%0d%0ab@proxy:1".parse::<Proxy>();
        assert_eq!(line_end, Err(InvalidProxy::Credentials));
        let shown = format!("{:?}", proxy("http://user:hunter2@[::1]:8080"));
        assert_eq!(shown, "Proxy([::1]:8080)");
    }

    #[test]
    fn base64_is_padded() {
        // RFC 4648, section 10.
        for (bytes, text) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v")] {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }
}
