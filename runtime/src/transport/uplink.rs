//! How requests leave this machine: from which address, to which family of addresses, through which
//! proxy.

use super::proxy::Proxy;
use crate::egress::EgressGuard;
use std::net::{IpAddr, SocketAddr};

/// How requests leave this machine. The default: directly, from whatever address the system chooses, to
/// addresses of both families.
#[derive(Clone, Debug, Default)]
pub struct Uplink {
    /// The addresses that requests go to.
    pub family: AddressFamily,
    /// The addresses that requests come from, one of each family at most. Where there is one, nothing
    /// goes to addresses of a family without one.
    pub sources: Vec<IpAddr>,
    /// What connections are made through. The receiver of
    /// [`EgressGuard::letting_through`] is always reached directly.
    pub proxy: Option<Proxy>,
}

/// Which addresses requests go to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AddressFamily {
    /// All of them, in the order in which the resolver names them.
    #[default]
    Any,
    /// Those of IPv4.
    Ipv4,
    /// Those of IPv6.
    Ipv6,
}

impl Uplink {
    /// Whether anything goes to this address.
    pub(crate) fn takes(&self, address: IpAddr) -> bool {
        let is_of_family = match self.family {
            AddressFamily::Any => true,
            AddressFamily::Ipv4 => address.is_ipv4(),
            AddressFamily::Ipv6 => address.is_ipv6(),
        };
        is_of_family && (self.sources.is_empty() || self.source_for(address).is_some())
    }

    /// The address from which this one is reached, if one is chosen.
    pub(crate) fn source_for(&self, address: IpAddr) -> Option<IpAddr> {
        let mut sources = self.sources.iter();
        let same_family = |it: &&IpAddr| it.is_ipv4() == address.is_ipv4();
        sources.find(same_family).copied()
    }

    /// Whether names of receivers are left to the proxy.
    pub(crate) fn leaves_names_to_proxy(&self) -> bool {
        self.proxy.as_ref().is_some_and(Proxy::is_resolving)
    }

    /// The proxy through which a receiver with these addresses is reached, if it is not reached directly.
    pub(crate) fn proxy_to(&self, addresses: &[SocketAddr], guard: &EgressGuard) -> Option<&Proxy> {
        let proxy = self.proxy.as_ref()?;
        let is_direct = |it: &SocketAddr| guard.is_own_receiver(*it) || proxy.is_passed_by(it.ip());
        let all_direct = !addresses.is_empty() && addresses.iter().all(is_direct);
        (!all_direct).then_some(proxy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn addresses_of_another_family_are_not_taken() {
        let (four, six) = (address("192.0.2.1"), address("2001:db8::1"));
        let of = |family| Uplink {
            family,
            ..Uplink::default()
        };
        let taken = |uplink: &Uplink| (uplink.takes(four), uplink.takes(six));
        assert_eq!(taken(&of(AddressFamily::Any)), (true, true));
        assert_eq!(taken(&of(AddressFamily::Ipv4)), (true, false));
        assert_eq!(taken(&of(AddressFamily::Ipv6)), (false, true));
        let from = Uplink {
            sources: vec![address("192.0.2.9")],
            ..Uplink::default()
        };
        assert_eq!(taken(&from), (true, false));
        assert_eq!(from.source_for(four), Some(address("192.0.2.9")));
        assert_eq!(from.source_for(six), None);
    }

    #[test]
    fn the_proxy_is_passed_by_only_if_every_address_may_be_reached_directly() {
        let proxy: Proxy = "http://proxy.internal:3128".parse().unwrap();
        let uplink = Uplink {
            proxy: Some(proxy.passed_by(["10.0.0.0/8".parse().unwrap()])),
            ..Uplink::default()
        };
        let own: SocketAddr = "127.0.0.1:4000".parse().unwrap();
        let guard = EgressGuard::public_only().letting_through(own);
        let proxied = |texts: &[&str]| {
            let addresses: Vec<SocketAddr> = texts.iter().map(|it| it.parse().unwrap()).collect();
            uplink.proxy_to(&addresses, &guard).is_some()
        };
        assert!(!proxied(&["10.1.2.3:443"]));
        assert!(!proxied(&["[::ffff:10.1.2.3]:443"]));
        assert!(!proxied(&["127.0.0.1:4000"]));
        assert!(proxied(&["10.1.2.3:443", "192.0.2.1:443"]));
        assert!(proxied(&["127.0.0.1:4001"]));
        assert!(proxied(&[]), "the proxy looks the name up");
    }
}
