//! How large the bodies of a source may be: by the source, its tenant and the server.

use super::record::Source;
use crate::api::Api;
use crate::api::problem::{Code, Problem};
use postrider::TenantId;

/// The largest body that a source may ask for, in bytes: GitHub sends no more.
pub(crate) const BODY_BYTES_MAX: u64 = 25 << 20;

/// The largest body of a source that asks for nothing, in bytes.
const BODY_BYTES_USUAL: u64 = 1 << 20;

/// What cannot be a bound of bodies, at this place.
pub(crate) fn check_body_bytes(wanted: Option<u64>, pointer: &str) -> Result<(), Problem> {
    match wanted {
        Some(bytes) if !(1..=BODY_BYTES_MAX).contains(&bytes) => {
            let detail = format!("use 1 to {BODY_BYTES_MAX} bytes");
            Err(Problem::new(Code::InvalidValue, &detail).at(pointer, detail))
        }
        _ => Ok(()),
    }
}

impl Api {
    /// The largest body that a source of this tenant can have: its body becomes a payload.
    fn body_bytes_most(&self, tenant: &TenantId) -> u64 {
        let payload = self.postrider().limits().payload_bytes_max;
        let own = self.tenants().get(tenant);
        let own = own.and_then(|tenant| tenant.source_body_bytes_max);
        own.unwrap_or(BODY_BYTES_MAX)
            .min(BODY_BYTES_MAX)
            .min(u64::try_from(payload).unwrap_or(u64::MAX))
    }

    /// The largest body that this source takes, in bytes.
    pub(crate) fn body_bytes_max(&self, source: &Source) -> u64 {
        let wanted = source.record().body_bytes_max.unwrap_or(BODY_BYTES_USUAL);
        wanted.min(self.body_bytes_most(source.tenant()))
    }

    /// Refuses a bound that a source of this tenant cannot have.
    pub(super) fn check_body_bytes(
        &self,
        tenant: &TenantId,
        wanted: Option<u64>,
    ) -> Result<(), Problem> {
        let pointer = "/body_bytes_max";
        check_body_bytes(wanted, pointer)?;
        let most = self.body_bytes_most(tenant);
        if wanted.is_some_and(|wanted| wanted > most) {
            let detail = format!("the server and the tenant allow at most {most} bytes");
            return Err(Problem::new(Code::InvalidValue, &detail).at(pointer, detail));
        }
        Ok(())
    }
}
