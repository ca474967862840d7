//! Variables of the environment. Others write there, too: one that is unknown is told of and passed
//! over, and what Kubernetes and Docker put there for a service of this name is none of ours.

use super::{ConfigError, OTHERS, Origin, SETTINGS, Setting, Values};
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

const PREFIX: &str = "POSTRIDER_";

/// A variable that sounds like a setting and is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UnknownVariable {
    pub(crate) variable: String,
    /// What was probably meant.
    pub(crate) likely: Option<String>,
}

impl fmt::Display for UnknownVariable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let variable = &self.variable;
        match &self.likely {
            Some(likely) => {
                write!(
                    f,
                    "there is no setting {variable}: do you mean {likely}? It is passed over"
                )
            }
            None => write!(
                f,
                "there is no setting {variable}: it is passed over; `{} config show` lists the settings",
                crate::program::name()
            ),
        }
    }
}

impl Values {
    /// Takes what the environment says, where no flag has said it.
    pub(super) fn take_environment(
        &mut self,
        all: &BTreeMap<String, String>,
    ) -> Result<(), ConfigError> {
        for (variable, text) in all {
            let Some(rest) = variable.strip_prefix(PREFIX) else {
                continue;
            };
            if OTHERS.contains(&variable.as_str()) {
                continue;
            }
            let name = rest.to_ascii_lowercase();
            let origin = Origin::Environment(variable.clone());
            if let Some(setting) = named(&name) {
                let value = (text.clone(), origin);
                self.set.entry(setting.name).or_insert(value);
            } else if let Some(setting) = in_file(&name) {
                let path = PathBuf::from(text);
                let read = std::fs::read_to_string(&path);
                let secret = read.map_err(|error| ConfigError::Read { path, error })?;
                let value = (secret.trim_end().to_owned(), origin);
                self.set.entry(setting.name).or_insert(value);
            } else if !is_service_link(rest, text) {
                self.unknown.push(UnknownVariable {
                    variable: variable.clone(),
                    likely: likely(&name),
                });
            }
        }
        Ok(())
    }
}

fn named(name: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.name == name)
}

/// The setting whose value is in the file that such a variable names.
fn in_file(name: &str) -> Option<&'static Setting> {
    named(name.strip_suffix("_file")?).filter(|setting| setting.secret)
}

/// Whether Kubernetes or Docker has put it there for a service whose name begins with `postrider`:
/// `{NAME}_SERVICE_HOST`, `{NAME}_SERVICE_PORT`, `{NAME}_SERVICE_PORT_{PORT'S NAME}`, `{NAME}_PORT`
/// (a URL), `{NAME}_PORT_{NUMBER}_{PROTOCOL}` (a URL) and the same with `_PROTO`, `_PORT` and `_ADDR`
/// (<https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables>), and
/// `{NAME}_NAME` (a path) and `{NAME}_ENV_{VARIABLE}` of Docker's links.
fn is_service_link(rest: &str, text: &str) -> bool {
    // The service may be `postrider` itself, or `postrider-api`, whose `API` stands before the rest.
    let from = |word: &str| match rest.strip_prefix(word) {
        Some(after) => Some(after),
        None => {
            let at = rest.rfind(&format!("_{word}"))?;
            rest.get(at + 1 + word.len()..)
        }
    };
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|it| it.is_ascii_digit());
    if from("SERVICE_HOST") == Some("") {
        return true;
    }
    if let Some(after) = from("SERVICE_PORT")
        && (after.is_empty() || after.starts_with('_'))
        && is_number(text)
    {
        return true;
    }
    if from("PORT") == Some("") && text.contains("://") {
        return true;
    }
    if from("NAME") == Some("") && text.starts_with('/') {
        return true;
    }
    if from("ENV_").is_some_and(|after| !after.is_empty()) {
        return true;
    }
    is_port_of_link(rest)
}

/// `PORT_8080_TCP`, `API_PORT_53_UDP_ADDR`.
fn is_port_of_link(rest: &str) -> bool {
    let mut words: Vec<&str> = rest.split('_').collect();
    if let Some("PROTO" | "PORT" | "ADDR") = words.last().copied() {
        words.pop();
    }
    let Some([port, number, protocol]) = words.last_chunk() else {
        return false;
    };
    *port == "PORT" && number.parse::<u16>().is_ok() && ["TCP", "UDP", "SCTP"].contains(protocol)
}

/// Names that other servers have for a setting of ours.
const ELSEWHERE: &[(&str, &str)] = &[
    ("port", "listen"),
    ("host", "listen"),
    ("address", "listen"),
    ("bind", "listen"),
    ("database", "data"),
];

