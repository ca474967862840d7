//! The URL of an endpoint.

use crate::egress::{Blocked, EgressGuard, PlainHttp, ports};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;
use url::{ParseError, Position, Url};

/// The URL of an endpoint, vetted once, in its canonical text. Cheap to clone.
///
/// The canonical text is the [WHATWG URL] serialisation: the host in lower case and punycode, an
/// IP address in its usual form however it was spelled, a default port left out, everything else
/// percent-encoded ASCII. It is also an [`http::Uri`].
///
/// `Display` writes all of it. Paths and queries often carry tokens, so `Debug` writes only the
/// [origin](EndpointUrl::origin), which is also what logs should hold.
///
/// ```
/// use postrider::EndpointUrl;
///
/// let url = EndpointUrl::parse("https://Example.com:443/hooks?key=1")?;
/// assert_eq!(url.as_str(), "https://example.com/hooks?key=1");
/// assert_eq!(url.origin(), "https://example.com");
/// assert_eq!(url.port(), 443);
///
/// let refused = EndpointUrl::parse("https://user:pass@example.com/").unwrap_err();
/// assert!(refused.to_string().contains("user name"));
/// # Ok::<(), postrider::InvalidUrl>(())
/// ```
///
/// [WHATWG URL]: https://url.spec.whatwg.org/#url-serializing
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EndpointUrl(Arc<Parts>);

#[derive(PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Parts {
    url: Url,
    address: Option<IpAddr>,
    port: u16,
}

/// The host of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Host<'a> {
    /// A name to resolve, in lower case and punycode, without a trailing dot.
    Name(&'a str),
    /// An address: there is nothing to resolve.
    Address(IpAddr),
}

/// Why a text is not the URL of an endpoint, and what to do about it. Holds none of the URL but a
/// single character or a port, so that it may be logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidUrl {
    /// The text, or its canonical form, is longer than [`EndpointUrl::BYTES_MAX`].
    #[error("the URL is {bytes} bytes long: shorten it to at most {max}", max = EndpointUrl::BYTES_MAX)]
    TooLong {
        /// The length found.
        bytes: usize,
    },
    /// White space, a control character or a backslash, which parsers drop or rewrite, each in its
    /// own way.
    #[error("the URL holds the character {character:?}: remove it, or percent-encode it")]
    Character {
        /// The first such character.
        character: char,
    },
    /// Not an absolute URL of a scheme that webhooks are sent by.
    #[error("the URL does not begin with https:// or http://: write it as https://host/path")]
    Scheme,
    /// A user name or a password, which would end up in logs.
    #[error(
        "the URL holds a user name or a password, which would end up in logs: remove it, with its @, \
         and give the endpoint a header Authorization instead: Basic and the base64 of \
         user:password; its value is never shown"
    )]
    UserInfo,
    /// No host.
    #[error("the URL has no host: write it as https://host/path")]
    MissingHost,
    /// The host is neither a name that DNS can hold nor an address.
    #[error(
        "the host is neither a DNS name (letters, digits, hyphens, underscores, single dots \
         between labels) nor an IP address: correct it, without a dot at its end and without a zone"
    )]
    Host,
    /// The port is not a port number.
    #[error("the port is not a number from 1 to 65535: correct it, or leave it out")]
    Port,
    /// The port belongs to a service that takes no webhooks.
    #[error("port {port} is that of {service}, which takes no webhooks: use another, best 443")]
    PortOfService {
        /// The port.
        port: u16,
        /// The service that is known to answer there.
        service: &'static str,
    },
    /// A fragment, which is never sent to a server.
    #[error("the URL holds a fragment, which is never sent: remove it, or write its # as %23")]
    Fragment,
}

impl EndpointUrl {
    /// The longest URL accepted, in bytes, as given and in canonical form.
    pub const BYTES_MAX: usize = 2048;

    /// Parses and vets the URL. What a parser would silently repair is refused, so that the URL
    /// that is used is the one that was read by whoever approved it.
    ///
    /// An address literal may still be one that no request goes to: see
    /// [`check_literal`](EndpointUrl::check_literal).
    ///
    /// # Errors
    ///
    /// [`InvalidUrl`] with what to change.
    pub fn parse(text: &str) -> Result<Self, InvalidUrl> {
        check_length(text)?;
        check_characters(text)?;
        check_authority(authority_of(text)?)?;

        let url = Url::parse(text).map_err(|error| match error {
            ParseError::EmptyHost => InvalidUrl::MissingHost,
            ParseError::InvalidPort => InvalidUrl::Port,
            // The scheme is known to be good, and a path or query is never invalid.
            _ => InvalidUrl::Host,
        })?;
        if url.fragment().is_some() {
            return Err(InvalidUrl::Fragment);
        }
        let address = match url.host().ok_or(InvalidUrl::MissingHost)? {
            url::Host::Ipv4(address) => Some(IpAddr::V4(address)),
            url::Host::Ipv6(address) => Some(IpAddr::V6(address)),
            url::Host::Domain(name) => {
                check_name(name)?;
                None
            }
        };
        let port = url.port_or_known_default().ok_or(InvalidUrl::Scheme)?;
        check_port(port)?;
        check_length(url.as_str())?;
        Ok(Self(Arc::new(Parts { url, address, port })))
    }

