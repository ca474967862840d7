use super::{BlockedBy, EgressGuard, InvalidAllowList, Range, ports};
use crate::{EndpointUrl, InvalidUrl};
use ipnet::IpNet;
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const REFUSED: &str = include_str!("../../../tests/it/addresses/refused.txt");
const ALLOWED: &str = include_str!("../../../tests/it/addresses/allowed.txt");

/// The lines of a table: the section that each stands in, and its address or URL.
fn lines(table: &str) -> Vec<(String, String)> {
    let mut section = String::new();
    let mut lines = Vec::new();
    for line in table.lines() {
        let line = match line.split_once(" #") {
            Some((line, _comment)) => line.trim_end_matches(' '),
            None => line,
        };
        let header = line
            .strip_prefix('[')
            .and_then(|line| line.strip_suffix(']'));
        if let Some(header) = header {
            header.clone_into(&mut section);
        } else if !line.is_empty() && !line.starts_with('#') {
            lines.push((section.clone(), unescaped(line)));
        }
    }
    lines
}

/// The line with the character in the place of each `<U+0009>`.
fn unescaped(line: &str) -> String {
    let mut parts = line.split("<U+");
    let mut text = parts.next().unwrap().to_owned();
    for part in parts {
        let (code, rest) = part.split_once('>').unwrap();
        text.extend(char::from_u32(u32::from_str_radix(code, 16).unwrap()));
        text.push_str(rest);
    }
    text
}

/// What refuses the line, as the sections are named: a prefix or an `InvalidUrl`.
fn refusal(line: &str) -> Option<String> {
    let guard = EgressGuard::public_only();
    let checked = match line.parse::<IpAddr>() {
        Ok(address) => guard.check(address),
        Err(_) => match EndpointUrl::parse(line) {
            Ok(url) => url.check_literal(&guard),
            Err(error) => return Some(variant(error)),
        },
    };
    checked
        .err()
        .map(|blocked| blocked.range().unwrap().prefix().to_string())
}

fn variant(error: InvalidUrl) -> String {
    let debug = format!("{error:?}");
    debug.split(' ').next().unwrap().to_owned()
}

fn addresses(table: &str) -> impl Iterator<Item = IpAddr> {
    lines(table)
        .into_iter()
        .filter_map(|(_, line)| line.parse().ok())
}

fn blocked_prefix(guard: &EgressGuard, address: &str) -> Option<String> {
    let checked = guard.check(address.parse().unwrap());
    checked
        .err()
        .map(|blocked| blocked.range().unwrap().prefix().to_string())
}

fn guard(allow_list: &str) -> EgressGuard {
    allow_list.parse().unwrap()
}

