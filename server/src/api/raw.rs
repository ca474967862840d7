//! Objects whose values keep their exact text: numbers of any size, the order of members, white space.

use super::problem::{Code, Problem};
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;
use std::fmt;

/// How deep a patch may change objects within objects.
const PATCH_DEPTH_MAX: usize = 64;

/// The most members in one object of a patch: each is looked for among those that are there.
const PATCH_MEMBERS_MAX: usize = 1_024;

/// The members of an object in their order. Of those with the same name the last one counts.
#[derive(Debug, Default)]
pub(crate) struct Members(Vec<(String, Box<RawValue>)>);

impl Members {
    pub(crate) fn get(&self, name: &str) -> Option<&RawValue> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| &**value)
    }

    /// The names of the members.
    pub(crate) fn names(&self) -> Vec<String> {
        self.0.iter().map(|(name, _)| name.clone()).collect()
    }

    /// Takes a member out.
    pub(crate) fn remove(&mut self, name: &str) -> Option<Box<RawValue>> {
        let place = self.0.iter().position(|(known, _)| known == name)?;
        Some(self.0.remove(place).1)
    }

    /// Adds a member, or gives it another value in its place.
    pub(crate) fn set(&mut self, name: String, value: Box<RawValue>) {
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => *known = value,
            None => self.0.push((name, value)),
        }
    }

    /// Adds the members that are not there yet.
    pub(crate) fn fill(&mut self, defaults: Self) {
        for (name, value) in defaults.0 {
            if self.get(&name).is_none() {
                self.set(name, value);
            }
        }
    }

    /// The text of the object.
    pub(crate) fn text(&self) -> Result<Box<RawValue>, Problem> {
        serde_json::value::to_raw_value(self).map_err(|error| Problem::new(Code::Internal, error))
    }

    /// The members of an object; nothing of another value.
    fn of(value: &RawValue) -> Result<Option<Self>, Problem> {
        if !is_object(value) {
            return Ok(None);
        }
        // To take it for another value would lose its members.
        serde_json::from_str(value.get()).map(Some).map_err(|_| {
            let detail = "a name cannot be read: it holds half of a surrogate pair";
            Problem::new(Code::InvalidBody, detail).at("", detail)
        })
    }

    /// Changes it by a JSON merge patch (RFC 7396, section 2).
    pub(crate) fn merge(&mut self, patch: Self) -> Result<(), Problem> {
        self.merge_within(patch, 0)
    }

    fn merge_within(&mut self, patch: Self, depth: usize) -> Result<(), Problem> {
        if depth == PATCH_DEPTH_MAX {
            let detail = format!("objects may stand within each other {PATCH_DEPTH_MAX} deep");
            return Err(Problem::new(Code::InvalidBody, detail));
        }
        if patch.0.len() > PATCH_MEMBERS_MAX {
            let detail = format!("an object of a patch has at most {PATCH_MEMBERS_MAX} members");
            return Err(Problem::new(Code::InvalidBody, &detail).at("", detail));
        }
        for (name, value) in patch.0 {
            if is_null(&value) {
                self.remove(&name);
                continue;
            }
            let merged = self.merged(&name, value, depth);
            let merged = merged.map_err(|problem| problem.below(&format!("/{name}")))?;
            self.set(name, merged);
        }
        Ok(())
    }

    /// What a member becomes by the value that a patch has for it.
    fn merged(
        &self,
        name: &str,
        value: Box<RawValue>,
        depth: usize,
    ) -> Result<Box<RawValue>, Problem> {
        let Some(patch) = Self::of(&value)? else {
            return Ok(value);
        };
        let target = self.get(name).map(Self::of).transpose()?.flatten();
        let mut target = target.unwrap_or_default();
        target.merge_within(patch, depth + 1)?;
        target.text()
    }
}

pub(crate) fn is_null(value: &RawValue) -> bool {
    value.get() == "null"
}

pub(crate) fn is_object(value: &RawValue) -> bool {
    value.get().starts_with('{')
}

impl Serialize for Members {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;

