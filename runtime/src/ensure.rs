//! Endpoints by name: made only once, however often and by how many they are asked for.

use crate::Postrider;
use crate::status::ReadError;
use postrider_engine::{
    Closed, Endpoint, EndpointChange, EndpointError, EndpointId, EndpointName, EndpointSpec,
    InvalidName, InvalidSpec, Secret, TenantId,
};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::Mutex;

/// Which endpoint has which name; `None` until it was read. An endpoint that was deleted since is
/// told by its record.
type Known = Option<BTreeMap<(TenantId, EndpointName), EndpointId>>;

/// The names. Whoever looks for one holds them until its endpoint is there: two who ask for the same
/// name at the same time are one after the other.
#[derive(Default)]
pub(crate) struct Names(Arc<Mutex<Known>>);

/// What was done for an endpoint to be as it was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ensured {
    /// It was made.
    Made,
    /// It was there, and was changed.
    Changed,
    /// It was there as it was asked for.
    Unchanged,
}

/// Why an endpoint is not as it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum EnsureError {
    /// The name is refused.
    #[error(transparent)]
    Name(#[from] InvalidName),
    /// It was not made or changed.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// The endpoints could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

impl Postrider {
    /// Makes sure that there is an endpoint of this name, with this URL, this secret and the defaults
    /// of [`EndpointSpec`]: a program that calls this at each of its starts has one endpoint. See
    /// [`Postrider::ensure`].
    ///
    /// # Errors
    ///
    /// [`EnsureError`] says what is refused, and what to do.
    pub async fn ensure_endpoint(
        &self,
        name: &str,
        url: &str,
        secret: &str,
    ) -> Result<EndpointId, EnsureError> {
        let secret = Secret::parse(secret).map_err(InvalidSpec::from);
        let secret = secret.map_err(EndpointError::from)?;
        let spec = self.default_spec(url);
        let (endpoint, _) = self.ensure(name, spec, Some(secret)).await?;
        Ok(endpoint.id)
    }

    /// The defaults of an endpoint, within the bounds.
    pub(crate) fn default_spec(&self, url: &str) -> EndpointSpec {
        let mut spec = EndpointSpec::new(url);
        spec.timeout = spec.timeout.min(self.limits().timeout_max);
        spec
    }

    /// Makes sure that the tenant of the spec has an endpoint of this name with this spec. If there
    /// is none it is made, with this secret or a generated one. If there is one, its spec is changed
    /// where it differs; its secret is changed only if another one is given, and then the one before
    /// goes on signing beside it for [`EndpointChange::OVERLAP`]; whether it is paused or disabled
    /// stays.
    ///
    /// Once an endpoint is deleted its name is free.
    ///
    /// # Errors
    ///
    /// [`EnsureError`] says what is refused, and what to do.
    pub async fn ensure(
        &self,
        name: &str,
        spec: EndpointSpec,
        secret: Option<Secret>,
    ) -> Result<(Endpoint, Ensured), EnsureError> {
        let name: EndpointName = name.parse()?;
        let mut spec = self.vet(spec).await.map_err(EndpointError::from)?;
        spec.name = Some(name.clone());
        let names = Arc::clone(&self.names().0);
        let postrider = self.clone();
        // A task of its own goes on if nobody waits for it any more: what it has begun would
        // otherwise be made once more by the next one.
        let ensured = tokio::spawn(async move {
            let mut names = names.lock_owned().await;
            postrider.ensure_known(&mut names, name, spec, secret).await
        });
        ensured
            .await
            .unwrap_or_else(|_| Err(EndpointError::Closed(Closed::Crashed).into()))
    }

    /// The endpoint of the tenant that has this name, if there is one.
    ///
    /// # Errors
    ///
    /// [`ReadError`] if the store cannot say.
    pub async fn named_endpoint(
        &self,
        tenant: &TenantId,
        name: &EndpointName,
    ) -> Result<Option<Endpoint>, ReadError> {
        let mut known = self.names().0.lock().await;
        let place = (tenant.clone(), name.clone());
        self.find_named(&mut known, &place).await
    }

    async fn ensure_known(
        &self,
        known: &mut Known,
        name: EndpointName,
        spec: EndpointSpec,
        secret: Option<Secret>,
    ) -> Result<(Endpoint, Ensured), EnsureError> {
        let place = (spec.tenant.clone(), name);
        if let Some(endpoint) = self.find_named(known, &place).await? {
            match self.adapt(endpoint, &spec, secret.as_ref()).await {
                // It was deleted meanwhile.
                Err(EndpointError::NoSuchEndpoint(_)) => (),
                adapted => return Ok(adapted?),
            }
        }
        let endpoint = self.register_vetted(spec, secret).await?;
        known.get_or_insert_default().insert(place, endpoint.id);
        Ok((endpoint, Ensured::Made))
    }

    async fn find_named(
        &self,
        known: &mut Known,
        place: &(TenantId, EndpointName),
    ) -> Result<Option<Endpoint>, ReadError> {
        if known.is_none() {
            let endpoints = self.endpoints().await?;
            *known = Some(endpoints.iter().filter_map(named).collect());
        }
        let Some(id) = known.get_or_insert_default().get(place) else {
            return Ok(None);
        };
        match self.endpoint(id).await {
            Ok(endpoint) => Ok(Some(endpoint)),
            Err(ReadError::NoSuchEndpoint(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Changes what differs.
    async fn adapt(
        &self,
        endpoint: Endpoint,
        spec: &EndpointSpec,
        secret: Option<&Secret>,
    ) -> Result<(Endpoint, Ensured), EndpointError> {
        let current = endpoint.secrets.first();
        let other = secret.filter(|secret| current.is_none_or(|it| it.secret != **secret));
        if let Some(secret) = other {
            // All of it is done, or none.
            self.check_rotation(&endpoint, secret)?;
        }
        let mut adapted = (endpoint, Ensured::Unchanged);
        if *adapted.0.spec != *spec {
            let endpoint = self.update_endpoint(&adapted.0.id, spec.clone()).await?;
            adapted = (endpoint, Ensured::Changed);
        }
        if let Some(secret) = other {
            let (id, secret) = (adapted.0.id, Some(secret.clone()));
            let endpoint = self
                .rotate_secret(&id, secret, EndpointChange::OVERLAP)
                .await?;
            adapted = (endpoint, Ensured::Changed);
        }
        Ok(adapted)
    }

    /// Whether this secret can be the endpoint's next one now.
    fn check_rotation(&self, endpoint: &Endpoint, secret: &Secret) -> Result<(), EndpointError> {
        let limits = self.limits();
        let least = limits.secret_bytes_min;
        if secret.strength_bytes() < least {
            return Err(InvalidSpec::SecretShort { least }.into());
        }
        let most = limits.secrets_max;
        let now = self.wall();
        let live = endpoint.secrets.iter();
        let live = live.filter(|it| it.expires_at.is_none_or(|at| at > now));
        if live.count() >= most {
            return Err(EndpointError::Secrets { most });
        }
        Ok(())
    }
}

fn named(endpoint: &Endpoint) -> Option<((TenantId, EndpointName), EndpointId)> {
    let name = endpoint.spec.name.clone()?;
    Some(((endpoint.spec.tenant.clone(), name), endpoint.id))
}
