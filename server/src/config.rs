//! What an operator can set: by flag, by environment, in `postrider.toml`, in this order; then the
//! default. What nobody knows is an error, so that a misspelt setting is not lost in silence; in the
//! environment, where others write, too, it is a warning.

mod environment;
mod file;
mod kinds;
mod show;
mod uplink;

pub(crate) use environment::UnknownVariable;
pub(crate) use show::Shown;

use kinds::Kind;

use postrider::egress::EgressGuard;
use postrider::transport::Uplink;
use postrider::transport::tls::RootCertStore;
use postrider_server::{EndpointDefaults, FrameOrigins, Networks, PublicUrl};
use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

/// One thing that can be set.
pub(crate) struct Setting {
    /// In the file; as a flag with `-` for `_`; in the environment in capitals after `POSTRIDER_`.
    pub(crate) name: &'static str,
    /// If nothing is said.
    pub(crate) default: Option<&'static str>,
    /// Whether it is shown only as `[secret]`, and can be in a file that `…_FILE` names.
    pub(crate) secret: bool,
    /// What it is for.
    pub(crate) about: &'static str,
}

const fn setting(
    name: &'static str,
    default: Option<&'static str>,
    about: &'static str,
) -> Setting {
    Setting {
        name,
        default,
        secret: false,
        about,
    }
}

#[rustfmt::skip] // one line for each setting
pub(crate) const SETTINGS: &[Setting] = &[
    setting("data", Some("postrider-data"), "the directory with the database; made if it is not there"),
    setting("listen", Some("127.0.0.1:8080"), "the address of the API"),
    Setting { secret: true, ..setting("api_key", None, "a key for all tenants with every scope, beside those that are kept") },
    setting("allow_networks", Some(""), "networks beside the public ones that requests may go to, with commas between"),
    setting("deny_networks", Some(""), "networks that no request goes to, whatever is allowed, with commas between"),
    setting("allow_http", None, "send to http:// URLs, too: true or false; if nothing is said, only where the API listens on a loopback address"),
    Setting { secret: true, ..setting("proxy", None, "an HTTP proxy that requests go through, as http://USER:PASSWORD@HOST:PORT") },
    setting("proxy_except", Some(""), "networks that are reached without the proxy, with commas between"),
    setting("proxy_resolves", Some("false"), "leave it to the proxy to look up names, and to keep requests from private addresses"),
    setting("address_family", Some("any"), "the addresses that requests go to: any, ipv4 or ipv6"),
    setting("source_address", Some(""), "the address that requests come from, or one of each family, with a comma between"),
    setting("ca_file", Some(""), "a PEM file with certificate authorities that receivers are believed by, beside the others"),
    setting("system_roots", Some("false"), "believe receivers by the certificate authorities of this system instead of those that are built in"),
    setting("attempt_timeout_max_s", Some("600"), "the longest timeout of an attempt; longer ones of endpoints are cut to it"),
    setting("trusted_proxies", Some(""), "networks whose X-Forwarded-For is believed, with commas between"),
    setting("default_retry", Some(""), "the retry policy of endpoints that are registered without one: JSON, as POST /v1/endpoints takes it"),
    setting("default_timeout_ms", Some(""), "their time for one attempt, in milliseconds"),
    setting("default_signatures", Some(""), "how their requests are signed, with the names of the headers: JSON, as POST /v1/endpoints takes it"),
    setting("public_url", Some(""), "where browsers find this server, for links to the portal; if nothing is said, where each request went"),
    setting("portal_frame_origins", Some(""), "origins whose pages may show the portal in a frame, with commas between"),
    setting("playground", Some("false"), "have a receiver of its own on a loopback port, which answers as receivers do, to try things out with"),
    setting("unsigned_sources", Some("false"), "let sources be made where nothing is signed, for networks that each of them names"),
    setting("connections_max", Some("4096"), "connections to the API at the same time; those beyond are closed"),
    setting("known_event_types_only", Some("false"), "refuse events whose type is not in the catalogue"),
    setting("open_metrics", Some("false"), "show /metrics without a key"),
    setting("shutdown_timeout_s", Some("35"), "how long requests under way may take once the server is asked to end"),
    setting("keep_ended_days", Some("30"), "how long deliveries are kept that were delivered or discarded"),
    setting("keep_failed_days", Some("90"), "how long dead letters are kept"),
    setting("keep_audit_days", Some("90"), "how long it is kept who did what; at most 1,000,000 entries"),
    setting("pending_deliveries_max", Some("10000000"), "deliveries that may be pending; events beyond are refused"),
    setting("pending_bytes_max", Some("68719476736"), "their payload bytes"),
    setting("payload_bytes_max", Some("1048576"), "the largest payload of an event, and so the largest body of a webhook that comes in; up to 26214400"),
    setting("log_format", Some("text"), "text, or json: one object a line"),
    setting("log", Some("info"), "what is logged: a level, or tracing directives"),
];

