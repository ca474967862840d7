//! How the portal looks for the customers of one platform.

use crate::api::problem::{Code, Problem};
use serde::{Deserialize, Serialize};
use url::Url;
use utoipa::ToSchema;

/// The longest URL of a logo, in bytes.
const URL_BYTES_MAX: usize = 1_024;

/// How the portal looks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Theme {
    /// Its main colour, as in CSS: `#rrggbb`.
    #[serde(default)]
    #[schema(pattern = "^#[0-9A-Fa-f]{6}$", example = "#1d4ed8")]
    color: Option<String>,
    /// Where the logo is: an `https://` URL.
    #[serde(default)]
    #[schema(max_length = 1024, example = "https://shop.example/logo.svg")]
    logo_url: Option<String>,
}

fn is_color(text: &str) -> bool {
    let digits = text.strip_prefix('#').unwrap_or_default();
    digits.len() == 6 && digits.bytes().all(|it| it.is_ascii_hexdigit())
}

/// The URL as browsers write it.
fn logo(text: &str) -> Option<String> {
    let url = Url::parse(text)
        .ok()
        .filter(|_| text.len() <= URL_BYTES_MAX)?;
    let is_plain = url.username().is_empty() && url.password().is_none();
    (url.scheme() == "https" && is_plain).then(|| url.into())
}

impl Theme {
    /// The same, if a browser can be given it. What else stood there could be script.
    pub(super) fn checked(self) -> Result<Self, Problem> {
        if let Some(color) = &self.color
            && !is_color(color)
        {
            let detail = "write a colour as #rrggbb";
            return Err(Problem::new(Code::InvalidBody, detail).at("/theme/color", detail));
        }
        let refused = || {
            let detail = "use an https:// URL of at most 1,024 bytes, without a name and password";
            Problem::new(Code::InvalidValue, detail).at("/theme/logo_url", detail)
        };
        let logo_url = self.logo_url.as_deref();
        let logo_url = logo_url.map(|text| logo(text).ok_or_else(refused));
        Ok(Self {
            logo_url: logo_url.transpose()?,
            color: self.color,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn theme(color: Option<&str>, logo_url: Option<&str>) -> Result<Theme, Problem> {
        let theme = Theme {
            color: color.map(str::to_owned),
            logo_url: logo_url.map(str::to_owned),
        };
        theme.checked()
    }

    #[test]
    fn a_theme_holds_nothing_but_a_colour_and_a_logo() {
        let kept = theme(Some("#1D4ed8"), Some("https://Shop.example/a b.svg")).unwrap();
        assert_eq!(kept.color.as_deref(), Some("#1D4ed8"));
        let logo = kept.logo_url.as_deref();
        assert_eq!(logo, Some("https://shop.example/a%20b.svg"));
        assert_eq!(theme(None, None).unwrap(), Theme::default());
        for color in ["red", "#12345", "#1234567", "#12345g", "#fff;}a{", ""] {
            assert!(theme(Some(color), None).is_err(), "{color}");
        }
        let long = format!("https://a.example/{}", "x".repeat(1_024));
        for url in [
            "http://shop.example/a.svg",
            "javascript:alert(1)",
            "data:image/svg+xml,x",
            "//shop.example/a.svg",
            "https://me:pass@shop.example/",
            &long,
            "",
        ] {
            assert!(theme(None, Some(url)).is_err(), "{url}");
        }
    }
}
