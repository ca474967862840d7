//! Reads JSON as its schema says, where serde is more lenient or more strict: a list does not stand
//! for an object, and `3.0` is an integer (JSON Schema 2020-12, section 6.1.1).

use serde::de::{DeserializeSeed, Deserializer, EnumAccess, Error, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// A deserializer, an access or a seed, watched.
pub(super) struct Strict<T>(pub(super) T);

/// A visitor, watched; whether it wants an integer.
struct Watched<V> {
    visitor: V,
    integer: bool,
}

macro_rules! forward {
    ($($method:ident, $integer:literal;)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
            self.0.$method(Watched { visitor, integer: $integer })
        }
    )*};
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Strict<D> {
    type Error = D::Error;

    forward! {
        deserialize_any, false; deserialize_bool, false;
        deserialize_i8, true; deserialize_i16, true; deserialize_i32, true; deserialize_i64, true;
        deserialize_u8, true; deserialize_u16, true; deserialize_u32, true; deserialize_u64, true;
        deserialize_f32, false; deserialize_f64, false; deserialize_char, false;
        deserialize_str, false; deserialize_string, false; deserialize_bytes, false;
        deserialize_byte_buf, false; deserialize_option, false; deserialize_unit, false;
        deserialize_seq, false; deserialize_map, false; deserialize_identifier, false;
        deserialize_ignored_any, false;
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.0.deserialize_unit_struct(name, visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        let integer = false;
        self.0
            .deserialize_newtype_struct(name, Watched { visitor, integer })
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        size: usize,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        let integer = false;
        self.0.deserialize_tuple(size, Watched { visitor, integer })
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        size: usize,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        let integer = false;
        self.0
            .deserialize_tuple_struct(name, size, Watched { visitor, integer })
    }

    /// What is described as an object is one.
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        let integer = false;
        self.0.deserialize_map(Watched { visitor, integer })
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.0.deserialize_enum(name, variants, visitor)
    }
}

macro_rules! visit {
    ($($method:ident($type:ty);)*) => {$(
        fn $method<E: Error>(self, value: $type) -> Result<V::Value, E> {
            self.visitor.$method(value)
        }
    )*};
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Watched<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.visitor.expecting(f)
    }

    visit! {
        visit_bool(bool); visit_i64(i64); visit_u64(u64); visit_char(char); visit_str(&str);
        visit_borrowed_str(&'de str); visit_string(String); visit_bytes(&[u8]);
        visit_borrowed_bytes(&'de [u8]); visit_byte_buf(Vec<u8>);
    }

    #[allow(clippy::cast_possible_truncation)] // within the range in which every integer is exact
    fn visit_f64<E: Error>(self, value: f64) -> Result<V::Value, E> {
        const EXACT: f64 = 9_007_199_254_740_992.0;
        if self.integer && value.fract() == 0.0 && value.abs() <= EXACT {
            return match u64::try_from(value as i64) {
                Ok(value) => self.visitor.visit_u64(value),
                Err(_) => self.visitor.visit_i64(value as i64),
            };
        }
        self.visitor.visit_f64(value)
    }

    fn visit_none<E: Error>(self) -> Result<V::Value, E> {
        self.visitor.visit_none()
    }

    fn visit_unit<E: Error>(self) -> Result<V::Value, E> {
        self.visitor.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, inner: D) -> Result<V::Value, D::Error> {
        self.visitor.visit_some(Strict(inner))
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<V::Value, D::Error> {
        self.visitor.visit_newtype_struct(Strict(inner))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, inner: A) -> Result<V::Value, A::Error> {
        self.visitor.visit_seq(Strict(inner))
    }

    fn visit_map<A: MapAccess<'de>>(self, inner: A) -> Result<V::Value, A::Error> {
        self.visitor.visit_map(Strict(inner))
    }

    fn visit_enum<A: EnumAccess<'de>>(self, inner: A) -> Result<V::Value, A::Error> {
        self.visitor.visit_enum(inner)
    }
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Strict<S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, inner: D) -> Result<S::Value, D::Error> {
        self.0.deserialize(Strict(inner))
    }
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Strict<A> {
    type Error = A::Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, A::Error> {
        self.0.next_element_seed(Strict(seed))
    }

    fn size_hint(&self) -> Option<usize> {
        self.0.size_hint()
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Strict<A> {
    type Error = A::Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, A::Error> {
        self.0.next_key_seed(seed)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        self.0.next_value_seed(Strict(seed))
    }

    fn size_hint(&self) -> Option<usize> {
        self.0.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;
    use serde_json::value::RawValue;

    #[derive(Debug, Deserialize, PartialEq)]
    struct Inner {
        number: Option<u32>,
    }

    #[derive(Debug, Deserialize)]
    struct Outer {
        inner: Vec<Inner>,
        raw: Box<RawValue>,
    }

    fn read(text: &str) -> Result<Outer, serde_json::Error> {
        Outer::deserialize(Strict(&mut serde_json::Deserializer::from_str(text)))
    }

    #[test]
    fn an_integer_may_be_written_with_a_fraction_of_nothing() {
        let outer = read(r#"{"inner": [{"number": 3.0}], "raw": {"a":1.10}}"#).unwrap();
        assert_eq!(outer.inner, [Inner { number: Some(3) }]);
        assert_eq!(outer.raw.get(), r#"{"a":1.10}"#);
        assert!(read(r#"{"inner": [{"number": 3.5}], "raw": 0}"#).is_err());
        assert!(read(r#"{"inner": [{"number": -3.0}], "raw": 0}"#).is_err());
    }

    #[test]
    fn a_list_does_not_stand_for_an_object() {
        assert!(read("[[], 0]").is_err());
        assert!(read(r#"{"inner": [[3]], "raw": 0}"#).is_err());
    }
}
