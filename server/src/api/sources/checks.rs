//! What the forms of a source have to be, beyond their types.

use super::custom::Custom;
use super::record::{Provider, SourceRecord};
use crate::api::Api;
use crate::api::networks::Networks;
use crate::api::problem::{Code, Problem};
use postrider::EventType;

/// The longest name and the longest prefix: there has to be room for the provider's type.
const NAME_CHARS_MAX: usize = 64;

/// The longest URL, in bytes.
const URL_BYTES_MAX: usize = 2_048;

/// The longest tolerance, in seconds.
const TOLERANCE_S_MAX: u32 = 3_600;

/// Networks of one source.
const NETWORKS_MAX: usize = 256;

/// The family of the events that Postrider itself publishes.
const RESERVED: &str = "postrider";

/// What has the wrong form.
pub(super) fn misformed(pointer: &str, detail: impl std::fmt::Display) -> Problem {
    let detail = detail.to_string();
    Problem::new(Code::InvalidBody, &detail).at(pointer, detail)
}

/// What has the right form, and no meaning.
pub(super) fn refused(pointer: &str, detail: impl std::fmt::Display) -> Problem {
    let detail = detail.to_string();
    Problem::new(Code::InvalidValue, &detail).at(pointer, detail)
}

pub(super) fn check_name(text: &str, pointer: &str) -> Result<(), Problem> {
    let form: EventType = text.parse().map_err(|error| misformed(pointer, error))?;
    if text.len() > NAME_CHARS_MAX {
        let detail = format!("use at most {NAME_CHARS_MAX} characters");
        return Err(misformed(pointer, detail));
    }
    if form.as_str().split('.').next() == Some(RESERVED) {
        let detail = "names that begin with `postrider` are Postrider's own";
        return Err(refused(pointer, detail));
    }
    Ok(())
}

pub(super) fn check_tolerance(seconds: u32) -> Result<(), Problem> {
    if (1..=TOLERANCE_S_MAX).contains(&seconds) {
        return Ok(());
    }
    let detail = format!("use 1 to {TOLERANCE_S_MAX} seconds");
    Err(misformed("/tolerance_s", detail))
}

pub(super) fn networks(texts: &[String]) -> Result<Networks, Problem> {
    if texts.len() > NETWORKS_MAX {
        let detail = format!("use at most {NETWORKS_MAX} networks");
        return Err(misformed("/allowed_networks", detail));
    }
    let networks = Networks::of(texts.iter().map(String::as_str));
    networks.map_err(|(place, error)| refused(&format!("/allowed_networks/{place}"), error))
}

/// The URL that a provider was given; none, if the text is empty.
pub(super) fn check_url(text: String) -> Result<Option<String>, Problem> {
    if text.is_empty() {
        return Ok(None);
    }
    let url = url::Url::parse(&text).ok();
    let is_plain = url.is_some_and(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.query().is_none()
            && url.fragment().is_none()
    });
    let is_written = text.bytes().all(|byte| byte.is_ascii_graphic());
    if is_plain && is_written && text.len() <= URL_BYTES_MAX {
        return Ok(Some(text));
    }
    let detail = format!(
        "use an http:// or https:// URL of at most {URL_BYTES_MAX} bytes, without a query: that of each \
         request is put behind it"
    );
    Err(refused("/url", detail))
}

/// What holds for a source as a whole: one where nothing is signed has no secret, and is for networks
/// that are named; any other has a secret, or a handshake that is to bring one.
pub(super) fn check_whole(record: &SourceRecord, at: &str) -> Result<(), Problem> {
    match (record.is_unsigned(), record.secrets.is_empty()) {
        (false, false) => Ok(()),
        (false, true) if record.awaits_secret() => Ok(()),
        (false, true) => Err(refused(
            at,
            "a source needs a secret, unless its handshake is of the kind `hook_secret` and has \
             `learn_secret`",
        )),
        (true, false) => Err(refused(
            at,
            "a source where nothing is signed has no secret",
        )),
        (true, true) if record.allowed_networks.is_empty() => Err(refused(
            "/allowed_networks",
            "nothing is signed: name the networks that are trusted",
        )),
        (true, true) => Ok(()),
    }
}

/// Custom sources say how they are signed, and no other source does.
pub(super) fn check_custom(provider: Provider, custom: Option<&Custom>) -> Result<(), Problem> {
    match (provider, custom) {
        (Provider::Custom, Some(custom)) => custom.check(),
        (Provider::Custom, None) => Err(refused("/custom", "a custom source needs it")),
        (_, Some(_)) => Err(refused("/custom", "only for the provider `custom`")),
        (_, None) => Ok(()),
    }
}

/// Sources where nothing is signed are made where the operator has said so, and nowhere else.
pub(super) fn check_allowed(api: &Api, record: &SourceRecord) -> Result<(), Problem> {
    if record.is_unsigned() && !api.options().unsigned_sources {
        let detail = "sources where nothing is signed are off here: the setting `unsigned_sources` has \
                      them on";
        return Err(refused("/custom/scheme", detail));
    }
    Ok(())
}
