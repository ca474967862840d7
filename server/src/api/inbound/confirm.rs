//! A subscription that is confirmed by asking for a URL: Amazon SNS.
//!
//! The URL comes with a request that was verified, and it is asked for as a delivery would be sent: to an
//! address that the tenant's egress guard lets through, which is the one that is then dialled, and without
//! a redirect or a proxy.

use crate::api::Api;
use crate::api::problem::{Code, Problem};
use postrider::egress::EgressGuard;
use postrider::transport::tls::{DefaultTimeProvider, client_config, public_roots};
use postrider::{EndpointUrl, Host, TenantId};
use std::fmt::Display;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// All of it is done within this time: the provider waits for 15 s.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Asks for the URL. A problem if it is not answered with 2xx: then the provider asks again.
pub(super) async fn confirm(api: &Api, tenant: &TenantId, url: &str) -> Result<(), Problem> {
    let guard = api.postrider().egress().of(tenant);
    let asked = tokio::time::timeout(TIMEOUT, ask(&guard, url)).await;
    let failed = |why: &dyn Display| Problem::new(Code::ConfirmationFailed, why);
    match asked {
        Ok(asked) => asked.map_err(|why| failed(&why)),
        Err(_) => Err(failed(&format!("it took longer than {TIMEOUT:?}"))),
    }
}

async fn ask(guard: &EgressGuard, url: &str) -> Result<(), String> {
    let url = EndpointUrl::parse(url).map_err(|error| error.to_string())?;
    url.check_scheme(guard).map_err(|error| error.to_string())?;
    url.check_literal(guard)
        .map_err(|error| error.to_string())?;
    let client = client(guard, &url).await?;
    let answer = client.get(url.as_str()).send().await;
    // The error of the library names the URL, which holds a token.
    let answer = answer.map_err(|_| format!("{} cannot be reached", url.origin()))?;
    match answer.status() {
        status if status.is_success() => Ok(()),
        status => Err(format!("{} has answered {status}", url.origin())),
    }
}

/// A client that goes to the addresses of this URL that may be dialled, and to nothing else.
async fn client(guard: &EgressGuard, url: &EndpointUrl) -> Result<reqwest::Client, String> {
    let tls = client_config(public_roots(), Arc::new(DefaultTimeProvider));
    let tls = tls.map_err(|error| error.to_string())?;
    let mut builder = reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .no_proxy()
        .referer(false)
        .redirect(reqwest::redirect::Policy::none());
    if let Host::Name(name) = url.host() {
        let all = tokio::net::lookup_host((name, url.port())).await;
        let all: Vec<SocketAddr> = all
            .map_err(|_| format!("the name {name} cannot be resolved"))?
            .collect();
        // One address that is refused makes a name suspicious: none of them is dialled.
        if all.is_empty() || all.iter().any(|it| guard.check_socket(*it).is_err()) {
            return Err(format!("no request goes to the addresses of {name}"));
        }
        builder = builder.resolve_to_addrs(name, &all);
    }
    builder.build().map_err(|error| error.to_string())
}
