//! Where a request comes from, seen through the proxies in front.

use crate::api::networks::Networks;
use axum::extract::ConnectInfo;
use axum::http::{Extensions, HeaderMap};
use std::net::{IpAddr, SocketAddr};

/// What proxies append the address to that they were asked by.
const FORWARDED_FOR: &str = "x-forwarded-for";

/// The address of whoever sent the request. `None` if it is not known: the application that serves
/// the routes does not tell it, or a proxy that is believed has written no address.
pub(crate) fn sender(
    extensions: &Extensions,
    headers: &HeaderMap,
    trusted: &Networks,
) -> Option<IpAddr> {
    let ConnectInfo(peer) = extensions.get::<ConnectInfo<SocketAddr>>()?;
    behind_proxies(peer.ip(), headers, trusted)
}

/// The rightmost address that no trusted proxy has: what stands left of it, its owner may have made
/// up. If all are trusted, the leftmost.
fn behind_proxies(peer: IpAddr, headers: &HeaderMap, trusted: &Networks) -> Option<IpAddr> {
    let mut address = peer.to_canonical();
    if !trusted.contains(address) {
        return Some(address);
    }
    let mut lines = headers.get_all(FORWARDED_FOR).iter().rev();
    let mut entries: Vec<&str> = Vec::new();
    while trusted.contains(address) {
        while entries.is_empty() {
            match lines.next() {
                // As in the header: the last entry is taken first.
                Some(line) => entries = line.to_str().ok()?.split(',').collect(),
                None => return Some(address),
            }
        }
        address = entry(entries.pop()?.trim())?;
    }
    Some(address)
}

/// An address, with or without a port.
fn entry(text: &str) -> Option<IpAddr> {
    let address = text.parse::<IpAddr>();
    let address = address.or_else(|_| text.parse::<SocketAddr>().map(|it| it.ip()));
    let bare = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    address
        .ok()
        .or_else(bare)
        .map(|it: IpAddr| it.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sender_of(peer: &str, lines: &[&str]) -> Option<String> {
        let trusted: Networks = "10.0.0.0/8, 192.168.0.1, fd00::/8".parse().unwrap();
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(FORWARDED_FOR, line.parse().unwrap());
        }
        let sender = behind_proxies(peer.parse().unwrap(), &headers, &trusted);
        sender.map(|it| it.to_string())
    }

    #[test]
    fn a_stranger_is_not_believed() {
        let sender = sender_of("203.0.113.1", &["198.51.100.1"]);
        assert_eq!(sender.as_deref(), Some("203.0.113.1"));
    }

    #[test]
    fn the_rightmost_address_that_is_no_proxy_is_the_sender() {
        for (lines, sender) in [
            (&["198.51.100.1"][..], "198.51.100.1"),
            (&["198.51.100.9, 198.51.100.1"], "198.51.100.1"),
            (&["198.51.100.1, 10.1.1.1 , 192.168.0.1"], "198.51.100.1"),
            (&["198.51.100.9", "198.51.100.1,10.1.1.1"], "198.51.100.1"),
            (&["198.51.100.1:4711"], "198.51.100.1"),
            (&["[2001:db8::1]:4711, [fd00::1]"], "2001:db8::1"),
            (&["10.1.1.1, 192.168.0.1"], "10.1.1.1"),
            (&[], "10.0.0.1"),
        ] {
            let found = sender_of("::ffff:10.0.0.1", lines);
            assert_eq!(found.as_deref(), Some(sender), "{lines:?}");
        }
    }

    #[test]
    fn an_entry_that_is_no_address_makes_the_sender_unknown() {
        for line in ["unknown", "198.51.100.1, _hidden", "198.51.100.1,", ""] {
            assert_eq!(sender_of("10.0.0.1", &[line]), None, "{line}");
        }
    }
}
