//! Bounds that strangers share: whatever one address takes, half of what the others have left over
//! stays free.

use crate::api::Networks;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

/// The leading bits of an IPv6 address by which its owner is known. A site gets up to a network of 48
/// bits and a home one of 56 (RFC 6177): by longer networks a single subscriber would be many peers,
/// each with a share of its own.
const IPV6_PREFIX_BITS: u32 = 48;

/// Who takes something: an address, or somebody who has no share of his own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Peer(Option<IpAddr>);

impl Peer {
    /// The owner of this address. A trusted proxy stands for many, and has no share.
    pub(crate) fn of(address: IpAddr, trusted_proxies: &Networks) -> Self {
        let address = address.to_canonical();
        if trusted_proxies.contains(address) {
            return Self(None);
        }
        Self(Some(match address {
            IpAddr::V4(_) => address,
            IpAddr::V6(six) => {
                let network = six.to_bits() & (u128::MAX << (128 - IPV6_PREFIX_BITS));
                IpAddr::V6(Ipv6Addr::from_bits(network))
            }
        }))
    }
}

/// Whose bound it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spent {
    /// That of all.
    Total,
    /// That of this peer.
    Share,
}

/// Something of which there is so much.
pub(crate) struct Budget {
    most: u64,
    /// What a peer may have, however little is left over, as long as there is any.
    least: u64,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    total: u64,
    by_peer: BTreeMap<Peer, u64>,
}

/// A part of a budget. It goes back when this is dropped.
pub(crate) struct Held {
    budget: Arc<Budget>,
    peer: Peer,
    amount: u64,
}

impl Budget {
    pub(crate) fn new(most: u64, least: u64) -> Arc<Self> {
        Arc::new(Self {
            most,
            least,
            taken: Mutex::default(),
        })
    }

    /// Takes so much. A peer may have half of what no other has.
    pub(crate) fn take(self: &Arc<Self>, peer: Peer, amount: u64) -> Result<Held, Spent> {
        self.add(peer, amount)?;
        Ok(Held {
            budget: Arc::clone(self),
            peer,
            amount,
        })
    }

    fn add(&self, peer: Peer, amount: u64) -> Result<(), Spent> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let total = taken.total.saturating_add(amount);
        if total > self.most {
            return Err(Spent::Total);
        }
        let own = taken.by_peer.get(&peer).copied().unwrap_or(0);
        let share = (self.most - (taken.total - own)) / 2;
        if peer.0.is_some() && own.saturating_add(amount) > share.max(self.least) {
            return Err(Spent::Share);
        }
        taken.total = total;
        *taken.by_peer.entry(peer).or_default() += amount;
        Ok(())
    }

    fn give_back(&self, peer: Peer, amount: u64) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.total -= amount;
        if let Some(own) = taken.by_peer.get_mut(&peer) {
            *own -= amount;
            if *own == 0 {
                taken.by_peer.remove(&peer);
            }
        }
    }
}

impl Held {
    /// Takes so much more.
    pub(crate) fn grow(&mut self, more: u64) -> Result<(), Spent> {
        self.budget.add(self.peer, more)?;
        self.amount += more;
        Ok(())
    }

    /// As much of another budget, instead of this once that is dropped.
    pub(crate) fn of_other(&self, other: &Arc<Budget>) -> Result<Self, Spent> {
        other.take(self.peer, self.amount)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.budget.give_back(self.peer, self.amount);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(text: &str) -> Peer {
        Peer::of(text.parse().unwrap(), &"10.0.0.0/8".parse().unwrap())
    }

    #[test]
    fn one_address_leaves_half_of_the_places_to_the_others() {
        let places = Budget::new(100, 1);
        let take = |text| places.take(peer(text), 1);
        let mut held: Vec<Held> = (0..50).map(|_| take("192.0.2.1").unwrap()).collect();
        assert_eq!(take("192.0.2.1").err(), Some(Spent::Share));
        for _ in 0..25 {
            held.push(take("192.0.2.2").unwrap());
        }
        assert_eq!(take("192.0.2.2").err(), Some(Spent::Share));
        drop(held);
        assert!(take("192.0.2.1").is_ok(), "what was held came back");
        assert!(places.taken.lock().unwrap().by_peer.is_empty());
    }

    #[test]
    fn as_long_as_there_is_a_place_a_new_address_gets_one() {
        let places = Budget::new(3, 1);
        let _first = places.take(peer("192.0.2.1"), 1).unwrap();
        let _second = places.take(peer("192.0.2.2"), 1).unwrap();
        let _third = places.take(peer("192.0.2.3"), 1).unwrap();
        let refused = places.take(peer("192.0.2.4"), 1).err();
        assert_eq!(refused, Some(Spent::Total));
    }

    #[test]
    fn addresses_of_one_ipv6_site_are_one_peer_and_a_trusted_proxy_is_none() {
        assert_eq!(peer("2001:db8:1:2::1"), peer("2001:db8:1:ffff:ffff::9"));
        assert_ne!(peer("2001:db8:1:2::1"), peer("2001:db8:2:2::1"));
        assert_eq!(peer("::ffff:192.0.2.1"), peer("192.0.2.1"));
        let places = Budget::new(10, 1);
        let held = (0..10).map(|_| places.take(peer("10.1.1.1"), 1));
        assert_eq!(held.collect::<Vec<_>>().iter().flatten().count(), 10);
    }

    #[test]
    fn what_grows_is_bounded_as_what_is_new() {
        let bytes = Budget::new(100, 10);
        let mut held = bytes.take(peer("192.0.2.1"), 30).unwrap();
        assert_eq!(held.grow(30), Err(Spent::Share));
        held.grow(20).unwrap();
        let mut proxy = bytes.take(peer("10.1.1.1"), 50).unwrap();
        assert_eq!(proxy.grow(1), Err(Spent::Total));
    }
}
