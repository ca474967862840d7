//! What a filter asks of the headers of an event.

use super::{All, Condition, Filter, FilterProblem, InvalidFilter, Reader};
use crate::json::{Kind, Value};

/// What `$headers` takes.
const TAKES: &str = "an object of names of headers and what is to stand there, such as \
                                {\"x-shopify-topic\": {\"$startsWith\": \"orders/\"}}";

/// What a filter looks at.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Asks {
    pub(super) payload: bool,
    pub(super) headers: bool,
}

impl Asks {
    pub(super) fn of(all: &All) -> Self {
        let mut asks = Self::default();
        asks.all(all);
        asks
    }

    fn all(&mut self, all: &All) {
        for condition in &all.0 {
            match condition {
                Condition::Headers(_) => self.headers = true,
                Condition::And(parts) | Condition::Or(parts) => {
                    parts.iter().for_each(|part| self.all(part));
                }
                Condition::Not(part) => self.all(part),
                Condition::At(_, part) | Condition::Element(part) => {
                    self.payload = true;
                    self.all(part);
                }
                Condition::Eq(_)
                | Condition::Order(..)
                | Condition::In(_)
                | Condition::Exists(_)
                | Condition::StartsWith(_)
                | Condition::Contains(_) => self.payload = true,
            }
        }
    }
}

impl Reader {
    /// Conditions on headers: each name is one header, in any case.
    pub(super) fn headers(
        &mut self,
        object: Value<'_, '_>,
        depth: usize,
    ) -> Result<Condition, InvalidFilter> {
        if depth > Filter::DEPTH_MAX {
            return Err(self.refused(FilterProblem::TooDeep));
        }
        let members = object.members();
        if object.kind() != Kind::Object || members.is_empty() {
            let operator = "$headers";
            return Err(self.refused(FilterProblem::Operand {
                operator,
                takes: TAKES,
            }));
        }
        let conditions = members.into_iter().map(|(name, wanted)| {
            self.within(&name, |reader| {
                reader.count()?;
                let wanted = reader.wanted(wanted, depth + 1)?;
                let path = vec![Box::<str>::from(name.to_ascii_lowercase())];
                Ok(Condition::At(path.into_boxed_slice(), wanted))
            })
        });
        Ok(Condition::Headers(All(
            conditions.collect::<Result<_, _>>()?
        )))
    }
}
