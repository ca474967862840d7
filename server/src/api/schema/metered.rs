//! The value that is checked, each look at which is a step.
//!
//! Whatever a schema says of a value, it has to look at it. The library puts keywords of our own last,
//! and leaves out what comes after a keyword that does not match, so that those alone would not count
//! what fails.

use super::budget::spend;
use jsonschema::JsonType;
use jsonschema::json::{Array, Json, Node, NodeIdentity, Object};
use serde_json::{Map, Number, Value, map};
use std::borrow::Cow;
use std::slice;

/// JSON as the library sees it here.
pub(super) struct Metered;

/// A value, and whatever is in it.
#[derive(Clone)]
pub(super) struct Look<'a>(pub(super) &'a Value);

#[derive(Clone)]
pub(super) struct Members<'a>(&'a Map<String, Value>);

pub(super) struct MembersIter<'a>(map::Iter<'a>);

#[derive(Clone)]
pub(super) struct Elements<'a>(&'a [Value]);

pub(super) struct ElementsIter<'a>(slice::Iter<'a, Value>);

impl Json for Metered {
    type Node<'a> = Look<'a>;
    type PreparedKey = String;
    type StringBuffer = ();

    // As for `serde_json`'s own values, which these are.
    const KEYS_PER_LOOKUP: usize = 2;
    const ACYCLIC: bool = true;

    fn prepare_key(key: &str) -> String {
        key.to_owned()
    }

    fn with_string_node<T>((): &mut (), string: &str, f: impl FnOnce(Look<'_>) -> T) -> T {
        f(Look(&Value::String(string.to_owned())))
    }
}

impl<'a> Node<'a, Metered> for Look<'a> {
    type Object = Members<'a>;
    type Array = Elements<'a>;
    type Number = &'a Number;

    fn as_object(&self) -> Option<Members<'a>> {
        spend(1);
        self.0.as_object().map(Members)
    }

    fn as_array(&self) -> Option<Elements<'a>> {
        spend(1);
        self.0.as_array().map(|items| Elements(items))
    }

    fn as_string(&self) -> Option<Cow<'a, str>> {
        let text = self.0.as_str();
        spend(1 + text.map_or(0, str::len) as u64 / 64);
        text.map(Cow::Borrowed)
    }

    fn as_number(&self) -> Option<&'a Number> {
        spend(1);
        self.0.as_number()
    }

    fn as_boolean(&self) -> Option<bool> {
        spend(1);
        self.0.as_bool()
    }

    fn is_null(&self) -> bool {
        spend(1);
        self.0.is_null()
    }

    fn json_type(&self) -> JsonType {
        spend(1);
        match self.0 {
            Value::Null => JsonType::Null,
            Value::Bool(_) => JsonType::Boolean,
            Value::Number(_) => JsonType::Number,
            Value::String(_) => JsonType::String,
            Value::Array(_) => JsonType::Array,
            Value::Object(_) => JsonType::Object,
        }
    }

    fn to_value(&self) -> Cow<'a, Value> {
        spend(1);
        Cow::Borrowed(self.0)
    }

    fn identity(&self) -> Option<NodeIdentity> {
        Some(NodeIdentity::new(std::ptr::from_ref(self.0) as usize))
    }
}

impl<'a> Object<'a, Metered> for Members<'a> {
    type Node = Look<'a>;
    type MemberName = &'a str;
    type MembersIter = MembersIter<'a>;

    fn len(&self) -> usize {
        self.0.len()
    }

    fn get(&self, key: &String) -> Option<Look<'a>> {
        spend(1);
        self.0.get(key.as_str()).map(Look)
    }

    fn members(&self) -> MembersIter<'a> {
        MembersIter(self.0.iter())
    }
}

impl<'a> Iterator for MembersIter<'a> {
    type Item = (&'a str, Look<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        spend(1);
        self.0
            .next()
            .map(|(name, value)| (name.as_str(), Look(value)))
    }
}

impl<'a> Array<'a, Metered> for Elements<'a> {
    type Node = Look<'a>;
    type ElementsIter = ElementsIter<'a>;

    fn len(&self) -> usize {
        self.0.len()
    }

    fn elements(&self) -> ElementsIter<'a> {
        ElementsIter(self.0.iter())
    }
}

impl<'a> Iterator for ElementsIter<'a> {
    type Item = Look<'a>;

    fn next(&mut self) -> Option<Look<'a>> {
        spend(1);
        self.0.next().map(Look)
    }
}
