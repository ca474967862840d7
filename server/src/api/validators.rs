//! Compiled schemas of event types.

use super::Api;
use super::problem::{Code, Problem};
use jsonschema::Validator;
use postrider::TenantId;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

type Name = (TenantId, Arc<str>);

/// Compiled when first needed, and forgotten when their event type changes.
#[derive(Default)]
pub(super) struct Validators(RwLock<BTreeMap<Name, Arc<Validator>>>);

impl Api {
    /// The compiled schema of an event type.
    pub(super) fn validator(
        &self,
        tenant: &TenantId,
        event_type: &str,
        schema: &Map<String, Value>,
    ) -> Result<Arc<Validator>, Problem> {
        let name: Name = (tenant.clone(), event_type.into());
        let validators = &self.0.validators.0;
        let known = validators.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(validator) = known.get(&name) {
            return Ok(Arc::clone(validator));
        }
        drop(known);
        let validator = jsonschema::validator_for(&Value::Object(schema.clone()));
        let validator = validator.map_err(|error| Problem::new(Code::Internal, error))?;
        let validator = Arc::new(validator);
        let mut known = validators.write().unwrap_or_else(PoisonError::into_inner);
        known.insert(name, Arc::clone(&validator));
        Ok(validator)
    }

    /// The event type has changed.
    pub(super) fn forget_validator(&self, tenant: &TenantId, event_type: &str) {
        let validators = &self.0.validators.0;
        let mut known = validators.write().unwrap_or_else(PoisonError::into_inner);
        known.remove(&(tenant.clone(), Arc::from(event_type)));
    }

    /// Whether a type that is not in the catalogue may be published.
    pub(super) fn allow_unknown_type(&self, event_type: &str) -> Result<(), Problem> {
        if !self.0.options.known_event_types_only {
            return Ok(());
        }
        let shown: String = event_type.chars().take(128).collect();
        let detail = format!("{shown} is not in the catalogue");
        Err(Problem::new(Code::UnknownEventType, &detail).at("/type", detail))
    }
}