/// The largest payload that can be set, in bytes: GitHub sends no larger body.
const PAYLOAD_BYTES_MAX: usize = 25 << 20;

/// Environment variables of ours that are no settings of the server.
const OTHERS: [&str; 3] = ["POSTRIDER_CONFIG", "POSTRIDER_SECRET", "POSTRIDER_URL"];

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    Flag,
    Environment(String),
    File(PathBuf),
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag => f.write_str("flag"),
            Self::Environment(name) => write!(f, "environment ({name})"),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Default => f.write_str("default"),
        }
    }
}

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    #[error("{origin}: {name} = {text:?} is refused: {why}")]
    Value {
        origin: Origin,
        name: &'static str,
        text: String,
        why: String,
    },
    #[error(
        "{origin}: there is no setting {name:?}; `{program} config show` lists them",
        program = crate::program::name()
    )]
    Unknown { origin: Origin, name: String },
    #[error("{path} cannot be read: {error}")]
    Read {
        path: PathBuf,
        error: std::io::Error,
    },
    #[error("{path} is not as expected: {why}")]
    File { path: PathBuf, why: String },
}

/// Values with their origins, before anything is made of them.
#[derive(Debug, Default)]
pub(crate) struct Values {
    set: BTreeMap<&'static str, (String, Origin)>,
    unknown: Vec<UnknownVariable>,
}

