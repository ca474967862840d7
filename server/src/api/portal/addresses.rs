//! Addresses that an operator names: that of the server as browsers see it, and those of pages that may
//! show the portal in a frame.

use std::str::FromStr;
use std::sync::Arc;
use url::{Host, Url};

/// Why an address was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAddress {
    /// It is no address of a server.
    #[error(
        "{0:?} is no address of a server: write one such as https://hooks.example/postrider, without a query"
    )]
    Url(String),
    /// It is no origin.
    #[error(
        "{0:?} is no origin: write one such as https://shop.example, with a port if it has one, and nothing behind it; http:// only for this machine"
    )]
    Origin(String),
}

/// The address of the server as browsers see it; empty, if that of each request is to be taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PublicUrl(Option<Arc<str>>);

impl PublicUrl {
    /// Without a slash at its end.
    pub(crate) fn get(&self) -> Option<&str> {
        self.0.as_deref()
    }
}

/// Parses an address, as a setting holds it. An empty text is none.
impl FromStr for PublicUrl {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, InvalidAddress> {
        let text = text.trim();
        if text.is_empty() {
            return Ok(Self(None));
        }
        let refused = || InvalidAddress::Url(shown(text));
        let url = plain(text).ok_or_else(refused)?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(refused());
        }
        Ok(Self(Some(url.as_str().trim_end_matches('/').into())))
    }
}

/// Origins (RFC 6454) whose pages may show the portal in a frame; without any, none may.
///
/// ```
/// use postrider_server::FrameOrigins;
///
/// let origins: FrameOrigins = "https://shop.example, https://b.example:8443".parse()?;
/// assert_eq!(origins.frame_ancestors(), "https://shop.example https://b.example:8443");
/// assert_eq!(FrameOrigins::default().frame_ancestors(), "'none'");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FrameOrigins(Arc<[String]>);

impl FrameOrigins {
    /// What `frame-ancestors` of a Content-Security-Policy says (CSP level 3, section 6.4.2).
    #[must_use]
    pub fn frame_ancestors(&self) -> String {
        match self.0.is_empty() {
            true => "'none'".to_owned(),
            false => self.0.join(" "),
        }
    }
}

/// Parses a list with commas between, as a setting holds it. An empty text is none.
impl FromStr for FrameOrigins {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, InvalidAddress> {
        let items = text.split(',').map(str::trim);
        let items = items.filter(|_| !text.trim().is_empty());
        let origin = |text| origin(text).ok_or_else(|| InvalidAddress::Origin(shown(text)));
        items.map(origin).collect::<Result<_, _>>().map(Self)
    }
}

/// A URL that says where something is, and nothing more.
fn plain(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let has_more = url.query().is_some()
        || url.fragment().is_some()
        || !url.username().is_empty()
        || url.password().is_some();
    (url.has_host() && !has_more).then_some(url)
}

fn origin(text: &str) -> Option<String> {
    let url = plain(text)?;
    let is_here = match url.host()? {
        Host::Domain(name) => name == "localhost",
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    };
    // A wildcard would let in whoever gets a name below.
    let is_one = !url.host_str()?.contains('*') && url.path() == "/";
    let is_safe = url.scheme() == "https" || (url.scheme() == "http" && is_here);
    (is_one && is_safe).then(|| url.origin().ascii_serialization())
}

fn shown(text: &str) -> String {
    text.chars().take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_one_server_and_nothing_behind_it() {
        let origins: FrameOrigins = "https://A.example/,http://localhost:3000".parse().unwrap();
        let expected = "https://a.example http://localhost:3000";
        assert_eq!(origins.frame_ancestors(), expected);
        assert_eq!("".parse(), Ok(FrameOrigins::default()));
        for refused in [
            "*",
            "https://*.example",
            "http://shop.example",
            "https://shop.example/page",
            "https://shop.example?x",
            "https://me@shop.example",
            "https://a.example,",
            "shop.example",
            "data:text/html,x",
        ] {
            assert!(refused.parse::<FrameOrigins>().is_err(), "{refused}");
        }
    }

    #[test]
    fn the_address_of_the_server_may_have_a_path_and_no_query() {
        let url: PublicUrl = "https://hooks.example/postrider/".parse().unwrap();
        assert_eq!(url.get(), Some("https://hooks.example/postrider"));
        assert_eq!("".parse::<PublicUrl>().unwrap().get(), None);
        for refused in ["hooks.example", "ftp://a.example", "https://a.example/?b"] {
            assert!(refused.parse::<PublicUrl>().is_err(), "{refused}");
        }
    }
}
