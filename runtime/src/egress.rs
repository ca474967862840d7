//! The egress guard: which addresses and ports a request may go to.
//!
//! Whoever registers an endpoint chooses where this process sends requests, from inside the
//! network it runs in. Unguarded, that is server-side request forgery: a loopback admin port, a
//! cloud metadata service, a printer. [`EgressGuard`] lets requests go to public addresses and to
//! nothing else, unless an explicit allow list opens a range.
//!
//! # What is checked
//!
//! The address, not the name: the one a connection is about to be made to, after the name was
//! resolved, and that very address is then dialled. A metadata host name, a name that resolves to
//! something else the second time (DNS rebinding) and a redirect are all caught by that one check.
//! An address literal in a URL takes the same way as a name that resolved to it;
//! [`EndpointUrl::check_literal`](crate::EndpointUrl::check_literal) only says so earlier, when
//! the endpoint is registered.
//!
//! # Embedded IPv4
//!
//! IPv6 addresses that carry an IPv4 address (mapped, compatible, translated, NAT64, 6to4, Teredo)
//! are refused whatever they carry. No receiver needs them, and taking the inner address out to
//! judge it is a step that can only go wrong.
//!
//! # What an address does not say
//!
//! A network that translates a prefix of its own to IPv4 ([RFC 6052] section 2.2), tunnels by
//! ISATAP ([RFC 5214]) or uses public space internally reaches private hosts through addresses
//! that look public. Such a network needs a firewall rule next to this guard.
//!
//! [RFC 5214]: https://www.rfc-editor.org/rfc/rfc5214
//! [RFC 6052]: https://www.rfc-editor.org/rfc/rfc6052#section-2.2

pub(crate) mod ports;
mod range;
#[cfg(test)]
mod tests;

pub use range::Range;

use ipnet::IpNet;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;

/// Decides whether a request may go to an address. Cheap to clone.
///
/// ```
/// use postrider::egress::EgressGuard;
///
/// let guard = EgressGuard::public_only();
/// assert!(guard.check("8.8.8.8".parse()?).is_ok());
///
/// let blocked = guard.check("169.254.169.254".parse()?).unwrap_err();
/// assert_eq!(blocked.range.prefix().to_string(), "169.254.0.0/16");
///
/// let local: EgressGuard = "127.0.0.0/8,::1/128".parse()?;
/// assert!(local.check("127.0.0.1".parse()?).is_ok());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct EgressGuard {
    allowed: Arc<[IpNet]>,
}

/// Why no request goes to an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{address} is refused: {range}; what opens it is Builder::egress in a program, and allow_networks on a server"
)]
pub struct Blocked {
    /// The address as it was resolved or written.
    pub address: IpAddr,
    /// The narrowest range of the table that holds it.
    pub range: &'static Range,
}

/// Why a text is not an egress allow list.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAllowList {
    /// An item is not an address and a prefix length.
    #[error(
        "{item:?} is not a range: write an address and a prefix length, \
         such as 10.0.0.0/8 or ::1/128, with commas between ranges"
    )]
    NotARange {
        /// The item, without the white space around it.
        item: String,
    },
    /// An item has bits set after its prefix: it opens more than it seems to.
    #[error(
        "{item} names one address but opens all of {range}: write {range} for the range, \
         or {address} for the address"
    )]
    BitsAfterPrefix {
        /// The item, without the white space around it.
        item: String,
        /// The whole range.
        range: IpNet,
        /// The one address, as a range.
        address: IpNet,
    },
    /// An item is a range of IPv4-mapped addresses, which IPv4 ranges alone open.
    #[error("{item} is a range of IPv4-mapped addresses: write the IPv4 range, which opens both")]
    Mapped {
        /// The item, without the white space around it.
        item: String,
    },
}

impl EgressGuard {
    /// Lets requests go to public addresses only. The default.
    #[must_use]
    pub fn public_only() -> Self {
        Self::default()
    }

    /// Lets requests go to public addresses and to these ranges: for tests, and for receivers in
    /// a network of one's own.
    ///
    /// An IPv4 range opens its addresses and their IPv4-mapped form (`::ffff:a.b.c.d`), which
    /// reach the same hosts, and no other embedded form. An IPv6 range opens no mapped address,
    /// so that `::/0` does not open IPv4.
    #[must_use]
    pub fn allowing(ranges: impl IntoIterator<Item = IpNet>) -> Self {
        Self {
            allowed: ranges.into_iter().collect(),
        }
    }

    /// Whether a request may go to this address.
    ///
    /// # Errors
    ///
    /// [`Blocked`] if the address is in a range of [`Range::all`] and in none of the allow list.
    pub fn check(&self, address: IpAddr) -> Result<(), Blocked> {
        match Range::narrowest_holding(address) {
            Some(range) if !self.allows(address) => Err(Blocked { address, range }),
            _ => Ok(()),
        }
    }

    /// Whether the allow list holds the address, a mapped one as the IPv4 address it reaches.
    fn allows(&self, address: IpAddr) -> bool {
        let reached = address.to_canonical();
        self.allowed.iter().any(|range| range.contains(&reached))
    }
}

/// Parses a comma-separated allow list, as a setting holds it: `127.0.0.0/8,::1/128`. White space
/// around a range is ignored; an empty text allows nothing beyond public addresses.
impl FromStr for EgressGuard {
    type Err = InvalidAllowList;

    fn from_str(text: &str) -> Result<Self, InvalidAllowList> {
        if text.trim().is_empty() {
            return Ok(Self::public_only());
        }
        let ranges: Result<Vec<IpNet>, InvalidAllowList> = text
            .split(',')
            .map(|item| allowed_range(item.trim()))
            .collect();
        ranges.map(Self::allowing)
    }
}

fn allowed_range(item: &str) -> Result<IpNet, InvalidAllowList> {
    let Ok(range) = item.parse::<IpNet>() else {
        return Err(InvalidAllowList::NotARange {
            item: item.to_owned(),
        });
    };
    if range.trunc() != range {
        return Err(InvalidAllowList::BitsAfterPrefix {
            item: item.to_owned(),
            range: range.trunc(),
            address: range.addr().into(),
        });
    }
    if is_mapped(range) {
        return Err(InvalidAllowList::Mapped {
            item: item.to_owned(),
        });
    }
    Ok(range)
}

/// Whether the range lies in `::ffff:0:0/96`. Its first address tells: a wider range does not
/// begin there.
fn is_mapped(range: IpNet) -> bool {
    match range {
        IpNet::V4(_) => false,
        IpNet::V6(range) => range.network().to_ipv4_mapped().is_some(),
    }
}