/// The variable that was probably meant.
fn likely(name: &str) -> Option<String> {
    let misspelt = || {
        let all = SETTINGS.iter().map(|setting| setting.name);
        let near = all.map(|known| (strsim::damerau_levenshtein(name, known), known));
        let (distance, known) = near.min()?;
        (distance <= 1 + name.len() / 5).then_some(known)
    };
    let elsewhere = || {
        let found = ELSEWHERE.iter().find(|(other, _)| *other == name);
        found.map(|(_, known)| *known)
    };
    // `LOG_LEVEL` for `log`, `KEEP_DAYS` for the first of those that begin so.
    let first = name.split('_').next().unwrap_or_default();
    let akin = || {
        let mut known = SETTINGS.iter().map(|setting| setting.name);
        let begins_so = |known: &&str| known.split('_').next() == Some(first);
        named(first)
            .map(|setting| setting.name)
            .or_else(|| known.find(begins_so))
    };
    let others = || {
        let others = OTHERS.iter().filter_map(|it| it.strip_prefix(PREFIX));
        let mut names = others.map(str::to_ascii_lowercase);
        names.find(|known| strsim::damerau_levenshtein(name, known) <= 1)
    };
    let found = misspelt().or_else(elsewhere).map(str::to_owned);
    let found = found.or_else(others).or_else(|| akin().map(str::to_owned));
    found.map(|known| PREFIX.to_owned() + &known.to_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is said of the variables; `text` is the value of each.
    fn unknown(pairs: &[(&str, &str)]) -> Vec<UnknownVariable> {
        let pairs = pairs.iter();
        let all = pairs.map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
        let mut values = Values::default();
        values.take_environment(&all.collect()).unwrap();
        values.unknown
    }

    fn likely_of(variable: &str) -> Option<String> {
        let [unknown] = &unknown(&[(variable, "x")])[..] else {
            panic!("{variable} is not unknown")
        };
        assert!(unknown.to_string().contains(variable));
        unknown.likely.clone()
    }

    #[test]
    fn an_unknown_variable_is_told_of_with_what_was_probably_meant() {
        for (variable, meant) in [
            ("POSTRIDER_LISTENN", "POSTRIDER_LISTEN"),
            ("POSTRIDER_LSITEN", "POSTRIDER_LISTEN"),
            ("POSTRIDER_ALLOWED_NETWORKS", "POSTRIDER_ALLOW_NETWORKS"),
            ("POSTRIDER_TRUSTED_PROXY", "POSTRIDER_TRUSTED_PROXIES"),
            ("POSTRIDER_APIKEY", "POSTRIDER_API_KEY"),
            ("POSTRIDER_PORT", "POSTRIDER_LISTEN"),
            ("POSTRIDER_LOG_LEVEL", "POSTRIDER_LOG"),
            ("POSTRIDER_DATA_DIR", "POSTRIDER_DATA"),
            ("POSTRIDER_CONFIGG", "POSTRIDER_CONFIG"),
        ] {
            assert_eq!(likely_of(variable).as_deref(), Some(meant), "{variable}");
        }
        assert_eq!(likely_of("POSTRIDER_SOMETHING_ELSE"), None);
    }

    #[test]
    fn links_to_services_are_passed_over_in_silence() {
        let of = |name: &str| {
            let shapes = [
                ("SERVICE_HOST", "10.96.0.1"),
                ("SERVICE_PORT", "8080"),
                ("SERVICE_PORT_HTTP", "8080"),
                ("SERVICE_PORT_METRICS_PORT", "9090"),
                ("PORT", "tcp://10.96.0.1:8080"),
                ("PORT_8080_TCP", "tcp://10.96.0.1:8080"),
                ("PORT_8080_TCP_PROTO", "tcp"),
                ("PORT_8080_TCP_PORT", "8080"),
                ("PORT_8080_TCP_ADDR", "10.96.0.1"),
                ("PORT_53_UDP", "udp://10.96.0.1:53"),
                ("PORT_53_UDP_ADDR", "10.96.0.1"),
                ("NAME", "/web/postrider"),
                ("ENV_PATH", "/usr/bin"),
            ];
            shapes.map(|(shape, text)| (format!("{name}_{shape}"), text))
        };
        for name in [
            "POSTRIDER",
            "POSTRIDER_API",
            "POSTRIDER_LOG",
            "POSTRIDER_MY_SERVICE",
        ] {
            for (variable, text) in of(name) {
                assert_eq!(unknown(&[(&variable, text)]), [], "{variable}={text}");
            }
        }
    }

    #[test]
    fn what_only_resembles_a_link_is_told_of() {
        for (variable, text) in [
            ("POSTRIDER_PORT", "8080"),
            ("POSTRIDER_SERVICE", "x"),
            ("POSTRIDER_SERVICE_PORTS", "1"),
            ("POSTRIDER_SERVICE_PORT", "x"),
            ("POSTRIDER_PORT_HTTP_TCP", "tcp://10.96.0.1:8080"),
            ("POSTRIDER_PORT_8080", "8080"),
            ("POSTRIDER_NAME", "postrider"),
        ] {
            assert_eq!(unknown(&[(variable, text)]).len(), 1, "{variable}={text}");
        }
    }

    #[test]
    fn no_setting_can_be_taken_for_a_link() {
        for setting in SETTINGS {
            let rest = setting.name.to_ascii_uppercase();
            for text in ["tcp://10.96.0.1:80", "80", "/x", "tcp"] {
                assert!(!is_service_link(&rest, text), "{rest}={text}");
            }
        }
    }
}
