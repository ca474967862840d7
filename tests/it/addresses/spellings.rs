//! Spellings of addresses that no request goes to, made by rules: whatever a parser somewhere might
//! read as one of them.

use std::net::{Ipv4Addr, Ipv6Addr};

/// Private, loopback, link-local and other IPv4 addresses: what an attacker wants to reach.
const IPV4: [[u8; 4]; 12] = [
    [127, 0, 0, 1],
    [127, 1, 2, 3],
    [10, 0, 0, 1],
    [172, 16, 0, 1],
    [172, 31, 255, 254],
    [192, 168, 0, 1],
    [192, 168, 1, 254],
    [169, 254, 169, 254],
    [100, 64, 0, 1],
    [0, 0, 0, 0],
    [168, 63, 129, 16],
    [198, 18, 0, 1],
];

const IPV6: [&str; 8] = [
    "::1",
    "::",
    "fe80::1",
    "fc00::1",
    "fd12:3456:789a::1",
    "fec0::1",
    "ff02::1",
    "fd00:ec2::254",
];

/// Names that lead to the machine or into its network; the tests resolve every name to a loopback
/// address.
const NAMES: [&str; 22] = [
    "localhost",
    "LOCALHOST",
    "LocalHost",
    "localhost.",
    "a.localhost",
    "a.b.localhost",
    "localhost.localdomain",
    "localhost6",
    "ip6-localhost",
    "loopback",
    "metadata",
    "metadata.google.internal",
    "instance-data",
    "kubernetes.default.svc",
    "host.docker.internal",
    "gateway.docker.internal",
    "127.0.0.1.nip.io",
    "10-0-0-1.sslip.io",
    "printer",
    "router.lan",
    "intranet.corp",
    "1.0.0.127.in-addr.arpa",
];

/// All URLs.
pub(super) fn all() -> Vec<String> {
    let mut hosts: Vec<String> = Vec::new();
    for octets in IPV4 {
        hosts.extend(of_ipv4(octets));
        hosts.extend(carrying(octets).map(|address| format!("[{address}]")));
        let [a, b, c, d] = octets;
        hosts.push(format!("[::ffff:{a}.{b}.{c}.{d}]"));
        hosts.push(format!("[::{a}.{b}.{c}.{d}]"));
        hosts.push(format!("[64:ff9b::{a}.{b}.{c}.{d}]"));
    }
    for text in IPV6 {
        hosts.extend(of_ipv6(text));
    }
    hosts.extend(NAMES.map(str::to_owned));
    for name in ["localhost", "metadata"] {
        hosts.extend([full_width(name), circled(name), percent(name)]);
    }
    let mut urls: Vec<String> = hosts.iter().flat_map(|host| around(host)).collect();
    urls.sort_unstable();
    urls.dedup();
    urls
}

/// What may stand around a host.
fn around(host: &str) -> Vec<String> {
    vec![
        format!("http://{host}/"),
        format!("https://{host}:8443/hooks?a=b"),
        format!("HTTP://{host}:80"),
        format!("http://user@{host}/"),
    ]
}

fn of_ipv4([a, b, c, d]: [u8; 4]) -> Vec<String> {
    let all = u32::from_be_bytes([a, b, c, d]);
    let low24 = all & 0xff_ffff;
    let low16 = all & 0xffff;
    let dotted = format!("{a}.{b}.{c}.{d}");
    let octal = |byte: u8| format!("0{byte:o}");
    vec![
        dotted.clone(),
        format!("{dotted}."),
        format!("{all}"),
        format!("{all:#x}"),
        format!("0X{all:X}"),
        format!("0x{all:032x}"),
        format!("0{all:o}"),
        format!("0000{all:o}"),
        format!("{a}.{low24}"),
        format!("{a}.{low24:#x}"),
        format!("{a:#x}.{low24}"),
        format!("{a}.{b}.{low16}"),
        format!("{a}.{b:#x}.0{low16:o}"),
        format!("{a:#x}.{b:#x}.{c:#x}.{d:#x}"),
        format!("{}.{}.{}.{}", octal(a), octal(b), octal(c), octal(d)),
        format!("{}.{b}.{c:#x}.{d}", octal(a)),
        format!("000{a:o}.000{b:o}.000{c:o}.000{d:o}"),
        full_width(&dotted),
        dotted.replace('.', "\u{3002}"),
        dotted.replace('.', "\u{ff0e}"),
        dotted.replace('.', "\u{ff61}"),
        circled(&dotted),
        percent(&dotted),
        dotted.replace('.', "%2e"),
        format!("{dotted}\u{200b}"),
        format!("\u{ad}{dotted}"),
        format!("{dotted}%00.example"),
        format!("8.8.8.8@{dotted}"),
        format!("8.8.8.8\\@{dotted}"),
        format!("{dotted}#@8.8.8.8"),
    ]
}

/// IPv6 addresses that carry an IPv4 address.
fn carrying(octets: [u8; 4]) -> impl Iterator<Item = Ipv6Addr> {
    let [a, b, c, d] = octets.map(u16::from);
    let (high, low) = (a << 8 | b, c << 8 | d);
    [
        Ipv4Addr::from(octets).to_ipv6_mapped(),
        Ipv6Addr::new(0, 0, 0, 0, 0, 0, high, low),
        Ipv6Addr::new(0, 0, 0, 0, 0xffff, 0, high, low),
        Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low),
        Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, high, low),
        Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 1),
        Ipv6Addr::new(0x2001, 0, 0x4136, 0xe378, 0x8000, 0x63bf, !high, !low),
        Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0x5efe, high, low),
    ]
    .into_iter()
}

fn of_ipv6(text: &str) -> Vec<String> {
    let address: Ipv6Addr = text.parse().unwrap();
    let segments = address.segments().map(|it| format!("{it:04x}"));
    let long = segments.join(":");
    vec![
        format!("[{text}]"),
        format!("[{}]", text.to_uppercase()),
        format!("[{long}]"),
        format!("[{}]", long.to_uppercase()),
        format!("[{text}%25eth0]"),
        format!("[{text}%eth0]"),
        format!("[{text}]."),
        percent(&format!("[{text}]")),
        text.to_owned(),
    ]
}

/// The same in the letters and digits that Unicode has beside those of ASCII.
fn full_width(text: &str) -> String {
    let wide = |character: char| match u32::from(character) {
        code @ 0x21..=0x7e => char::from_u32(code + 0xfee0).unwrap(),
        _ => character,
    };
    text.chars().map(wide).collect()
}

fn circled(text: &str) -> String {
    let circled = |character: char| match character {
        '0' => '\u{24ea}',
        '1'..='9' => char::from_u32(0x2460 + u32::from(character) - u32::from('1')).unwrap(),
        'a'..='z' => char::from_u32(0x24d0 + u32::from(character) - u32::from('a')).unwrap(),
        other => other,
    };
    text.chars().map(circled).collect()
}

fn percent(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02x}")).collect()
}
