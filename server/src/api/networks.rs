//! Networks that something is asked of: where a request may come from, whose word is believed.

use ipnet::IpNet;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;

/// Networks, or none. Cheap to clone.
///
/// ```
/// use postrider_server::Networks;
///
/// let proxies: Networks = "10.0.0.0/8, ::1".parse()?;
/// assert!(proxies.contains("10.2.3.4".parse()?));
/// assert!(!proxies.contains("11.2.3.4".parse()?));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks(Arc<[IpNet]>);

/// Why a text does not name a network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidNetwork {
    /// It is neither an address nor a range.
    #[error("{0:?} is not a network: write an address, or a range such as 192.0.2.0/24")]
    NotANetwork(String),
    /// It has bits set after its prefix: it holds more than it seems to.
    #[error("{text} names one address but holds all of {range}: write one or the other")]
    BitsAfterPrefix {
        /// The text.
        text: String,
        /// The whole range.
        range: IpNet,
    },
    /// It is a range of IPv4-mapped addresses, which are taken for the IPv4 addresses they are.
    #[error("{0} is a range of IPv4-mapped addresses: write the IPv4 range")]
    Mapped(String),
}

impl Networks {
    /// One network for each text: an address, or a range.
    ///
    /// # Errors
    ///
    /// The place of the first text that is none, from 0, and what is wrong with it.
    pub fn of<'a>(
        texts: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, (usize, InvalidNetwork)> {
        let networks = texts.into_iter().enumerate();
        let networks = networks.map(|(place, text)| network(text).map_err(|error| (place, error)));
        networks.collect::<Result<_, _>>().map(Self)
    }

    /// Whether one of them holds this address. An IPv4-mapped one is taken for the IPv4 address
    /// that it is.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each as text.
    pub(crate) fn texts(&self) -> Vec<String> {
        self.0.iter().map(ToString::to_string).collect()
    }
}

fn network(text: &str) -> Result<IpNet, InvalidNetwork> {
    let address = text.parse::<IpAddr>().map(IpNet::from);
    let range = address.or_else(|_| text.parse::<IpNet>());
    let range = range.map_err(|_| InvalidNetwork::NotANetwork(text.chars().take(64).collect()))?;
    if range.trunc() != range {
        return Err(InvalidNetwork::BitsAfterPrefix {
            text: text.to_owned(),
            range: range.trunc(),
        });
    }
    match range {
        IpNet::V6(range) if range.network().to_ipv4_mapped().is_some() => {
            Err(InvalidNetwork::Mapped(text.to_owned()))
        }
        range => Ok(range),
    }
}

/// Parses a list with commas between, as a setting holds it. An empty text is none.
impl FromStr for Networks {
    type Err = InvalidNetwork;

    fn from_str(text: &str) -> Result<Self, InvalidNetwork> {
        let items = text.split(',').map(str::trim);
        let items = items.filter(|_| !text.trim().is_empty());
        Self::of(items).map_err(|(_, error)| error)
    }
}

/// With commas between.
impl fmt::Display for Networks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.texts().join(","))
    }
}

impl Serialize for Networks {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.texts().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Networks {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let texts = Vec::<String>::deserialize(deserializer)?;
        let networks = Self::of(texts.iter().map(String::as_str));
        networks.map_err(|(_, error)| de::Error::custom(error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_an_address_or_a_range() {
        let networks: Networks = "192.0.2.7, 10.0.0.0/8,2001:db8::/32".parse().unwrap();
        for (address, holds) in [
            ("192.0.2.7", true),
            ("192.0.2.8", false),
            ("::ffff:10.1.2.3", true),
            ("2001:db8::1", true),
            ("2001:db9::1", false),
        ] {
            assert_eq!(
                networks.contains(address.parse().unwrap()),
                holds,
                "{address}"
            );
        }
        assert!("".parse::<Networks>().unwrap().is_empty());
    }

    #[test]
    fn what_holds_more_than_it_seems_to_is_refused() {
        for text in [
            "10.0.0.1/8",
            "::ffff:10.0.0.0/104",
            "example.com",
            "10.0.0.0/33",
            ",",
        ] {
            assert!(text.parse::<Networks>().is_err(), "{text}");
        }
    }
}