impl Values {
    /// Gathers what is set: `flags` by name, then the environment, then the file.
    pub(crate) fn gather(
        flags: impl IntoIterator<Item = (&'static str, Option<String>)>,
        environment: impl IntoIterator<Item = (String, String)>,
        config: Option<PathBuf>,
    ) -> Result<Self, ConfigError> {
        let environment: BTreeMap<String, String> = environment.into_iter().collect();
        let mut values = Self::default();
        for (name, text) in flags {
            if let Some(text) = text {
                values.set.insert(name, (text, Origin::Flag));
            }
        }
        values.take_environment(&environment)?;
        let config = config.or_else(|| environment.get("POSTRIDER_CONFIG").map(PathBuf::from));
        for (name, text, path) in file::read(config)? {
            let from_file = (text, Origin::File(path));
            values.set.entry(name).or_insert(from_file);
        }
        Ok(values)
    }

    fn get(&self, name: &'static str) -> Option<(String, Origin)> {
        let setting = SETTINGS.iter().find(|setting| setting.name == name);
        let default = setting.and_then(|setting| setting.default);
        let default = default.map(|text| (text.to_owned(), Origin::Default));
        self.set.get(name).cloned().or(default)
    }

    /// Variables that sound like settings and are none.
    pub(crate) fn unknown(&self) -> &[UnknownVariable] {
        &self.unknown
    }

    /// Where a value comes from, if it is set.
    pub(crate) fn origin(&self, name: &'static str) -> Option<&Origin> {
        self.set.get(name).map(|(_, origin)| origin)
    }

    fn parsed<T: Kind>(&self, name: &'static str) -> Result<T, ConfigError> {
        self.made(name, T::read)
    }

    fn made<T>(
        &self,
        name: &'static str,
        make: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<T, ConfigError> {
        let (text, origin) = self.get(name).unwrap_or((String::new(), Origin::Default));
        make(&text).map_err(|why| ConfigError::Value {
            origin,
            name,
            text,
            why,
        })
    }
}

/// The settings of a server.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) data: PathBuf,
    pub(crate) listen: SocketAddr,
    pub(crate) api_key: Option<String>,
    pub(crate) egress: EgressGuard,
    pub(crate) uplink: Uplink,
    pub(crate) roots: RootCertStore,
    pub(crate) trusted_proxies: Networks,
    pub(crate) endpoint_defaults: EndpointDefaults,
    pub(crate) public_url: PublicUrl,
    pub(crate) portal_frame_origins: FrameOrigins,
    pub(crate) playground: bool,
    pub(crate) unsigned_sources: bool,
    pub(crate) connections_max: NonZeroU32,
    pub(crate) known_event_types_only: bool,
    pub(crate) open_metrics: bool,
    pub(crate) shutdown_timeout: Duration,
    pub(crate) attempt_timeout_max: Duration,
    pub(crate) keep_ended: Duration,
    pub(crate) keep_failed: Duration,
    pub(crate) keep_audit: Duration,
    pub(crate) pending_deliveries_max: u64,
    pub(crate) pending_bytes_max: u64,
    pub(crate) payload_bytes_max: usize,
    pub(crate) log_json: bool,
    pub(crate) log: String,
    /// All of this as it was said, for whoever asks the server; less the secrets, by name.
    pub(crate) settings: Vec<postrider_server::Setting>,
    pub(crate) secrets_left_out: Vec<String>,
}

/// A day: no service manager waits for longer.
const SHUTDOWN_TIMEOUT_S_MAX: u64 = 86_400;

/// An operator's own key has to be as hard to guess as ours.
const API_KEY_CHARS_MIN: usize = 24;

impl Config {
    /// Makes something of every value, or says which one cannot be used.
    pub(crate) fn of(values: &Values) -> Result<Self, ConfigError> {
        let days = |name| {
            let days: u32 = values.parsed(name)?;
            Ok::<_, ConfigError>(Duration::from_secs(u64::from(days) * 86_400))
        };
        let api_key = values.made("api_key", |text| match text.chars().count() {
            0 => Ok(None),
            API_KEY_CHARS_MIN.. => Ok(Some(text.to_owned())),
            _ => Err(format!("use at least {API_KEY_CHARS_MIN} characters")),
        });
        let api_key = api_key.map_err(without_value)?;
        let listen: SocketAddr = values.parsed("listen")?;
        let (settings, secrets_left_out) = values.told();
        Ok(Self {
            settings,
            secrets_left_out,
            data: values.parsed("data")?,
            listen,
            api_key,
            egress: egress(values, listen)?,
            uplink: uplink::uplink(values)?,
            roots: uplink::roots(values)?,
            trusted_proxies: values.parsed("trusted_proxies")?,
            endpoint_defaults: endpoint_defaults(values)?,
            public_url: values.parsed("public_url")?,
            portal_frame_origins: values.parsed("portal_frame_origins")?,
            playground: values.parsed("playground")?,
            unsigned_sources: values.parsed("unsigned_sources")?,
            connections_max: values.parsed("connections_max")?,
            known_event_types_only: values.parsed("known_event_types_only")?,
            open_metrics: values.parsed("open_metrics")?,
            shutdown_timeout: values.made("shutdown_timeout_s", |text| {
                kinds::at_most(text, SHUTDOWN_TIMEOUT_S_MAX).map(Duration::from_secs)
            })?,
            attempt_timeout_max: values.made("attempt_timeout_max_s", |text| {
                match text.parse::<u64>() {
                    Ok(seconds @ 1..=3_600) => Ok(Duration::from_secs(seconds)),
                    _ => Err("use 1 to 3600 seconds".to_owned()),
                }
            })?,
            keep_ended: days("keep_ended_days")?,
            keep_failed: days("keep_failed_days")?,
            keep_audit: days("keep_audit_days")?,
            pending_deliveries_max: values.parsed("pending_deliveries_max")?,
            pending_bytes_max: values.parsed("pending_bytes_max")?,
            payload_bytes_max: values.made("payload_bytes_max", |text| {
                match text.parse::<usize>() {
                    Ok(bytes @ 1..=PAYLOAD_BYTES_MAX) => Ok(bytes),
                    _ => Err(format!("use 1 to {PAYLOAD_BYTES_MAX} bytes")),
                }
            })?,
            log_json: values.made("log_format", |text| match text {
                "text" => Ok(false),
                "json" => Ok(true),
                _ => Err("use text or json".to_owned()),
            })?,
            log: values.made("log", |text| {
                crate::log::check(text).map(|()| text.to_owned())
            })?,
        })
    }
}

/// Where requests may go. In the clear only if that is said, or the server is for this machine.
fn egress(values: &Values, listen: SocketAddr) -> Result<EgressGuard, ConfigError> {
    let guard: EgressGuard = values.parsed("allow_networks")?;
    let denied = values.made("deny_networks", |text| {
        postrider::egress::ranges(text).map_err(|error| error.to_string())
    })?;
    let allow_http = values.made("allow_http", |text| match text {
        "" => Ok(listen.ip().is_loopback()),
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err("use true or false".to_owned()),
    })?;
    let guard = guard.denying(denied);
    Ok(if allow_http {
        guard
    } else {
        guard.https_only()
    })
}

/// What is set of the defaults of endpoints. Each is read alone, so that an error names it.
fn endpoint_defaults(values: &Values) -> Result<EndpointDefaults, ConfigError> {
    let settings = [
        ("default_retry", "retry"),
        ("default_timeout_ms", "timeout_ms"),
        ("default_signatures", "signatures"),
    ];
    let mut fields = Vec::new();
    for (name, field) in settings {
        let set = values.made(name, |text| {
            if text.is_empty() {
                return Ok(None);
            }
            let alone = format!("{{\"{field}\": {text}}}");
            let defaults: Result<EndpointDefaults, _> = alone.parse();
            let why = |error: postrider_server::InvalidDefaults| error.to_string();
            defaults
                .map(|_| Some(format!("\"{field}\": {text}")))
                .map_err(why)
        });
        fields.extend(set?);
    }
    let all = format!("{{{}}}", fields.join(", "));
    let parsed = all.parse::<EndpointDefaults>();
    parsed.map_err(|error| ConfigError::Value {
        origin: Origin::Default,
        name: "default_retry",
        text: all.clone(),
        why: error.to_string(),
    })
}

/// A secret is not repeated in an error.
fn without_value(error: ConfigError) -> ConfigError {
    match error {
        ConfigError::Value {
            origin, name, why, ..
        } => ConfigError::Value {
            origin,
            name,
            text: "[secret]".to_owned(),
            why,
        },
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        let pairs = pairs.iter();
        pairs
            .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
            .collect()
    }

    fn gathered(pairs: &[(&str, &str)], listen: Option<&str>) -> Result<Values, ConfigError> {
        let flags = [("listen", listen.map(str::to_owned))];
        let mut pairs = pairs.to_vec();
        pairs.push(("POSTRIDER_CONFIG", ""));
        Values::gather(flags, environment(&pairs), None)
    }

    #[test]
    fn a_flag_goes_before_the_environment_and_that_before_the_default() {
        let listen = |values: &Values| Config::of(values).unwrap().listen.to_string();
        let set = [("POSTRIDER_LISTEN", "127.0.0.1:2")];
        assert_eq!(listen(&gathered(&[], None).unwrap()), "127.0.0.1:8080");
        assert_eq!(listen(&gathered(&set, None).unwrap()), "127.0.0.1:2");
        assert_eq!(
            listen(&gathered(&set, Some("127.0.0.1:1")).unwrap()),
            "127.0.0.1:1"
        );
    }

    #[test]
    fn an_unknown_variable_ends_nothing_and_is_told_of() {
        let values = gathered(&[("POSTRIDER_LISTENN", "x")], None).unwrap();
        assert!(Config::of(&values).is_ok());
        assert_eq!(values.unknown()[0].variable, "POSTRIDER_LISTENN");
        let others = [
            ("POSTRIDER_URL", "x"),
            ("POSTRIDER_SECRET", "x"),
            ("Y", "z"),
        ];
        assert_eq!(gathered(&others, None).unwrap().unknown(), []);
    }

    #[test]
    fn every_setting_that_cannot_be_used_says_so_in_our_own_words() {
        // What the standard library and the libraries say of such texts.
        const THEIRS: [&str; 6] = [
            "invalid digit",
            "invalid socket address",
            "provided string",
            "too large to fit",
            "empty string",
            "invalid filter directive",
        ];
        for setting in SETTINGS {
            let variable = format!("POSTRIDER_{}", setting.name.to_ascii_uppercase());
            for text in ["", "one", "-1", "99999999999999999999999", "a=b=c"] {
                let values = gathered(&[(&variable, text)], None).unwrap();
                let Err(error) = Config::of(&values) else {
                    continue;
                };
                let error = error.to_string();
                assert!(error.contains(setting.name), "{error}");
                assert!(error.contains(&variable), "{error}");
                assert!(!THEIRS.iter().any(|it| error.contains(it)), "{error}");
            }
        }
        let endless = [("POSTRIDER_SHUTDOWN_TIMEOUT_S", "18446744073709551615")];
        let error = Config::of(&gathered(&endless, None).unwrap()).unwrap_err();
        let error = error.to_string();
        assert!(error.contains("from 0 to 86400"), "{error}");
        let number = [("POSTRIDER_KEEP_ENDED_DAYS", "a week")];
        let error = Config::of(&gathered(&number, None).unwrap()).unwrap_err();
        let error = error.to_string();
        assert!(error.contains("write a whole number from 0"), "{error}");
    }

    #[test]
    fn a_word_that_is_no_level_is_no_setting_of_the_log() {
        let log = |text| Config::of(&gathered(&[("POSTRIDER_LOG", text)], None).unwrap());
        for text in ["verbose", "infos", "info,chatty", "postrider=loud", "", " "] {
            let error = log(text).unwrap_err().to_string();
            assert!(error.contains("trace"), "{text:?}: {error}");
        }
        for text in [
            "off",
            "INFO",
            "info,postrider=debug",
            "warn,hyper::client=trace",
        ] {
            assert_eq!(log(text).unwrap().log, text);
        }
    }

    #[test]
    fn a_value_that_cannot_be_used_is_named_with_its_origin() {
        let values = gathered(&[("POSTRIDER_ALLOW_NETWORKS", "10.0.0.0/33")], None).unwrap();
        let error = Config::of(&values).unwrap_err().to_string();
        assert!(
            error.contains("allow_networks") && error.contains("environment"),
            "{error}"
        );
    }

    #[test]
    fn defaults_of_endpoints_are_set_one_by_one_and_checked_at_the_start() {
        let made = |pairs: &[(&str, &str)]| Config::of(&gathered(pairs, None).unwrap());
        let retry = ("POSTRIDER_DEFAULT_RETRY", r#"{"delays_ms": [1000]}"#);
        let signatures = (
            "POSTRIDER_DEFAULT_SIGNATURES",
            r#"[{"scheme": "standard"}]"#,
        );
        let config = made(&[retry, ("POSTRIDER_DEFAULT_TIMEOUT_MS", "7"), signatures]).unwrap();
        let expected = r#"{"retry": {"delays_ms": [1000]}, "timeout_ms": 7,
            "signatures": [{"scheme": "standard"}]}"#;
        let expected: EndpointDefaults = expected.parse().unwrap();
        assert_eq!(config.endpoint_defaults, expected);
        assert_eq!(
            made(&[]).unwrap().endpoint_defaults,
            EndpointDefaults::default()
        );
        for (name, wrong) in [
            ("default_retry", "5 times"),
            ("default_timeout_ms", "0"),
            ("default_signatures", r#"[{"scheme": "rot13"}]"#),
        ] {
            let variable = format!("POSTRIDER_{}", name.to_ascii_uppercase());
            let error = made(&[(variable.as_str(), wrong)]).unwrap_err().to_string();
            assert!(error.contains(name), "{error}");
        }
    }

    #[test]
    fn what_the_server_tells_of_its_settings_has_no_secret_in_it() {
        let key = ("POSTRIDER_API_KEY", "a-key-that-nobody-is-told-of");
        let config = Config::of(&gathered(&[key], Some("127.0.0.1:1")).unwrap()).unwrap();
        assert_eq!(config.secrets_left_out, ["api_key", "proxy"]);
        assert_eq!(config.settings.len() + 2, SETTINGS.len());
        assert!(!format!("{:?}", config.settings).contains(key.1));
        let listen = config.settings.iter().find(|it| it.name == "listen");
        let listen = listen.map(|it| (it.value.as_deref(), it.origin.as_str()));
        assert_eq!(listen, Some((Some("127.0.0.1:1"), "flag")));
    }

    #[test]
    fn a_short_key_is_refused_without_being_repeated() {
        let values = gathered(&[("POSTRIDER_API_KEY", "hunter2")], None).unwrap();
        let error = Config::of(&values).unwrap_err().to_string();
        assert!(!error.contains("hunter2"), "{error}");
    }
}
