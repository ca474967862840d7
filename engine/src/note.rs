//! What is noted of a change for people: who has made it.

use crate::batch::Change;
use crate::id::NoteId;
use crate::names::TenantId;
use crate::time::Wall;
use bytes::Bytes;
use std::fmt;
use std::sync::Arc;

/// An entry of the log of who did what. It rides on a command and is made durable with the change
/// that the command makes: both are there, or none.
///
/// The same note may ride on several commands. It is kept once, with the first change that is made.
#[derive(Clone, PartialEq, Eq)]
pub struct Note {
    /// Its id, made by the host: it begins with the time.
    pub id: NoteId,
    /// Whose it is; `None` for what concerns no tenant.
    pub tenant: Option<TenantId>,
    /// The id of what was changed. If a command of an endpoint leaves it out, as the id of a new one
    /// is not known before, it is filled in.
    pub target: Option<Arc<str>>,
    /// Whatever the host says of it. The engine does not look into it.
    pub value: Bytes,
}

impl Note {
    /// When it was made, in milliseconds.
    #[must_use]
    pub fn at(&self) -> Wall {
        Wall(u64::try_from(self.id.as_u128() >> 80).unwrap_or(u64::MAX))
    }

    /// The note of this change.
    pub(crate) fn of(&self, change: &Change) -> Self {
        let mut note = self.clone();
        if note.target.is_none() {
            note.target = match change {
                Change::AddEndpoint(endpoint) => Some(endpoint.id),
                Change::ChangeEndpoint(update) => Some(update.endpoint),
                Change::DeleteEndpoint { endpoint, .. } => Some(*endpoint),
                _ => None,
            }
            .map(|endpoint| endpoint.to_string().into());
        }
        note
    }
}

/// What the host says may be no stranger's business: it is not shown.
impl fmt::Debug for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Note({}, {} bytes)", self.id, self.value.len())
    }
}
