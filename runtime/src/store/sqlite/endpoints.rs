//! How an endpoint is recorded, and how its record changes.

use super::StoreFault;
use super::changes::Changes;
use super::lanes::owner_of;
use super::reads;
use super::rows::{self, signed};
use super::spec;
use postrider_engine::{
    Endpoint, EndpointId, EndpointSpec, EndpointStatus, EndpointUpdate, Health, Receipt, TenantId,
};
use rusqlite::{OptionalExtension, params};

impl Changes<'_> {
    pub(super) fn add_endpoint(&mut self, endpoint: &Endpoint) -> Result<Receipt, StoreFault> {
        let health = endpoint.health;
        let tenant = &endpoint.spec.tenant;
        let secrets = self
            .keys
            .seal_secrets(tenant, endpoint.id, &endpoint.secrets)?;
        owner_of(self.connection, endpoint.id, tenant)?;
        self.connection.execute(
            "INSERT OR REPLACE INTO postrider_endpoint
                 (id, tenant, spec, secrets, status, failures, failing_since, open_until,
                  created_at, revision, held_until)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
            params![
                endpoint.id.as_u128().to_be_bytes(),
                tenant.as_str(),
                self.spec_text(endpoint.id, &endpoint.spec)?,
                secrets,
                rows::status(endpoint.status),
                health.failures,
                health.failing_since.map(|at| signed(at.0)),
                health.open_until.map(|at| signed(at.0)),
                signed(endpoint.created_at.0),
                signed(endpoint.revision),
                health.held_until.map(|at| signed(at.0)),
            ],
        )?;
        Ok(Receipt::Applied)
    }

    pub(super) fn change_endpoint(
        &mut self,
        update: &EndpointUpdate,
    ) -> Result<Receipt, StoreFault> {
        let id = update.endpoint.as_u128().to_be_bytes();
        if let Some(status) = update.status {
            self.write_status(update.endpoint, status)?;
        }
        if let Some(health) = update.health {
            self.write_health(update.endpoint, health)?;
        }
        if let Some(spec) = &update.spec {
            let text = self.spec_text(update.endpoint, spec)?;
            self.connection.execute(
                "UPDATE postrider_endpoint SET spec = ?2 WHERE id = ?1",
                params![id, text],
            )?;
        }
        if let Some(secrets) = &update.secrets {
            let tenant: Option<String> = self
                .connection
                .query_row(
                    "SELECT tenant FROM postrider_endpoint WHERE id = ?1",
                    [id],
                    |row| row.get(0),
                )
                .optional()?;
            if let Some(tenant) = tenant {
                let tenant: TenantId = tenant.parse().map_err(|error| fault(&error))?;
                let sealed = self.keys.seal_secrets(&tenant, update.endpoint, secrets)?;
                self.connection.execute(
                    "UPDATE postrider_endpoint SET secrets = ?2 WHERE id = ?1",
                    params![id, sealed],
                )?;
            }
        }
        if update.spec.is_some() || update.secrets.is_some() {
            self.connection.execute(
                "UPDATE postrider_endpoint SET revision = revision + 1 WHERE id = ?1",
                [id],
            )?;
        }
        if let Some(at) = update.due {
            self.make_due(update.endpoint, at)?;
        }
        Ok(Receipt::Applied)
    }

    /// The spec as it is recorded, with its headers sealed.
    fn spec_text(&self, endpoint: EndpointId, spec: &EndpointSpec) -> Result<String, StoreFault> {
        let place = spec::Place {
            keys: self.keys,
            tenant: &spec.tenant,
            endpoint,
        };
        spec::to_json(spec, &place)
    }

    pub(super) fn write_status(
        &self,
        id: EndpointId,
        status: EndpointStatus,
    ) -> Result<(), StoreFault> {
        let mut update = self
            .connection
            .prepare_cached("UPDATE postrider_endpoint SET status = ?2 WHERE id = ?1")?;
        update.execute(params![id.as_u128().to_be_bytes(), rows::status(status)])?;
        Ok(())
    }

    pub(super) fn write_health(&self, id: EndpointId, health: Health) -> Result<(), StoreFault> {
        let mut update = self.connection.prepare_cached(
            "UPDATE postrider_endpoint
             SET failures = ?2, failing_since = ?3, open_until = ?4, held_until = ?5
             WHERE id = ?1",
        )?;
        update.execute(params![
            id.as_u128().to_be_bytes(),
            health.failures,
            health.failing_since.map(|at| signed(at.0)),
            health.open_until.map(|at| signed(at.0)),
            health.held_until.map(|at| signed(at.0)),
        ])?;
        Ok(())
    }

    /// Seals with the first key what another one has sealed, and what a version of before has
    /// written as it is: that is overwritten. Whether there was any.
    pub(super) fn seal_anew(&self) -> Result<bool, StoreFault> {
        let mut select = self
            .connection
            .prepare_cached("SELECT id, secrets, spec FROM postrider_endpoint")?;
        let mut rows = select.query([])?;
        let mut old: Vec<[u8; 16]> = Vec::new();
        while let Some(row) = rows.next()? {
            let (secrets, spec): (Vec<u8>, String) = (row.get(1)?, row.get(2)?);
            if self.keys.is_old(&secrets) || spec::has_old_seal(&spec, self.keys) {
                old.push(row.get(0)?);
            }
        }
        if old.is_empty() {
            return Ok(false);
        }
        let overwrite = |on: bool| {
            let set = self.connection.pragma_update(None, "secure_delete", on);
            set.map_err(StoreFault::from)
        };
        overwrite(true)?;
        for id in old {
            let endpoint = EndpointId::from_u128(u128::from_be_bytes(id));
            if let Some(known) = reads::endpoint(self.connection, self.keys, endpoint)? {
                let tenant = &known.spec.tenant;
                let sealed = self.keys.seal_secrets(tenant, endpoint, &known.secrets)?;
                self.connection.execute(
                    "UPDATE postrider_endpoint SET secrets = ?2, spec = ?3 WHERE id = ?1",
                    params![id, sealed, self.spec_text(endpoint, &known.spec)?],
                )?;
            }
        }
        overwrite(false)?;
        Ok(true)
    }
}

fn fault(error: &dyn std::fmt::Display) -> StoreFault {
    StoreFault::Damaged(error.to_string())
}
