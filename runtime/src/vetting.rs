//! What only the host can check of an endpoint: where its URL leads.

use crate::EndpointUrl;
use crate::egress::EgressGuard;
use crate::endpoint_url::Host;
use crate::postrider::Postrider;
use crate::transport::tls::check_identity;
use postrider_engine::{ClientIdentity, EndpointId, EndpointSpec, InvalidSpec, TenantId};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;
use tokio::time::timeout;

/// A name is looked up for so long when an endpoint is registered. One that is not found by then is
/// taken: it is looked up again for every request.
const RESOLVE_MAX: Duration = Duration::from_secs(2);

/// The name of an endpoint's host leads nowhere that requests go to. Which addresses it has is not
/// said: whoever registers an endpoint is not told what names mean inside this network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoPublicName {
    #[error(
        "localhost is the machine that sends, which takes no webhooks: use the receiver's public \
         name, or have the operator open the network (allow_networks, EgressGuard::allowing)"
    )]
    Localhost,
    #[error(
        "its name resolves only to addresses that no request goes to: use the receiver's public \
         name, or have the operator open the network (allow_networks, EgressGuard::allowing)"
    )]
    Private,
}

impl Postrider {
    /// From now on the requests of this tenant appear as this identity in TLS handshakes, where their
    /// endpoint has none of its own; `None` for nobody. It is kept in memory alone: whoever says it says
    /// it again after a start.
    ///
    /// # Errors
    ///
    /// [`InvalidSpec::ClientIdentity`] if it cannot be used, or the transport has none of tenants.
    pub fn identify_tenant(
        &self,
        tenant: &TenantId,
        identity: Option<ClientIdentity>,
    ) -> Result<(), InvalidSpec> {
        if let Some(identity) = &identity {
            vet_identity(identity)?;
        }
        let is_nobody = identity.is_none();
        match self.transport().identify(tenant, identity) || is_nobody {
            true => Ok(()),
            false => {
                let why = "the transport of this program has none of single tenants".to_owned();
                Err(InvalidSpec::ClientIdentity(why))
            }
        }
    }

    /// Checks the URL of a new endpoint, and gives it its canonical form.
    pub(crate) async fn vet(&self, mut spec: EndpointSpec) -> Result<EndpointSpec, InvalidSpec> {
        spec.sending
            .identity
            .as_ref()
            .map_or(Ok(()), vet_identity)?;
        let guard = self.egress().of(&spec.tenant);
        let url = vetted(&spec.url, &guard)?;
        self.check_name(&url, &guard).await?;
        spec.url = url.as_str().into();
        Ok(spec)
    }

    /// The same for the new spec of an endpoint. Its tenant stays, and a name that stays is not
    /// looked up again.
    pub(crate) async fn vet_change(
        &self,
        endpoint: &EndpointId,
        mut spec: EndpointSpec,
    ) -> Result<EndpointSpec, InvalidSpec> {
        spec.sending
            .identity
            .as_ref()
            .map_or(Ok(()), vet_identity)?;
        // What is not there the engine says.
        let known = self.store().endpoint(*endpoint).await.ok().flatten();
        let tenant = known
            .as_ref()
            .map_or_else(TenantId::default, |it| it.spec.tenant.clone());
        let guard = self.egress().of(&tenant);
        let url = vetted(&spec.url, &guard)?;
        if known.is_none_or(|known| *known.spec.url != *url.as_str()) {
            self.check_name(&url, &guard).await?;
        }
        spec.url = url.as_str().into();
        Ok(spec)
    }

    async fn check_name(&self, url: &EndpointUrl, guard: &EgressGuard) -> Result<(), InvalidSpec> {
        let Host::Name(name) = url.host() else {
            return Ok(());
        };
        let refused = |error: NoPublicName| InvalidSpec::Url(error.to_string());
        let blocked = |addresses: &[IpAddr]| {
            let all = addresses.iter().all(|it| guard.check(*it).is_err());
            all && !addresses.is_empty()
        };
        if is_localhost(name) {
            let own = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
            return match blocked(&own) {
                true => Err(refused(NoPublicName::Localhost)),
                false => Ok(()),
            };
        }
        let found = timeout(RESOLVE_MAX, self.transport().resolve(url)).await;
        match blocked(&found.ok().flatten().unwrap_or_default()) {
            true => Err(refused(NoPublicName::Private)),
            false => Ok(()),
        }
    }
}

fn vet_identity(identity: &ClientIdentity) -> Result<(), InvalidSpec> {
    check_identity(identity).map_err(|error| InvalidSpec::ClientIdentity(error.to_string()))
}

/// What the URL alone tells.
fn vetted(text: &str, guard: &EgressGuard) -> Result<EndpointUrl, InvalidSpec> {
    let refused = |error: &dyn std::error::Error| InvalidSpec::Url(error.to_string());
    let url = EndpointUrl::parse(text).map_err(|error| refused(&error))?;
    url.check_scheme(guard).map_err(|error| refused(&error))?;
    url.check_literal(guard).map_err(|error| refused(&error))?;
    Ok(url)
}

/// RFC 6761, section 6.3.
pub(crate) fn is_localhost(name: &str) -> bool {
    name == "localhost" || name.ends_with(".localhost")
}