        impl<'de> Visitor<'de> for Read {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = std::collections::BTreeMap::new();
                let mut place = 0_usize;
                while let Some((name, value)) = map.next_entry::<String, Box<RawValue>>()? {
                    let known = members.get(&name).map(|(place, _)| *place);
                    members.insert(name, (known.unwrap_or(place), value));
                    place += 1;
                }
                let mut members: Vec<_> = members.into_iter().collect();
                members.sort_by_key(|(_, (place, _))| *place);
                let members = members.into_iter();
                Ok(Members(
                    members.map(|(name, (_, value))| (name, value)).collect(),
                ))
            }
        }

        deserializer.deserialize_map(Read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(text: &str) -> Members {
        serde_json::from_str(text).unwrap()
    }

    fn merged(target: &str, patch: &str) -> String {
        let mut target = members(target);
        target.merge(members(patch)).unwrap();
        target.text().unwrap().get().to_owned()
    }

    #[test]
    fn what_a_patch_leaves_keeps_its_digits_and_its_place() {
        let long = r#"{"z":1.10,"a":{"n":12345678901234567890123,"m":1e400},"b":2}"#;
        assert_eq!(merged(long, "{}"), long);
        assert_eq!(
            merged(long, r#"{"a":{"k":1.50,"m":null},"b":1e-400}"#),
            r#"{"z":1.10,"a":{"n":12345678901234567890123,"k":1.50},"b":1e-400}"#
        );
        // The examples of RFC 7396, appendix A, that are objects.
        for (target, patch, result) in [
            (r#"{"a":"b"}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
            (r#"{"a":"b"}"#, r#"{"b":"c"}"#, r#"{"a":"b","b":"c"}"#),
            (r#"{"a":"b","b":"c"}"#, r#"{"a":null}"#, r#"{"b":"c"}"#),
            (r#"{"a":["b"]}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
            (r#"{"a":"c"}"#, r#"{"a":["b"]}"#, r#"{"a":["b"]}"#),
            (
                r#"{"a":{"b":"c"}}"#,
                r#"{"a":{"b":"d","c":null}}"#,
                r#"{"a":{"b":"d"}}"#,
            ),
            (r#"{"a":[{"b":"c"}]}"#, r#"{"a":[1]}"#, r#"{"a":[1]}"#),
            (r#"{"e":null}"#, r#"{"a":1}"#, r#"{"e":null,"a":1}"#),
            ("{}", r#"{"a":{"bb":{"ccc":null}}}"#, r#"{"a":{"bb":{}}}"#),
        ] {
            assert_eq!(merged(target, patch), result, "{target} with {patch}");
        }
    }

    #[test]
    fn the_last_of_two_members_of_one_name_counts() {
        assert_eq!(merged(r#"{"a":1,"b":2,"a":3}"#, "{}"), r#"{"a":3,"b":2}"#);
    }

    #[test]
    fn a_patch_is_bounded_in_the_members_of_each_of_its_objects() {
        let wide = |count: usize| {
            let names: Vec<_> = (0..count).map(|it| format!("\"m{it}\":1")).collect();
            format!("{{{}}}", names.join(","))
        };
        let merge = |patch: &str| members("{}").merge(members(patch));
        let (most, more) = (wide(PATCH_MEMBERS_MAX), wide(PATCH_MEMBERS_MAX + 1));
        let below = |object: &str| format!(r#"{{"metadata":{object}}}"#);
        for (fits, too_wide, pointer) in
            [(below(&most), below(&more), "/metadata"), (most, more, "")]
        {
            assert!(merge(&fits).is_ok());
            let problem = merge(&too_wide).unwrap_err();
            let problem = serde_json::to_value(&problem).unwrap();
            assert_eq!(problem["code"], "invalid_body");
            assert_eq!(problem["errors"][0]["pointer"], pointer);
        }
    }

    #[test]
    fn a_patch_with_a_name_that_cannot_be_read_is_refused_and_loses_no_member() {
        let kept = r#"{"metadata":{"a":1}}"#;
        for (target, patch) in [
            (kept, r#"{"metadata":{"b\ud83d":1}}"#),
            (r#"{"metadata":{"b\ud83d":1}}"#, kept),
        ] {
            let mut target_members = members(target);
            let problem = target_members.merge(members(patch)).unwrap_err();
            let problem = serde_json::to_value(&problem).unwrap();
            assert_eq!(problem["code"], "invalid_body");
            assert_eq!(problem["errors"][0]["pointer"], "/metadata");
            assert_eq!(target_members.text().unwrap().get(), target);
        }
        let half = r#"{"metadata":{"a":"b\ud83d"}}"#;
        assert_eq!(merged(kept, half), half, "a value is not read");
    }

    #[test]
    fn a_patch_is_bounded_in_depth() {
        let deep = |depth: usize| format!("{}1{}", "{\"a\":".repeat(depth), "}".repeat(depth));
        assert!(members("{}").merge(members(&deep(PATCH_DEPTH_MAX))).is_ok());
        assert!(
            members("{}")
                .merge(members(&deep(PATCH_DEPTH_MAX + 1)))
                .is_err()
        );
        assert!(members("{}").merge(members(&deep(50_000))).is_err());
    }
}
