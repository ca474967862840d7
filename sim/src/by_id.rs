//! A map by id that is quick to look things up in, and whose order is that of insertion: the same
//! in every run, unlike that of a `HashMap`.

use indexmap::IndexMap;
use rustc_hash::FxBuildHasher;

/// Things by their id, in the order in which they came.
pub type ById<K, V> = IndexMap<K, V, FxBuildHasher>;
