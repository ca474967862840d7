//! `postrider config show`: what is set, and where that was said.

use super::{SETTINGS, Values};
use serde::Serialize;

/// A setting as it is shown.
#[derive(Debug, Serialize)]
pub(crate) struct Shown {
    name: &'static str,
    value: Option<String>,
    origin: String,
    about: &'static str,
}

impl Values {
    /// Every setting, in the order of the manual; secrets are not shown.
    pub(crate) fn shown(&self) -> Vec<Shown> {
        let settings = SETTINGS.iter().map(|setting| {
            let found = self.get(setting.name);
            let origin = found
                .as_ref()
                .map_or("not set".to_owned(), |it| it.1.to_string());
            let value = found.map(|(text, _)| match setting.secret {
                true => "[secret]".to_owned(),
                false => text,
            });
            Shown {
                name: setting.name,
                value,
                origin,
                about: setting.about,
            }
        });
        settings.collect()
    }
}

impl Shown {
    /// As a line of a configuration file, with its origin behind it.
    pub(crate) fn line(&self) -> String {
        let value = self.value.as_deref().unwrap_or_default();
        format!(
            "{} = {value:?}  # {}: {}\n",
            self.name, self.origin, self.about
        )
    }
}
