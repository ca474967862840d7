//! The network: names, the egress guard, the server.

use super::Finding;
use crate::client::{Client, ClientError};
use postrider::egress::EgressGuard;
use postrider::{EndpointUrl, Host};
use std::net::IpAddr;
use std::time::Duration;
use tokio::net::lookup_host;
use tokio::time::timeout;

/// A resolver that works answers within this time.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(10);

/// Whether a name has addresses.
pub(super) async fn resolves(host: &str) -> Finding {
    match addresses(host).await {
        Ok(found) => Finding::ok("dns", format!("{host} is {}", listed(&found))),
        Err(why) => {
            let remedy = "deliveries to names will fail: mend the resolver of this machine, or \
                          name a host that it knows with --host";
            Finding::fail("dns", format!("{host}: {why}"), remedy)
        }
    }
}

async fn addresses(host: &str) -> Result<Vec<IpAddr>, String> {
    let found = timeout(RESOLVE_TIMEOUT, lookup_host((host, 443))).await;
    let found = found.map_err(|_| "no answer from the resolver".to_owned())?;
    let found = found.map_err(|error| error.to_string())?;
    let mut found: Vec<IpAddr> = found.map(|address| address.ip()).collect();
    found.dedup();
    match found.is_empty() {
        true => Err("the name has no addresses".to_owned()),
        false => Ok(found),
    }
}

fn listed(addresses: &[IpAddr]) -> String {
    let texts: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    texts.join(", ")
}

/// Whether requests may go to a URL, and why not: as it is judged for each of them.
pub(super) async fn egress(text: &str, guard: &EgressGuard) -> Finding {
    let url = match EndpointUrl::parse(text) {
        Ok(url) => url,
        Err(error) => return Finding::fail("egress", error.to_string(), "correct the URL"),
    };
    if let Err(error) = url.check_scheme(guard) {
        let remedy = "use https://, or set allow_http, here and for the server";
        return Finding::fail("egress", format!("{}: {error}", url.origin()), remedy);
    }
    let origin = url.origin();
    let found = match url.host() {
        Host::Address(address) => Ok(vec![address]),
        Host::Name(name) => addresses(name).await,
    };
    let found = match found {
        Ok(found) => found,
        Err(why) => {
            let detail = format!("{origin}: {why}");
            return Finding::fail("egress", detail, "register the name, or correct it");
        }
    };
    // One address that is refused is enough: the name could mean that one at any time.
    match found.iter().find_map(|address| guard.check(*address).err()) {
        None => Finding::ok("egress", format!("{origin} is allowed: {}", listed(&found))),
        Some(blocked) => {
            let remedy = "if requests are meant to go there, name its network with \
                          --allow-networks, here and for the server";
            Finding::fail("egress", format!("{origin}: {blocked}"), remedy)
        }
    }
}

/// Whether a server answers, and its `Date` header. One that has to be there and is not is a failure.
pub(super) async fn server(client: &Client, has_to_be: bool) -> (Finding, Option<String>) {
    let query = Default::default();
    let url = client.url();
    let lives = match client.get(&["livez"], &query).await {
        Ok(lives) => lives,
        Err(error) => {
            let detail = format!("no server answers at {url}");
            let finding = match error {
                ClientError::Unreachable { why, .. } => {
                    let program = crate::program::name();
                    let remedy =
                        format!("start it with `{program} serve`, or say with --url where it is");
                    let detail = format!("{detail}: {why}");
                    match has_to_be {
                        true => Finding::fail("server", detail, remedy),
                        false => Finding::warn("server", detail, remedy),
                    }
                }
                other => Finding::fail("server", other.to_string(), "look at its log"),
            };
            return (finding, None);
        }
    };
    let date = lives.headers().get("date");
    let date = date.and_then(|date| date.to_str().ok().map(str::to_owned));
    let ready = match client.get(&["readyz"], &query).await {
        Ok(_) => Finding::ok("server", format!("{url} accepts events")),
        Err(error) => {
            let detail = format!("{url} lives, but does not accept events: {error}");
            Finding::fail("server", detail, "look at its log, and at its disk")
        }
    };
    (ready, date)
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;

    #[tokio::test]
    async fn the_guard_says_why_a_url_is_refused() {
        let public = EgressGuard::public_only();
        let local: EgressGuard = "127.0.0.0/8".parse().unwrap();
        let refused = egress("http://127.0.0.1:9000/x", &public).await;
        assert_eq!(refused.verdict, Verdict::Fail);
        assert!(
            refused.detail.contains("127.0.0.1 is refused"),
            "{refused:?}"
        );
        let allowed = egress("http://127.0.0.1:9000/x", &local).await;
        assert_eq!(allowed.verdict, Verdict::Ok, "{allowed:?}");
        assert_eq!(egress("ftp://a", &local).await.verdict, Verdict::Fail);
    }

    #[tokio::test]
    async fn a_name_that_does_not_resolve_is_told() {
        assert_eq!(resolves("localhost").await.verdict, Verdict::Ok);
        assert_eq!(resolves("nowhere.invalid").await.verdict, Verdict::Fail);
    }
}