    /// Whether the guard lets requests go to the host, as far as the URL alone tells: a name is
    /// judged later, by the addresses it resolves to.
    ///
    /// # Errors
    ///
    /// [`Blocked`] if the host is an address, in whatever spelling, that the guard refuses.
    pub fn check_literal(&self, guard: &EgressGuard) -> Result<(), Blocked> {
        match self.host() {
            Host::Address(address) => guard.check_socket(SocketAddr::new(address, self.port())),
            Host::Name(_) => Ok(()),
        }
    }

    /// Whether the guard lets requests go out in the clear, if the scheme is `http`: to the receiver of
    /// [`EgressGuard::letting_through`] it always does.
    ///
    /// # Errors
    ///
    /// [`PlainHttp`] if the guard wants `https` only.
    pub fn check_scheme(&self, guard: &EgressGuard) -> Result<(), PlainHttp> {
        let is_own = match self.host() {
            Host::Address(address) => guard.is_own_receiver(SocketAddr::new(address, self.port())),
            Host::Name(_) => false,
        };
        match self.is_https() || !guard.is_https_only() || is_own {
            true => Ok(()),
            false => Err(PlainHttp),
        }
    }

    /// The canonical text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.url.as_str()
    }

    /// Whether the scheme is `https`; it is `http` otherwise.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.0.url.scheme() == "https"
    }

    /// The host: a name to resolve, or an address.
    #[must_use]
    pub fn host(&self) -> Host<'_> {
        match self.0.address {
            Some(address) => Host::Address(address),
            None => Host::Name(&self.0.url[Position::BeforeHost..Position::AfterHost]),
        }
    }

    /// The port, or the default one of the scheme.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.0.port
    }

    /// The host and, unless it is the default one, the port: the value of the `Host` header
    /// ([RFC 9110 section 7.2](https://www.rfc-editor.org/rfc/rfc9110#section-7.2)). IPv6
    /// addresses are in brackets.
    #[must_use]
    pub fn authority(&self) -> &str {
        &self.0.url[Position::BeforeHost..Position::AfterPort]
    }

    /// The path, at least `/`, and the query if there is one: the request target in origin form
    /// ([RFC 9112 section 3.2.1](https://www.rfc-editor.org/rfc/rfc9112#section-3.2.1)).
    #[must_use]
    pub fn path_and_query(&self) -> &str {
        &self.0.url[Position::BeforePath..Position::AfterQuery]
    }

    /// The scheme and the authority, such as `https://example.com:8443`: what logs should hold.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.0.url[..Position::AfterPort]
    }
}

fn check_length(text: &str) -> Result<(), InvalidUrl> {
    let bytes = text.len();
    if bytes > EndpointUrl::BYTES_MAX {
        return Err(InvalidUrl::TooLong { bytes });
    }
    Ok(())
}

/// Parsers trim white space at the ends, drop tabs and line ends from anywhere and read a
/// backslash as a slash: `http:\\127.0.0.1`, `http://exam<TAB>ple.com`.
fn check_characters(text: &str) -> Result<(), InvalidUrl> {
    let refused = |c: &char| c.is_whitespace() || c.is_control() || *c == '\\';
    match text.chars().find(refused) {
        Some(character) => Err(InvalidUrl::Character { character }),
        None => Ok(()),
    }
}

/// The authority as it was written. Parsers would also take `http:/host` and `http:///host`.
fn authority_of(text: &str) -> Result<&str, InvalidUrl> {
    let (scheme, rest) = text.split_once("://").ok_or(InvalidUrl::Scheme)?;
    if !["https", "http"]
        .iter()
        .any(|known| scheme.eq_ignore_ascii_case(known))
    {
        return Err(InvalidUrl::Scheme);
    }
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    Ok(&rest[..end])
}

/// Looks at the authority as written, because an empty user name leaves no trace after parsing.
fn check_authority(authority: &str) -> Result<(), InvalidUrl> {
    if authority.contains('@') {
        return Err(InvalidUrl::UserInfo);
    }
    if authority.is_empty() {
        return Err(InvalidUrl::MissingHost);
    }
    Ok(())
}

