//! How requests leave this machine, and whom they believe.

use super::kinds::Kind;
use super::{ConfigError, Values, without_value};
use postrider::egress::ranges;
use postrider::transport::tls::{RootCertStore, add_roots, public_roots, system_roots};
use postrider::transport::{AddressFamily, InvalidProxy, Proxy, Uplink};
use std::net::IpAddr;

/// From which address, to which, through which proxy.
pub(super) fn uplink(values: &Values) -> Result<Uplink, ConfigError> {
    let proxy = values.made("proxy", |text| match text {
        "" => Ok(None),
        text => {
            let proxy = text.parse::<Proxy>();
            proxy
                .map(Some)
                .map_err(|error: InvalidProxy| error.to_string())
        }
    });
    let proxy = proxy.map_err(without_value)?;
    let except = values.made("proxy_except", |text| {
        ranges(text).map_err(|error| error.to_string())
    })?;
    let resolves: bool = values.parsed("proxy_resolves")?;
    let proxy = proxy.map(|proxy| match resolves {
        true => proxy.resolving(),
        false => proxy,
    });
    Ok(Uplink {
        family: values.made("address_family", family)?,
        sources: values.made("source_address", sources)?,
        proxy: proxy.map(|proxy| proxy.passed_by(except)),
    })
}

/// The certificate authorities that receivers are believed by.
pub(super) fn roots(values: &Values) -> Result<RootCertStore, ConfigError> {
    let mut roots = values.made("system_roots", |text| match bool::read(text)? {
        true => system_roots().map_err(|error| error.to_string()),
        false => Ok(public_roots()),
    })?;
    values.made("ca_file", |path| {
        if path.is_empty() {
            return Ok(());
        }
        let pem = std::fs::read(path).map_err(|error| format!("it cannot be read: {error}"))?;
        let added = add_roots(&mut roots, &pem);
        added.map(|_| ()).map_err(|error| error.to_string())
    })?;
    Ok(roots)
}

fn family(text: &str) -> Result<AddressFamily, String> {
    match text {
        "any" => Ok(AddressFamily::Any),
        "ipv4" => Ok(AddressFamily::Ipv4),
        "ipv6" => Ok(AddressFamily::Ipv6),
        _ => Err("use any, ipv4 or ipv6".to_owned()),
    }
}

fn sources(text: &str) -> Result<Vec<IpAddr>, String> {
    const HOW: &str =
        "write an IP address of this machine, or one of each family with a comma between";
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    let parsed = text.split(',').map(|part| part.trim().parse());
    let sources: Vec<IpAddr> = parsed
        .collect::<Result<_, _>>()
        .map_err(|_| HOW.to_owned())?;
    let is_usable = |it: &IpAddr| !it.is_unspecified() && !it.is_multicast();
    let of_ipv4 = sources.iter().filter(|it| it.is_ipv4()).count();
    match sources.iter().all(is_usable) && of_ipv4 <= 1 && sources.len() - of_ipv4 <= 1 {
        true => Ok(sources),
        false => Err(HOW.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn config(pairs: &[(&str, &str)]) -> Result<Config, String> {
        let mut pairs = pairs.to_vec();
        pairs.push(("POSTRIDER_CONFIG", ""));
        let pairs = pairs
            .iter()
            .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
        let values = Values::gather([], pairs, None);
        Config::of(&values.unwrap()).map_err(|error| error.to_string())
    }

    #[test]
    fn one_address_of_each_family_may_be_chosen() {
        let from = |text: &str| {
            let config = config(&[("POSTRIDER_SOURCE_ADDRESS", text)])?;
            Ok::<_, String>(config.uplink.sources.len())
        };
        assert_eq!(from(""), Ok(0));
        assert_eq!(from("192.0.2.1"), Ok(1));
        assert_eq!(from("192.0.2.1, 2001:db8::1"), Ok(2));
        for refused in [
            "192.0.2.1,192.0.2.2",
            "0.0.0.0",
            "eth0",
            "192.0.2.0/24",
            "224.0.0.1",
        ] {
            let error = from(refused).unwrap_err();
            assert!(error.contains("write an IP address"), "{error}");
        }
    }

    #[test]
    fn a_proxy_that_cannot_be_used_is_refused_without_its_password() {
        let through = |text: &str| config(&[("POSTRIDER_PROXY", text)]);
        assert!(
            through("http://user:hunter2@proxy:3128")
                .unwrap()
                .uplink
                .proxy
                .is_some()
        );
        assert!(through("").unwrap().uplink.proxy.is_none());
        let error = through("socks5://user:hunter2@proxy:1080").unwrap_err();
        assert!(
            error.contains("[secret]") && !error.contains("hunter2"),
            "{error}"
        );
    }

    #[test]
    fn an_authority_that_is_not_there_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ca.pem");
        let with = |path: &std::path::Path| {
            config(&[("POSTRIDER_CA_FILE", path.to_str().unwrap())]).map(|_| ())
        };
        let error = with(&path).unwrap_err();
        assert!(
            error.contains("ca_file") && error.contains("cannot be read"),
            "{error}"
        );
        std::fs::write(&path, "nothing").unwrap();
        let error = with(&path).unwrap_err();
        assert!(error.contains("no certificate in it"), "{error}");
        let built_in = config(&[]).unwrap().roots.len();
        assert!(built_in > 0);
    }
}