#[test]
fn every_line_of_the_refused_table_is_refused_by_what_its_section_names() {
    let wrong: Vec<_> = lines(REFUSED)
        .into_iter()
        .map(|(section, line)| (refusal(&line), section, line))
        .filter(|(refusal, section, _)| refusal.as_ref() != Some(section))
        .map(|(refusal, section, line)| format!("{line:?}: {refusal:?}, not {section}"))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_line_of_the_allowed_table_is_allowed() {
    let wrong: Vec<_> = lines(ALLOWED)
        .into_iter()
        .filter_map(|(_, line)| refusal(&line).map(|refusal| format!("{line:?}: {refusal}")))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_tables_are_long_and_repeat_no_line() {
    for (table, lines_min) in [(REFUSED, 300), (ALLOWED, 40)] {
        let lines = lines(table);
        let distinct: BTreeSet<_> = lines.iter().map(|(_, line)| line).collect();
        assert_eq!(distinct.len(), lines.len());
        assert!(distinct.len() >= lines_min);
    }
}

#[test]
fn every_range_has_a_section_and_its_edges_are_in_the_tables() {
    let sections: BTreeSet<_> = lines(REFUSED)
        .into_iter()
        .map(|(section, _)| section)
        .collect();
    let refused: BTreeSet<_> = addresses(REFUSED).collect();
    let either: BTreeSet<_> = addresses(ALLOWED).chain(refused.iter().copied()).collect();
    let mut missing = Vec::new();
    for range in Range::all() {
        if !sections.contains(&range.prefix().to_string()) {
            missing.push(format!("section {range}"));
        }
        let (first, last) = (range.prefix().network(), range.prefix().broadcast());
        let inside = [first, last]
            .into_iter()
            .filter(|edge| !refused.contains(edge));
        let outside = [before(first), after(last)].into_iter().flatten();
        let outside = outside.filter(|edge| !either.contains(edge));
        missing.extend(
            inside
                .chain(outside)
                .map(|edge| format!("{edge}, an edge of {range}")),
        );
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

fn before(address: IpAddr) -> Option<IpAddr> {
    match address {
        IpAddr::V4(v4) => v4
            .to_bits()
            .checked_sub(1)
            .map(|bits| Ipv4Addr::from_bits(bits).into()),
        IpAddr::V6(v6) => v6
            .to_bits()
            .checked_sub(1)
            .map(|bits| Ipv6Addr::from_bits(bits).into()),
    }
}

fn after(address: IpAddr) -> Option<IpAddr> {
    match address {
        IpAddr::V4(v4) => v4
            .to_bits()
            .checked_add(1)
            .map(|bits| Ipv4Addr::from_bits(bits).into()),
        IpAddr::V6(v6) => v6
            .to_bits()
            .checked_add(1)
            .map(|bits| Ipv6Addr::from_bits(bits).into()),
    }
}

#[test]
fn no_ipv6_address_outside_global_unicast_is_public() {
    let guard = EgressGuard::public_only();
    for head in (0..=u16::MAX).filter(|head| head >> 13 != 0b001) {
        let address = Ipv6Addr::new(head, 0x1234, 0, 0, 0, 0, 0, 1);
        assert!(guard.check(address.into()).is_err(), "{address}");
    }
}

#[test]
fn every_ipv4_address_that_the_standard_library_calls_special_is_refused() {
    let guard = EgressGuard::public_only();
    // The third octets are those of the documentation ranges, and others.
    let thirds = [0, 2, 100, 113, 255];
    let networks = (0..=u16::MAX).flat_map(|high| thirds.map(|third| (high.to_be_bytes(), third)));
    for ([first, second], third) in networks {
        let address = Ipv4Addr::new(first, second, third, 1);
        let special = address.is_private()
            || address.is_loopback()
            || address.is_link_local()
            || address.is_multicast()
            || address.is_documentation();
        assert!(
            !special || guard.check(address.into()).is_err(),
            "{address}"
        );
    }
}

#[test]
fn an_allowed_ipv4_range_opens_itself_and_its_mapped_form_and_no_other() {
    let guard = guard("127.0.0.0/8");
    for open in [
        "127.0.0.1",
        "127.255.255.255",
        "::ffff:127.0.0.1",
        "::ffff:127.255.255.255",
    ] {
        assert_eq!(blocked_prefix(&guard, open), None, "{open}");
    }
    for (closed, prefix) in [
        ("126.255.255.255", None),
        ("::ffff:126.255.255.255", Some("::ffff:0.0.0.0/96")),
        ("::127.0.0.1", Some("::/96")),
        ("::ffff:0:127.0.0.1", Some("::ffff:0:0:0/96")),
        ("64:ff9b::127.0.0.1", Some("64:ff9b::/96")),
        ("2002:7f00:1::", Some("2002::/16")),
        ("::1", Some("::1/128")),
        ("10.0.0.1", Some("10.0.0.0/8")),
    ] {
        assert_eq!(
            blocked_prefix(&guard, closed).as_deref(),
            prefix,
            "{closed}"
        );
    }
}

#[test]
fn an_allowed_ipv6_range_opens_no_mapped_address() {
    let everything: IpNet = "::/0".parse().unwrap();
    let guard = EgressGuard::allowing([everything]);
    assert_eq!(blocked_prefix(&guard, "::1"), None);
    assert_eq!(blocked_prefix(&guard, "fe80::1"), None);
    for closed in [
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "::ffff:8.8.8.8",
    ] {
        assert_eq!(
            blocked_prefix(&guard, closed).as_deref(),
            Some("::ffff:0.0.0.0/96")
        );
    }
}

#[test]
fn an_allow_list_opens_its_ranges_and_leaves_the_rest_closed() {
    let guard = guard(" 127.0.0.0/8, ::1/128 ,10.1.0.0/16");
    for open in ["127.0.0.1", "::1", "10.1.255.255", "8.8.8.8"] {
        assert_eq!(blocked_prefix(&guard, open), None, "{open}");
    }
    for closed in [
        "10.0.255.255",
        "10.2.0.0",
        "::2",
        "::",
        "192.168.0.1",
        "169.254.169.254",
    ] {
        assert!(blocked_prefix(&guard, closed).is_some(), "{closed}");
    }
}

#[test]
fn an_empty_allow_list_opens_nothing() {
    for text in ["", "  "] {
        assert!(guard(text).check(Ipv4Addr::LOCALHOST.into()).is_err());
    }
}

#[test]
fn an_allow_list_with_a_mistake_says_what_to_write() {
    for text in [
        "127.0.0.1",
        "localhost",
        "127.0.0.0/33",
        "10.0.0.0/8,",
        ",",
        "10.0.0.0/8 ::1/128",
    ] {
        let error = text.parse::<EgressGuard>().unwrap_err();
        assert!(
            matches!(error, InvalidAllowList::NotARange { .. }),
            "{text}: {error}"
        );
    }
    let error = "::1/128,10.1.2.3/8".parse::<EgressGuard>().unwrap_err();
    assert_eq!(
        error.to_string(),
        "10.1.2.3/8 names one address but opens all of 10.0.0.0/8: \
         write 10.0.0.0/8 for the range, or 10.1.2.3/32 for the address"
    );
    for text in ["::ffff:127.0.0.0/104", "::ffff:0:0/96"] {
        let error = text.parse::<EgressGuard>().unwrap_err();
        assert!(
            matches!(error, InvalidAllowList::Mapped { .. }),
            "{text}: {error}"
        );
    }
    assert!("::/0".parse::<EgressGuard>().is_ok());
}

#[test]
fn a_refusal_names_the_address_the_range_and_its_source() {
    let metadata: IpAddr = "169.254.169.254".parse().unwrap();
    let blocked = EgressGuard::default().check(metadata).unwrap_err();
    assert_eq!(
        blocked.to_string(),
        "169.254.169.254 is refused: link-local and cloud metadata, 169.254.0.0/16 (RFC 3927); \
         what opens it is Builder::egress in a program, and allow_networks on a server"
    );
}

#[test]
fn no_refused_port_is_one_that_operating_systems_hand_out() {
    // Linux begins at 32768; macOS and Windows later.
    assert!(ports::all().all(|(port, _)| port < 32_768));
    for open in [80, 443, 3000, 5000, 8000, 8080, 8443, 9000] {
        assert_eq!(ports::refused(open), None, "{open}");
    }
}

#[test]
fn what_is_let_through_is_one_address_at_one_port_and_a_denied_one_stays_denied() {
    let socket = |text: &str| text.parse().unwrap();
    let guard = guard("10.0.0.0/8").letting_through(socket("127.0.0.1:4000"));
    for (address, passes) in [
        ("127.0.0.1:4000", true),
        ("127.0.0.1:4001", false),
        ("127.0.0.2:4000", false),
        ("[::1]:4000", false),
        ("[::ffff:127.0.0.1]:4000", false),
        ("10.1.2.3:4000", true),
    ] {
        let checked = guard.check_socket(socket(address));
        assert_eq!(checked.is_ok(), passes, "{address}");
    }
    let loopback = "127.0.0.1".parse().unwrap();
    assert!(guard.check(loopback).is_err(), "an address says no port");
    let of_tenant = guard.of(&postrider_engine::TenantId::default());
    assert!(of_tenant.check_socket(socket("127.0.0.1:4000")).is_ok());
    let denied = guard.denying(["127.0.0.0/8".parse().unwrap()]);
    let blocked = denied.check_socket(socket("127.0.0.1:4000")).unwrap_err();
    assert_eq!(blocked.by, BlockedBy::DenyList);
}
