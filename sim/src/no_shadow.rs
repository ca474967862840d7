//! What stands for the real store in a build without it: nobody.

use crate::chance::Chance;
use postrider_engine::{Change, Load, Loaded, Receipt, Recovered};

/// There is none.
pub(crate) enum Shadow {}

/// How a group of changes is cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    Kill,
    PowerLoss,
    Failure,
}

impl Shadow {
    pub(crate) fn of(_: bool, _: Chance) -> (Option<Self>, Option<String>) {
        (None, None)
    }

    pub(crate) fn commit(&mut self, _: &[(Change, Receipt)]) -> Result<(), String> {
        match *self {}
    }

    pub(crate) fn load(&mut self, _: &Load, _: &Loaded) -> Result<(), String> {
        match *self {}
    }

    pub(crate) fn end(&mut self, _: &[Change], _: Cut) -> Result<bool, String> {
        match *self {}
    }

    pub(crate) fn adopt(&mut self, _: &[(Change, Receipt)]) -> Result<(), String> {
        match *self {}
    }

    pub(crate) fn recover(&mut self, _: &Recovered) -> Result<(), String> {
        match *self {}
    }
}
