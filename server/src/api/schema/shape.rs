//! What can be told of a schema without compiling it: how much applies at one place.
//!
//! `allOf` of two references, each to an `allOf` of two references, forty levels deep, has 2^40
//! subschemas that apply to the same value. So the ways from a schema to those that apply with it are
//! counted, and there is a bound on them.

use super::budget::KEYWORD;
use super::patterns;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The most subschemas that apply at one place, counted once for each way that leads to one.
pub(super) const APPLYING_MAX: u64 = 10_000;

/// The most references and subschemas between a schema and one that applies with it.
pub(super) const DEPTH_MAX: usize = 256;

/// The most patterns.
pub(super) const PATTERNS_MAX: usize = 128;

/// The most bytes that all patterns hold once they are compiled, roughly.
pub(super) const PATTERNS_BYTES_MAX: usize = 16 << 20;

/// Why a schema is refused, for people.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Shape {
    #[error("more than {APPLYING_MAX} subschemas apply at one place, counted by way: use fewer")]
    TooMany,
    #[error(
        "more than {DEPTH_MAX} subschemas lead to one that applies at the same place: use fewer"
    )]
    TooDeep,
    #[error("the schema leads back to itself without a step into the value")]
    Endless,
    #[error("use at most {PATTERNS_MAX} patterns")]
    TooManyPatterns,
    #[error("the patterns take more than {PATTERNS_BYTES_MAX} bytes: repeat less in them")]
    PatternsTooLarge,
    #[error("$ref {0:?} leads to something that is no schema")]
    NoSchema(String),
    #[error("$ref {0:?} leads to nothing in this schema, and nothing else is looked at")]
    Outside(String),
}

/// Keywords whose values are data.
const DATA: [&str; 6] = [
    "const", "enum", "default", "example", "examples", "required",
];

/// Keywords whose value has a name for each subschema.
const MAPS: [&str; 6] = [
    "properties",
    "patternProperties",
    "$defs",
    "definitions",
    "dependentSchemas",
    "dependencies",
];

/// Keywords whose subschemas apply to the same value.
const IN_PLACE: [&str; 7] = ["allOf", "anyOf", "oneOf", "not", "if", "then", "else"];
const IN_PLACE_MAPS: [&str; 2] = ["dependentSchemas", "dependencies"];
const REFERENCES: [&str; 3] = ["$ref", "$dynamicRef", "$recursiveRef"];

