//! `postrider config show`: what is set, and where that was said.

use super::{SETTINGS, Values};
use serde::Serialize;

/// A setting as it is shown.
#[derive(Debug, Serialize)]
pub(crate) struct Shown {
    name: &'static str,
    value: Option<String>,
    origin: String,
    /// Whether somebody has set it.
    is_set: bool,
    #[serde(skip)]
    secret: bool,
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
                is_set: self.origin(setting.name).is_some(),
                secret: setting.secret,
                about: setting.about,
            }
        });
        settings.collect()
    }
}

impl Values {
    /// Every setting that is no secret, as the server tells it, and the names of the others.
    pub(crate) fn told(&self) -> (Vec<postrider_server::Setting>, Vec<String>) {
        let (secret, plain): (Vec<_>, Vec<_>) = self.shown().into_iter().partition(|it| it.secret);
        let told = plain.into_iter().map(|shown| postrider_server::Setting {
            name: shown.name.to_owned(),
            value: shown.value,
            origin: shown.origin,
        });
        let left_out = secret.into_iter().map(|shown| shown.name.to_owned());
        (told.collect(), left_out.collect())
    }
}

impl Shown {
    /// As a line of a configuration file, with its origin behind it. A comment, if nobody has set it,
    /// or if it is not shown: what is copied sets what was set.
    pub(crate) fn line(&self) -> String {
        let value = self.value.as_deref().unwrap_or_default();
        let comment = match self.is_set && !self.secret {
            true => "",
            false => "# ",
        };
        format!(
            "{comment}{} = {value:?}  # {}: {}\n",
            self.name, self.origin, self.about
        )
    }
}
