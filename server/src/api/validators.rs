//! Checks of payloads and examples against the schemas of event types, off the threads that serve.

use super::Api;
use super::event_types::EventTypeView;
use super::payload::Given;
use super::problem::{Code, Problem};
use super::schema::{Mismatch, Schema, SchemaError};
use super::workers::Workers;
use crate::lenient;
use postrider::TenantId;
use postrider::engine::json::Document;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Bytes that the compiled schemas of all tenants hold, roughly.
const KEPT_BYTES_MAX: usize = 32 << 20;

type Name = (TenantId, Arc<str>);

/// Schemas that were compiled, as far as there is room for them, and the threads that check.
#[derive(Default)]
pub(super) struct Validators {
    workers: Workers,
    kept: Arc<Mutex<Kept>>,
}

/// Compiled when needed. Where there is no room, the tenant that has most makes it, with those that it
/// has not used for longest.
#[derive(Default)]
struct Kept {
    schemas: BTreeMap<Name, Compiled>,
    bytes: usize,
    uses: u64,
}

struct Compiled {
    /// What it was compiled from: once that has changed, this is of no use.
    of: Arc<EventTypeView>,
    schema: Arc<Schema>,
    used: u64,
}

impl Kept {
    fn get(&mut self, name: &Name, of: &Arc<EventTypeView>) -> Option<Arc<Schema>> {
        self.uses += 1;
        let known = self.schemas.get_mut(name)?;
        if !Arc::ptr_eq(&known.of, of) {
            return None;
        }
        known.used = self.uses;
        Some(Arc::clone(&known.schema))
    }

    fn add(&mut self, name: Name, of: Arc<EventTypeView>, schema: Arc<Schema>) {
        self.remove(&name);
        self.bytes += schema.bytes;
        self.uses += 1;
        let used = self.uses;
        self.schemas.insert(name, Compiled { of, schema, used });
        while self.bytes > KEPT_BYTES_MAX && self.make_room() {}
    }

    fn make_room(&mut self) -> bool {
        let mut held: BTreeMap<&TenantId, usize> = BTreeMap::new();
        for ((tenant, _), compiled) in &self.schemas {
            *held.entry(tenant).or_default() += compiled.schema.bytes;
        }
        let most = held.into_iter().max_by_key(|(_, bytes)| *bytes);
        let Some(tenant) = most.map(|(tenant, _)| tenant.clone()) else {
            return false;
        };
        let own = self.schemas.iter().filter(|((of, _), _)| *of == tenant);
        let oldest = own.min_by_key(|(_, compiled)| compiled.used);
        let oldest = oldest.map(|(name, _)| name.clone());
        oldest.is_some_and(|name| self.remove(&name))
    }

    fn remove(&mut self, name: &Name) -> bool {
        let removed = self.schemas.remove(name);
        self.bytes -= removed.as_ref().map_or(0, |it| it.schema.bytes);
        removed.is_some()
    }
}

impl Api {
    /// Checks that a schema is one, that it can be checked within bounds, and that the example
    /// matches it. Both are taken: what a request holds is counted once, and waits here for its turn.
    pub(super) async fn check_schema(
        &self,
        tenant: &TenantId,
        schema: Option<Map<String, Value>>,
        example: Option<Box<RawValue>>,
    ) -> Result<(), Problem> {
        let Some(schema) = schema else {
            return Ok(());
        };
        let work = move || {
            let schema = Schema::compile(&schema).map_err(|error| refused(&error))?;
            let Some(example) = example else {
                return Ok(());
            };
            let example = Document::read(example.get().as_bytes());
            let example = example
                .map_err(|error| Problem::new(Code::InvalidValue, error).at("/example", error))?;
            let example = lenient::value(example.root(), lenient::nearest);
            match schema.check(&example) {
                Ok(()) => Ok(()),
                Err(Mismatch::TooCostly) => Err(too_costly("/example")),
                Err(Mismatch::Violations(places)) => {
                    let first = places.into_iter().next();
                    let detail = first.map_or_else(String::new, |(_, detail)| detail);
                    Err(Problem::new(Code::InvalidValue, &detail).at("/example", detail))
                }
            }
        };
        self.0.validators.workers.run(tenant, work).await?
    }

    /// Checks a payload against the catalogue, as far as that asks for it.
    pub(crate) async fn check_payload(
        &self,
        tenant: &TenantId,
        event_type: &str,
        given: &Given<'_>,
    ) -> Result<(), Problem> {
        let Some(known) = self.event_types().get(tenant, event_type) else {
            return self.allow_unknown_type(event_type);
        };
        if known.checked_schema().is_none() {
            return Ok(());
        }
        if !given.kind.is_json() {
            let detail = format!("{event_type} has a schema, and {} is not JSON", given.kind);
            return Err(Problem::new(Code::SchemaViolation, &detail).at("/payload", detail));
        }
        let name: Name = (tenant.clone(), event_type.into());
        let kept = Arc::clone(&self.0.validators.kept);
        let payload = given.bytes.to_vec();
        let work = move || check(&kept, &name, &known, &payload);
        self.0.validators.workers.run(tenant, work).await?
    }