/// The subschemas of a schema by their places in it.
struct Schemas<'a> {
    root: &'a Value,
    /// By JSON pointer.
    all: BTreeMap<String, &'a Map<String, Value>>,
    /// The pointers of those with a name of their own, and the name.
    named: Vec<(&'a str, String)>,
    /// The pointers of those with an identifier, and the identifier.
    identified: Vec<(&'a str, String)>,
    /// How many apply with each, as far as that is known. None while it is being counted.
    counted: BTreeMap<String, Option<(u64, usize)>>,
    patterns: usize,
    patterns_bytes: usize,
}

/// What could be told of a schema.
pub(super) struct Measured {
    /// The same schema, with the keyword of the budget in every subschema.
    pub(super) schema: Value,
    /// The bytes that its patterns hold once they are compiled, roughly.
    pub(super) patterns_bytes: usize,
}

/// Checks what can be told beforehand.
pub(super) fn measured(schema: &Map<String, Value>) -> Result<Measured, Shape> {
    let mut root = Value::Object(schema.clone());
    let mut schemas = Schemas {
        root: &root,
        all: BTreeMap::new(),
        named: Vec::new(),
        identified: Vec::new(),
        counted: BTreeMap::new(),
        patterns: 0,
        patterns_bytes: 0,
    };
    schemas.find(&root, &mut String::new());
    if schemas.patterns > PATTERNS_MAX {
        return Err(Shape::TooManyPatterns);
    }
    let patterns_bytes = schemas.patterns_bytes;
    if patterns_bytes > PATTERNS_BYTES_MAX {
        return Err(Shape::PatternsTooLarge);
    }
    let places: Vec<String> = schemas.all.keys().cloned().collect();
    for place in &places {
        schemas.count(place)?;
    }
    let counted = schemas.counted;
    for place in places {
        let applying = counted.get(&place).copied().flatten();
        if let Some(Value::Object(schema)) = root.pointer_mut(&place) {
            schema.insert(
                KEYWORD.to_owned(),
                applying.map_or(1, |(ways, _)| ways).into(),
            );
        }
    }
    Ok(Measured {
        schema: root,
        patterns_bytes,
    })
}

impl<'a> Schemas<'a> {
    /// Finds the subschemas in what may be one.
    fn find(&mut self, value: &'a Value, place: &mut String) {
        match value {
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.step(item, &index.to_string(), place);
                }
            }
            Value::Object(schema) => {
                self.add(schema, place);
                for (keyword, value) in schema {
                    match value {
                        _ if DATA.contains(&keyword.as_str()) => {}
                        Value::Object(members) if MAPS.contains(&keyword.as_str()) => {
                            let end = place.len();
                            push(place, keyword);
                            for (name, member) in members {
                                self.step(member, name, place);
                            }
                            place.truncate(end);
                        }
                        value => self.step(value, keyword, place),
                    }
                }
            }
            _ => {}
        }
    }

    fn step(&mut self, value: &'a Value, name: &str, place: &mut String) {
        let end = place.len();
        push(place, name);
        self.find(value, place);
        place.truncate(end);
    }

    fn add(&mut self, schema: &'a Map<String, Value>, place: &str) {
        let text = |keyword| schema.get(keyword).and_then(Value::as_str);
        for name in ["$anchor", "$dynamicAnchor"] {
            self.named
                .extend(text(name).map(|name| (name, place.to_owned())));
        }
        for name in ["$id", "id"] {
            let Some(id) = text(name) else { continue };
            match id.strip_prefix('#') {
                // As older drafts write an anchor.
                Some(name) => self.named.push((name, place.to_owned())),
                None => self.identified.push((id, place.to_owned())),
            }
        }
        let names = schema.get("patternProperties").and_then(Value::as_object);
        let names = names.into_iter().flat_map(Map::keys).map(String::as_str);
        for pattern in names.chain(text("pattern")) {
            self.patterns += 1;
            let bytes = patterns::bytes(pattern);
            self.patterns_bytes = self.patterns_bytes.saturating_add(bytes);
        }
        self.all.insert(place.to_owned(), schema);
    }

    /// How many subschemas apply with this one, itself included, and how long the longest way to one
    /// of them is.
    fn count(&mut self, place: &str) -> Result<(u64, usize), Shape> {
        match self.counted.get(place) {
            Some(Some(known)) => return Ok(*known),
            Some(None) => return Err(Shape::Endless),
            None => {}
        }
        let Some(schema) = self.all.get(place).copied() else {
            // `true` and `false`.
            return Ok((1, 1));
        };
        self.counted.insert(place.to_owned(), None);
        let mut ways = 1_u64;
        let mut depth = 1;
        for next in self.next(schema, place)? {
            let (more, deeper) = self.count(&next)?;
            ways = ways.saturating_add(more);
            depth = depth.max(deeper + 1);
            if ways > APPLYING_MAX {
                return Err(Shape::TooMany);
            }
            if depth > DEPTH_MAX {
                return Err(Shape::TooDeep);
            }
        }
        self.counted.insert(place.to_owned(), Some((ways, depth)));
        Ok((ways, depth))
    }

    /// The places of the subschemas that apply to the same value as this one.
    fn next(&self, schema: &'a Map<String, Value>, place: &str) -> Result<Vec<String>, Shape> {
        let mut next = Vec::new();
        let at = |names: &[&str]| {
            let mut at = place.to_owned();
            names.iter().for_each(|name| push(&mut at, name));
            at
        };
        for keyword in IN_PLACE {
            match schema.get(keyword) {
                Some(Value::Array(items)) => {
                    next.extend((0..items.len()).map(|index| at(&[keyword, &index.to_string()])));
                }
                Some(Value::Object(_)) => next.push(at(&[keyword])),
                _ => {}
            }
        }
        for keyword in IN_PLACE_MAPS {
            let members = schema.get(keyword).and_then(Value::as_object);
            next.extend(
                members
                    .into_iter()
                    .flatten()
                    .map(|(name, _)| at(&[keyword, name])),
            );
        }
        for keyword in REFERENCES {
            if let Some(Value::String(reference)) = schema.get(keyword) {
                next.extend(self.targets(reference, place)?);
            }
        }
        Ok(next)
    }

    /// Where a reference at this place may lead: all places that it could mean, however identifiers
    /// are resolved. What leads out of the schema, if only to a published meta-schema, has no budget
    /// in it and is refused.
    fn targets(&self, reference: &str, place: &str) -> Result<Vec<String>, Shape> {
        let (base, fragment) = reference.split_once('#').unwrap_or((reference, ""));
        let last = |id: &'a str| id.trim_end_matches('#').rsplit('/').next();
        let mut bases: Vec<&str> = Vec::new();
        if base.is_empty() {
            bases.push("");
            let around = self.identified.iter().map(|(_, at)| at.as_str());
            bases.extend(around.filter(|at| place.starts_with(at)));
        } else {
            let same = self.identified.iter().filter(|(id, _)| {
                let wanted = base.rsplit('/').next();
                last(id) == wanted
            });
            bases.extend(same.map(|(_, at)| at.as_str()));
        }
        let fragment = percent_decoded(fragment);
        let mut targets = Vec::new();
        let (mut misses, mut is_boolean) = (false, false);
        for base in bases {
            if fragment.is_empty() || fragment.starts_with('/') {
                let target = format!("{base}{}", fragment.trim_end_matches('/'));
                match self.root.pointer(&target) {
                    Some(Value::Object(_)) if !self.all.contains_key(&target) => misses = true,
                    Some(Value::Object(_)) => targets.push(target),
                    Some(Value::Bool(_)) => is_boolean = true,
                    _ => {}
                }
            }
        }
        let named = self.named.iter().filter(|(name, _)| *name == fragment);
        targets.extend(named.map(|(_, at)| at.clone()));
        targets.sort_unstable();
        targets.dedup();
        if misses {
            return Err(Shape::NoSchema(reference.to_owned()));
        }
        if targets.is_empty() && !is_boolean {
            return Err(Shape::Outside(reference.to_owned()));
        }
        Ok(targets)
    }
}

/// Goes a step further, as a JSON pointer is written (RFC 6901).
fn push(place: &mut String, name: &str) {
    place.push('/');
    place.push_str(&name.replace('~', "~0").replace('/', "~1"));
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let digits = after.get(..2).and_then(|two| str::from_utf8(two).ok());
        match digits.and_then(|two| u8::from_str_radix(two, 16).ok()) {
            Some(byte) if *first == b'%' => {
                bytes.push(byte);
                rest = &after[2..];
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
