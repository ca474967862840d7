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
mod tenants;
#[cfg(test)]
mod tests;

pub use range::Range;

use ipnet::IpNet;
use postrider_engine::TenantId;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;
use tenants::TenantNetworks;

/// Decides whether a request may go to an address. Cheap to clone.
///
/// ```
/// use postrider::egress::EgressGuard;
///
/// let guard = EgressGuard::public_only();
/// assert!(guard.check("8.8.8.8".parse()?).is_ok());
///
/// let blocked = guard.check("169.254.169.254".parse()?).unwrap_err();
/// assert_eq!(blocked.range().unwrap().prefix().to_string(), "169.254.0.0/16");
///
/// let local: EgressGuard = "127.0.0.0/8,::1/128".parse()?;
/// assert!(local.check("127.0.0.1".parse()?).is_ok());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct EgressGuard {
    allowed: Arc<[IpNet]>,
    denied: Arc<[IpNet]>,
    https_only: bool,
    /// One receiver of the program's own.
    receiver: Option<SocketAddr>,
    /// Shared by all clones.
    tenants: TenantNetworks,
}

/// Why no request goes to an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{address} is refused: {by}")]
pub struct Blocked {
    /// The address as it was resolved or written.
    pub address: IpAddr,
    /// What refuses it.
    pub by: BlockedBy,
}

/// What refuses an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BlockedBy {
    /// The narrowest range of the table that holds it.
    #[error("{0}; what opens it is Builder::egress in a program, and allow_networks on a server")]
    Range(&'static Range),
    /// The deny list, which nothing opens.
    #[error("it is on the egress deny list, which nothing opens")]
    DenyList,
}

impl Blocked {
    /// The range of the table that holds the address, if that is why.
    #[must_use]
    pub fn range(&self) -> Option<&'static Range> {
        match self.by {
            BlockedBy::Range(range) => Some(range),
            BlockedBy::DenyList => None,
        }
    }
}

/// The name of an endpoint's host has an address that no request goes to. Which one it is is not
/// said: whoever owns the endpoint is not told what names mean inside this network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the name resolves to an address that no request goes to: `postrider doctor` says which")]
pub(crate) struct BlockedName;

/// Why nothing is sent to an `http://` URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the URL begins with http://, which everybody on the way can read and change: use https://, or \
     have the operator allow it (allow_http)"
)]
pub struct PlainHttp;

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
            ..Self::default()
        }
    }

    /// Lets no request go to these ranges, whatever is allowed, to public ones neither. Mapped
    /// addresses are refused with the IPv4 addresses that they reach.
    #[must_use]
    pub fn denying(mut self, ranges: impl IntoIterator<Item = IpNet>) -> Self {
        self.denied = ranges.into_iter().collect();
        self
    }

    /// Sends nothing to `http://` URLs. Without it both schemes are served.
    #[must_use]
    pub fn https_only(mut self) -> Self {
        self.https_only = true;
        self
    }

    /// Lets requests go to this one receiver of the program's own, also in the clear: to no other port
    /// of its address, and to no other address at its port. What is denied stays denied.
    ///
    /// ```
    /// use postrider::egress::EgressGuard;
    ///
    /// let guard = EgressGuard::public_only().https_only();
    /// let guard = guard.letting_through("127.0.0.1:4000".parse()?);
    /// assert!(guard.check_socket("127.0.0.1:4000".parse()?).is_ok());
    /// assert!(guard.check_socket("127.0.0.1:4001".parse()?).is_err());
    /// assert!(guard.check_socket("127.0.0.2:4000".parse()?).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn letting_through(mut self, receiver: SocketAddr) -> Self {
        self.receiver = Some(receiver);
        self
    }

    /// From now on requests of this tenant may go to these ranges, too, and to no others that were
    /// opened to it before. All clones of this guard follow. What is denied stays denied.
    ///
    /// [`HyperTransport`](crate::transport::HyperTransport) does so; a transport that keeps its own
    /// connections, such as `ReqwestTransport`, knows no tenants and opens none of them.
    pub fn allow_for(&self, tenant: &TenantId, ranges: impl IntoIterator<Item = IpNet>) {
        self.tenants.set(tenant, ranges.into_iter().collect());
    }

    /// The guard for the requests of this tenant.
    #[must_use]
    pub fn of(&self, tenant: &TenantId) -> Self {
        let mut guard = self.clone();
        if let Some((_, own)) = self.tenants.of(tenant) {
            guard.allowed = guard.allowed.iter().chain(own.iter()).copied().collect();
        }
        guard
    }

    /// By which connections are told apart that were made under other rules than those of all.
    pub(crate) fn scope(&self, tenant: &TenantId) -> Option<u64> {
        self.tenants.of(tenant).map(|(generation, _)| generation)
    }

    /// Whether `http://` URLs are refused.
    #[must_use]
    pub fn is_https_only(&self) -> bool {
        self.https_only
    }

    /// Whether a request may go to this address.
    ///
    /// # Errors
    ///
    /// [`Blocked`] if the address is on the deny list, or in a range of [`Range::all`] and in none
    /// of the allow list.
    pub fn check(&self, address: IpAddr) -> Result<(), Blocked> {
        let by = if self.denies(address) {
            BlockedBy::DenyList
        } else {
            match Range::narrowest_holding(address) {
                Some(range) if !self.allows(address) => BlockedBy::Range(range),
                _ => return Ok(()),
            }
        };
        Err(Blocked { address, by })
    }

    /// Whether a request may go to this address at this port: as [`check`](Self::check) says, and to the
    /// receiver of [`letting_through`](Self::letting_through).
    ///
    /// # Errors
    ///
    /// [`Blocked`], as for the address alone.
    pub fn check_socket(&self, address: SocketAddr) -> Result<(), Blocked> {
        match self.is_own_receiver(address) && !self.denies(address.ip()) {
            true => Ok(()),
            false => self.check(address.ip()),
        }
    }

    /// Whether this is the receiver of [`letting_through`](Self::letting_through), letter for letter: its
    /// address in another form is not.
    pub(crate) fn is_own_receiver(&self, address: SocketAddr) -> bool {
        self.receiver == Some(address)
    }

    fn denies(&self, address: IpAddr) -> bool {
        let reached = address.to_canonical();
        self.denied
            .iter()
            .any(|range| range.contains(&reached) || range.contains(&address))
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
        ranges(text).map(Self::allowing)
    }
}

/// Parses ranges with commas between, as an allow list or a deny list holds them. White space
/// around a range is ignored; an empty text has none.
///
/// # Errors
///
/// [`InvalidAllowList`] for what is no range, or opens more than it seems to.
pub fn ranges(text: &str) -> Result<Vec<IpNet>, InvalidAllowList> {
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    text.split(',')
        .map(|item| allowed_range(item.trim()))
        .collect()
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
