//! The table of refused ranges.
//!
//! Mostly the two IANA special-purpose registries ([IPv4], [IPv6]) and the multicast blocks they
//! leave out, plus what lies outside the IPv6 space given out so far. A new range is one row; the
//! tests then ask for its edges in `tests/it/addresses`.
//!
//! [IPv4]: https://www.iana.org/assignments/iana-ipv4-special-registry
//! [IPv6]: https://www.iana.org/assignments/iana-ipv6-special-registry

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A range of addresses that no request goes to: one row of the table.
#[derive(Debug, PartialEq, Eq)]
pub struct Range {
    prefix: IpNet,
    name: &'static str,
    source: &'static str,
}

/// The order of the rows is for readers only: the narrowest range that holds an address is the
/// one reported.
#[rustfmt::skip]
static REFUSED: &[Range] = &[
    v4([0, 0, 0, 0],         8, "this network",                    "RFC 1122 section 3.2.1.3"),
    v4([10, 0, 0, 0],        8, "private use",                     "RFC 1918"),
    v4([100, 64, 0, 0],     10, "carrier-grade NAT",               "RFC 6598"),
    v4([127, 0, 0, 0],       8, "loopback",                        "RFC 1122 section 3.2.1.3"),
    // Public, but inside Azure it is the host: DNS, health probes, the settings of the machine.
    // https://learn.microsoft.com/azure/virtual-network/what-is-ip-address-168-63-129-16
    v4([168, 63, 129, 16],  32, "Azure platform service",          "Azure documentation"),
    v4([169, 254, 0, 0],    16, "link-local and cloud metadata",   "RFC 3927"),
    v4([172, 16, 0, 0],     12, "private use",                     "RFC 1918"),
    v4([192, 0, 0, 0],      24, "IETF protocol assignments",       "RFC 6890"),
    v4([192, 0, 2, 0],      24, "documentation",                   "RFC 5737"),
    v4([192, 88, 99, 0],    24, "6to4 relay anycast",              "RFC 7526"),
    v4([192, 168, 0, 0],    16, "private use",                     "RFC 1918"),
    v4([198, 18, 0, 0],     15, "benchmarking",                    "RFC 2544"),
    v4([198, 51, 100, 0],   24, "documentation",                   "RFC 5737"),
    v4([203, 0, 113, 0],    24, "documentation",                   "RFC 5737"),
    v4([224, 0, 0, 0],       4, "multicast",                       "RFC 5771"),
    v4([240, 0, 0, 0],       4, "reserved",                        "RFC 1112 section 4"),
    v4([255; 4],            32, "limited broadcast",               "RFC 919 section 7"),

    v6([0; 8],                              128, "unspecified",               "RFC 4291 section 2.5.2"),
    v6([0, 0, 0, 0, 0, 0, 0, 1],            128, "loopback",                  "RFC 4291 section 2.5.3"),
    v6([0; 8],                               96, "IPv4-compatible",           "RFC 4291 section 2.5.5.1"),
    v6([0, 0, 0, 0, 0, 0xffff, 0, 0],        96, "IPv4-mapped",               "RFC 4291 section 2.5.5.2"),
    v6([0, 0, 0, 0, 0xffff, 0, 0, 0],        96, "IPv4-translated",           "RFC 2765 section 2.1"),
    v6([0x64, 0xff9b, 0, 0, 0, 0, 0, 0],     96, "NAT64",                     "RFC 6052"),
    v6([0x64, 0xff9b, 1, 0, 0, 0, 0, 0],     48, "NAT64, local use",          "RFC 8215"),
    v6([0x100, 0, 0, 0, 0, 0, 0, 0],         64, "discard",                   "RFC 6666"),
    v6([0x100, 0, 0, 1, 0, 0, 0, 0],         64, "dummy prefix",              "RFC 9780"),
    v6([0x2001, 0, 0, 0, 0, 0, 0, 0],        23, "IETF protocol assignments", "RFC 2928"),
    v6([0x2001, 0, 0, 0, 0, 0, 0, 0],        32, "Teredo",                    "RFC 4380"),
    v6([0x2001, 2, 0, 0, 0, 0, 0, 0],        48, "benchmarking",              "RFC 5180"),
    v6([0x2001, 0x10, 0, 0, 0, 0, 0, 0],     28, "ORCHID",                    "RFC 4843"),
    v6([0x2001, 0x20, 0, 0, 0, 0, 0, 0],     28, "ORCHIDv2",                  "RFC 7343"),
    v6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0],    32, "documentation",             "RFC 3849"),
    v6([0x2002, 0, 0, 0, 0, 0, 0, 0],        16, "6to4",                      "RFC 3056"),
    v6([0x3fff, 0, 0, 0, 0, 0, 0, 0],        20, "documentation",             "RFC 9637"),
    v6([0x5f00, 0, 0, 0, 0, 0, 0, 0],        16, "SRv6 segment identifiers",  "RFC 9602"),
    v6([0xfc00, 0, 0, 0, 0, 0, 0, 0],         7, "unique local",              "RFC 4193"),
    v6([0xfe80, 0, 0, 0, 0, 0, 0, 0],        10, "link-local",                "RFC 4291 section 2.5.6"),
    v6([0xfec0, 0, 0, 0, 0, 0, 0, 0],        10, "site-local",                "RFC 3879"),
    v6([0xff00, 0, 0, 0, 0, 0, 0, 0],         8, "multicast",                 "RFC 4291 section 2.7"),
    // All that is not global unicast, 2000::/3.
    v6([0; 8],                                3, "outside global unicast",    "RFC 4291 section 2.4"),
    v6([0x4000, 0, 0, 0, 0, 0, 0, 0],         2, "outside global unicast",    "RFC 4291 section 2.4"),
    v6([0x8000, 0, 0, 0, 0, 0, 0, 0],         1, "outside global unicast",    "RFC 4291 section 2.4"),
];

impl Range {
    /// Every refused range.
    #[must_use]
    pub fn all() -> &'static [Self] {
        REFUSED
    }

    /// The addresses of the range.
    #[must_use]
    pub fn prefix(&self) -> IpNet {
        self.prefix
    }

    /// What the range is for, in a few words.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The document that sets the range aside.
    #[must_use]
    pub fn source(&self) -> &'static str {
        self.source
    }

    /// The narrowest refused range that holds the address; `None` if the address is public.
    pub(super) fn narrowest_holding(address: IpAddr) -> Option<&'static Self> {
        REFUSED
            .iter()
            .filter(|range| range.prefix.contains(&address))
            .max_by_key(|range| range.prefix.prefix_len())
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            prefix,
            name,
            source,
        } = self;
        write!(f, "{name}, {prefix} ({source})")
    }
}

/// A row for IPv4. A prefix with bits set after its length does not compile.
const fn v4(octets: [u8; 4], length: u8, name: &'static str, source: &'static str) -> Range {
    let address = Ipv4Addr::from_octets(octets);
    assert!(address.to_bits().trailing_zeros() + length as u32 >= Ipv4Addr::BITS);
    Range {
        prefix: IpNet::V4(Ipv4Net::new_assert(address, length)),
        name,
        source,
    }
}

/// A row for IPv6. A prefix with bits set after its length does not compile.
const fn v6(segments: [u16; 8], length: u8, name: &'static str, source: &'static str) -> Range {
    let address = Ipv6Addr::from_segments(segments);
    assert!(address.to_bits().trailing_zeros() + length as u32 >= Ipv6Addr::BITS);
    Range {
        prefix: IpNet::V6(Ipv6Net::new_assert(address, length)),
        name,
        source,
    }
}