    /// Whether a type that is not in the catalogue may be published.
    fn allow_unknown_type(&self, event_type: &str) -> Result<(), Problem> {
        if !self.0.options.known_event_types_only {
            return Ok(());
        }
        let shown: String = event_type.chars().take(128).collect();
        let detail = format!("{shown} is not in the catalogue");
        Err(Problem::new(Code::UnknownEventType, &detail).at("/type", detail))
    }
}

fn check(
    kept: &Mutex<Kept>,
    name: &Name,
    known: &Arc<EventTypeView>,
    payload: &[u8],
) -> Result<(), Problem> {
    let Some(schema) = known.checked_schema() else {
        return Ok(());
    };
    let lock = || kept.lock().unwrap_or_else(PoisonError::into_inner);
    let compiled = lock().get(name, known);
    let compiled = match compiled {
        Some(compiled) => compiled,
        None => {
            let schema = serde_json::from_str(schema.get())
                .map_err(|error| Problem::new(Code::Internal, error))?;
            let compiled = Schema::compile(&schema).map_err(|error| refused(&error))?;
            let compiled = Arc::new(compiled);
            lock().add(name.clone(), Arc::clone(known), Arc::clone(&compiled));
            compiled
        }
    };
    let payload = Document::read(payload);
    let payload = payload.map_err(|error| Problem::new(Code::BadJson, error))?;
    let payload = lenient::value(payload.root(), lenient::nearest);
    match compiled.check(&payload) {
        Ok(()) => Ok(()),
        Err(Mismatch::TooCostly) => Err(too_costly("/payload")),
        Err(Mismatch::Violations(places)) => {
            let detail = format!("the payload does not match the schema of {}", name.1);
            let problem = Problem::new(Code::SchemaViolation, detail);
            Err(places.into_iter().fold(problem, |problem, (at, detail)| {
                problem.at(format!("/payload{at}"), detail)
            }))
        }
    }
}

fn refused(error: &SchemaError) -> Problem {
    let code = match error {
        SchemaError::Invalid(_) => Code::InvalidValue,
        SchemaError::TooCostly(_) => Code::SchemaTooCostly,
    };
    Problem::new(code, error).at("/schema", error)
}

fn too_costly(place: &str) -> Problem {
    let detail = "checking it against the schema takes more steps than there are for one check";
    Problem::new(Code::SchemaTooCostly, detail).at(place, detail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn name(tenant: &str, event_type: &str) -> Name {
        (tenant.parse().unwrap(), event_type.into())
    }

    /// A type, and its schema with so many patterns.
    fn compiled(patterns: usize) -> (Arc<EventTypeView>, Arc<Schema>) {
        let patterns = (0..patterns).map(|it| (format!("^a{it}$"), json!({})));
        let schema = json!({ "patternProperties": patterns.collect::<Map<_, _>>() });
        let view = json!({ "name": "a", "description": "", "validate": true,
            "created_at": "2026-01-01T00:00:00Z",
            "versions": [{ "version": 1, "schema": schema, "example": null,
                "created_at": "2026-01-01T00:00:00Z" }] });
        let view: EventTypeView = serde_json::from_value(view).unwrap();
        let schema = serde_json::from_str(view.checked_schema().unwrap().get()).unwrap();
        let schema = Schema::compile(&schema).unwrap();
        (Arc::new(view), Arc::new(schema))
    }

    #[test]
    fn what_is_kept_stays_within_its_bound_and_who_has_most_makes_room() {
        let mut kept = Kept::default();
        let (view, small) = compiled(1);
        kept.add(name("small", "a"), Arc::clone(&view), small);
        let (large_view, large) = compiled(100);
        for number in 0..20 {
            let name = name("large", &format!("t{number}"));
            kept.add(name, Arc::clone(&large_view), Arc::clone(&large));
            assert!(kept.bytes <= KEPT_BYTES_MAX);
        }
        assert!(kept.schemas.len() < 20);
        assert!(kept.get(&name("small", "a"), &view).is_some());
        assert!(kept.get(&name("large", "t19"), &large_view).is_some());
        assert!(kept.get(&name("large", "t0"), &large_view).is_none());
    }

    #[test]
    fn a_schema_that_has_changed_is_not_taken_for_the_new_one() {
        let mut kept = Kept::default();
        let (old, schema) = compiled(1);
        kept.add(name("t", "a"), Arc::clone(&old), schema);
        let (new, schema) = compiled(1);
        assert!(kept.get(&name("t", "a"), &new).is_none());
        kept.add(name("t", "a"), Arc::clone(&new), schema);
        assert!(kept.get(&name("t", "a"), &new).is_some());
        assert_eq!(kept.schemas.len(), 1);
    }
}