/// The lengths are those of [RFC 1035 section 2.3.4]. Underscores are not in host names by the
/// book, but in use. A trailing dot is refused because TLS has no way to say it ([RFC 6066 section
/// 3]), and because one host should have one spelling.
///
/// [RFC 1035 section 2.3.4]: https://www.rfc-editor.org/rfc/rfc1035#section-2.3.4
/// [RFC 6066 section 3]: https://www.rfc-editor.org/rfc/rfc6066#section-3
fn check_name(name: &str) -> Result<(), InvalidUrl> {
    const NAME_BYTES_MAX: usize = 253;
    const LABEL_BYTES_MAX: usize = 63;

    let is_label = |label: &str| {
        (1..=LABEL_BYTES_MAX).contains(&label.len())
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    if name.len() > NAME_BYTES_MAX || !name.split('.').all(is_label) {
        return Err(InvalidUrl::Host);
    }
    Ok(())
}

fn check_port(port: u16) -> Result<(), InvalidUrl> {
    if port == 0 {
        return Err(InvalidUrl::Port);
    }
    match ports::refused(port) {
        Some(service) => Err(InvalidUrl::PortOfService { port, service }),
        None => Ok(()),
    }
}

impl FromStr for EndpointUrl {
    type Err = InvalidUrl;

    fn from_str(text: &str) -> Result<Self, InvalidUrl> {
        Self::parse(text)
    }
}

impl fmt::Display for EndpointUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for EndpointUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EndpointUrl({}/…)", self.origin())
    }
}

impl fmt::Display for Host<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Address(address) => address.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> EndpointUrl {
        EndpointUrl::parse(text).unwrap()
    }

    #[test]
    fn the_parts_of_a_url_are_those_a_request_is_made_of() {
        let url = url("https://Example.com:8443/hooks/1?key=a%20b&x");
        assert_eq!(url.as_str(), "https://example.com:8443/hooks/1?key=a%20b&x");
        assert!(url.is_https());
        assert_eq!(url.host(), Host::Name("example.com"));
        assert_eq!(url.port(), 8443);
        assert_eq!(url.authority(), "example.com:8443");
        assert_eq!(url.path_and_query(), "/hooks/1?key=a%20b&x");
        assert_eq!(url.origin(), "https://example.com:8443");
    }

    #[test]
    fn a_default_port_is_known_but_not_written() {
        for (text, port, authority) in [
            ("http://example.com", 80, "example.com"),
            ("http://example.com:80/", 80, "example.com"),
            ("https://example.com", 443, "example.com"),
            ("https://example.com:443/", 443, "example.com"),
            ("https://example.com:80/", 80, "example.com:80"),
            ("https://example.com:00443/", 443, "example.com"),
        ] {
            let url = url(text);
            assert_eq!((url.port(), url.authority()), (port, authority), "{text}");
            assert_eq!(url.path_and_query(), "/", "{text}");
        }
    }

    #[test]
    fn a_user_in_a_url_is_refused_and_told_of_the_header_that_takes_it() {
        for text in [
            "https://user:hunter2@example.com/",
            "https://user@example.com/",
            "https://@example.com/",
        ] {
            let refused = EndpointUrl::parse(text).unwrap_err();
            assert_eq!(refused, InvalidUrl::UserInfo, "{text}");
            let told = refused.to_string();
            assert!(told.contains("Authorization"), "{told}");
            assert!(!told.contains("hunter2"), "{told}");
        }
    }

    #[test]
    fn an_address_is_told_from_a_name_however_it_is_spelled() {
        let localhost = Host::Address(IpAddr::from([127, 0, 0, 1]));
        for text in ["http://127.0.0.1/", "http://0x7f.1/", "http://１２７。1/"] {
            assert_eq!(url(text).host(), localhost, "{text}");
            assert_eq!(url(text).authority(), "127.0.0.1", "{text}");
        }
        let ipv6 = url("http://[2606:4700:4700:0::1111]:8080/");
        assert_eq!(ipv6.host().to_string(), "2606:4700:4700::1111");
        assert_eq!(ipv6.authority(), "[2606:4700:4700::1111]:8080");
        assert_eq!(
            url("http://127.0.0.1.nip.io/").host(),
            Host::Name("127.0.0.1.nip.io")
        );
    }

    #[test]
    fn the_guard_judges_literals_and_leaves_names_for_later() {
        let public_only = EgressGuard::public_only();
        let local: EgressGuard = "127.0.0.0/8".parse().unwrap();
        let literal = url("http://127.1:8080/");
        assert!(literal.check_literal(&public_only).is_err());
        assert_eq!(literal.check_literal(&local), Ok(()));
        assert_eq!(url("http://localhost/").check_literal(&public_only), Ok(()));
    }

    #[test]
    fn a_receiver_that_is_let_through_is_reached_in_the_clear_and_nothing_beside_it() {
        let guard = EgressGuard::public_only().https_only();
        let guard = guard.letting_through("127.0.0.1:4000".parse().unwrap());
        let own = url("http://127.0.0.1:4000/ok");
        assert_eq!(own.check_literal(&guard), Ok(()));
        assert_eq!(own.check_scheme(&guard), Ok(()));
        for text in [
            "http://127.0.0.1:4001/ok",
            "http://127.0.0.2:4000/ok",
            "http://[::ffff:127.0.0.1]:4000/ok",
            "http://127.0.0.1/ok",
        ] {
            assert!(url(text).check_literal(&guard).is_err(), "{text}");
            assert!(url(text).check_scheme(&guard).is_err(), "{text}");
        }
        let clear = url("http://example.com:4000/").check_scheme(&guard);
        assert_eq!(clear, Err(PlainHttp));
    }

    #[test]
    fn parsing_the_canonical_text_again_changes_nothing() {
        for text in [
            "https://BÜCHER.example/straße?q=ü",
            "http://0x7f.1:8080/a/../b",
            "https://example.com?a='b'&c=\"d\"",
            "https://example.com/%7Euser/%2e%2E/x",
        ] {
            let once = url(text);
            assert_eq!(url(once.as_str()), once);
            assert!(once.as_str().is_ascii());
        }
    }

    #[test]
    fn every_url_that_parses_is_a_uri_of_the_http_crate() {
        let printable = (' '..='~').chain(['ü', '😀', '\u{200b}', '\u{ad}', '\u{10ffff}']);
        for character in printable {
            for text in [
                format!("https://exam{character}ple.com/"),
                format!("https://example.com/a{character}b"),
                format!("https://example.com/?a{character}b"),
            ] {
                let Ok(url) = EndpointUrl::parse(&text) else {
                    continue;
                };
                let uri: http::Uri = url.as_str().parse().unwrap();
                assert_eq!(uri.authority().unwrap(), url.authority());
                assert_eq!(uri.path_and_query().unwrap(), url.path_and_query());
            }
        }
    }

    #[test]
    fn a_url_too_long_as_given_or_as_kept_is_refused() {
        let of_length = |bytes: usize| format!("https://example.com/{}", "a".repeat(bytes - 20));
        assert!(EndpointUrl::parse(&of_length(EndpointUrl::BYTES_MAX)).is_ok());
        assert_eq!(
            EndpointUrl::parse(&of_length(EndpointUrl::BYTES_MAX + 1)),
            Err(InvalidUrl::TooLong {
                bytes: EndpointUrl::BYTES_MAX + 1
            })
        );
        let shrinks = format!("https://example.com/{}", "a/../".repeat(500));
        assert_eq!(
            EndpointUrl::parse(&shrinks),
            Err(InvalidUrl::TooLong { bytes: 2520 })
        );
        let grows = format!("https://example.com/{}", "ü".repeat(1000));
        assert_eq!(
            EndpointUrl::parse(&grows),
            Err(InvalidUrl::TooLong { bytes: 6020 })
        );
    }

    #[test]
    fn a_name_longer_than_dns_can_hold_is_refused() {
        let label = "a".repeat(63);
        let name = |last: usize| format!("{label}.{label}.{label}.{}", "a".repeat(last));
        assert!(EndpointUrl::parse(&format!("https://{}/", name(61))).is_ok());
        let error = EndpointUrl::parse(&format!("https://{}/", name(62)));
        assert_eq!(error, Err(InvalidUrl::Host));
    }

    #[test]
    fn display_holds_everything_and_debug_no_token() {
        let url = url("https://example.com/services/T0/secret?token=secret");
        assert_eq!(url.to_string(), url.as_str());
        assert_eq!(format!("{url:?}"), "EndpointUrl(https://example.com/…)");
    }

    #[test]
    fn errors_say_what_to_do_and_keep_secrets() {
        for text in [
            "secret",
            "ftp://secret/",
            "https://secret:secret@example.com/secret",
            "https://example.com/secret#secret",
            "https://example.com:6379/secret",
            "https://example.com/secret secret",
            "https://sec..ret/secret",
        ] {
            let message = EndpointUrl::parse(text).unwrap_err().to_string();
            assert!(message.contains(':'), "{message}");
            assert!(!message.contains("secret"), "{message}");
        }
        let error = EndpointUrl::parse("http://example.com:6379/").unwrap_err();
        assert_eq!(
            error.to_string(),
            "port 6379 is that of Redis, which takes no webhooks: use another, best 443"
        );
    }
}
