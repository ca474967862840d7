//! The dashboard at `/ui/`, and the portal at `/portal/`, which is the same page with another policy:
//! files that were built from `server/dashboard`, in the program.

use super::Api;
use super::problem::Problem;
use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use rust_embed::RustEmbed;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::LazyLock;

/// The page itself.
const PAGE: &str = "index.html";

/// Below this the names of files hold a hash of their content.
const HASHED: &str = "assets/";

/// Smaller files do not get smaller.
const COMPRESSED_BYTES_MIN: usize = 512;

/// What a page may load and run: its own files, and WebAssembly, which verifies signatures. Styles are
/// set by scripts alone.
const POLICY: &str = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'";

#[derive(RustEmbed)]
#[folder = "dashboard/dist"]
struct Built;

/// The files by their names.
static FILES: LazyLock<BTreeMap<String, File>> = LazyLock::new(|| {
    let all = Built::iter().filter_map(|name| {
        let built = Built::get(&name)?;
        Some((name.into_owned(), File::of(&built)))
    });
    all.collect()
});

struct File {
    whole: Bytes,
    /// The same in less, if that is so.
    gzip: Option<Bytes>,
    media_type: HeaderValue,
    tag: HeaderValue,
}

impl File {
    fn of(built: &rust_embed::EmbeddedFile) -> Self {
        let whole = match &built.data {
            Cow::Borrowed(bytes) => Bytes::from_static(bytes),
            Cow::Owned(bytes) => Bytes::copy_from_slice(bytes),
        };
        let gzip = compressed(&whole).ok();
        let gzip =
            gzip.filter(|gzip| whole.len() >= COMPRESSED_BYTES_MIN && gzip.len() < whole.len());
        let tag = format!("\"{}\"", hex::encode(&built.metadata.sha256_hash()[..16]));
        let media_type = built.metadata.mimetype();
        let media_type = match media_type.starts_with("text/") {
            true => format!("{media_type}; charset=utf-8"),
            false => media_type.to_owned(),
        };
        Self {
            whole,
            gzip: gzip.map(Bytes::from),
            media_type: value(&media_type),
            tag: value(&tag),
        }
    }
}

/// Letters, digits and a few signs.
fn value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static("application/octet-stream"))
}

fn compressed(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes)?;
    encoder.finish()
}

/// Who may look at a page.
#[derive(Clone, Copy)]
enum Page {
    /// Who runs the server, or a tenant that has its own key.
    Dashboard,
    /// Whoever was given a link; also in a frame of a page that the operator names.
    Portal,
}

impl Page {
    fn policy(self, api: &Api) -> String {
        match self {
            Self::Dashboard => format!("{POLICY}; img-src 'self'; frame-ancestors 'none'"),
            // The logo of a theme is wherever its tenant has it.
            Self::Portal => {
                let ancestors = api.options().portal_frame_origins.frame_ancestors();
                format!("{POLICY}; img-src 'self' https:; frame-ancestors {ancestors}")
            }
        }
    }
}

/// Both pages, with their files. What is below them and no file is a problem like any other.
pub(super) fn pages() -> Router<Api> {
    // Relative, so that it leads there under any prefix.
    let to = |place: &'static str| {
        get(move || async move { (StatusCode::PERMANENT_REDIRECT, [(header::LOCATION, place)]) })
    };
    Router::new()
        .route("/ui", to("ui/"))
        .route("/portal", to("portal/"))
        .merge(page("/ui/", Page::Dashboard))
        .merge(page("/portal/", Page::Portal))
}

fn page(at: &str, page: Page) -> Router<Api> {
    let index = move |State(api): State<Api>, headers: HeaderMap| async move {
        answer(&api, page, PAGE, &headers)
    };
    let file = move |State(api): State<Api>, Path(name): Path<String>, headers: HeaderMap| async move {
        answer(&api, page, &name, &headers)
    };
    Router::new()
        .route(at, get(index))
        .route(&format!("{at}{{*name}}"), get(file))
}

fn answer(api: &Api, page: Page, name: &str, asked: &HeaderMap) -> Response {
    let Some(file) = FILES.get(name) else {
        return Problem::not_found(format_args!("file {name} of the dashboard")).into_response();
    };
    let mut headers = HeaderMap::new();
    let keep = match name.starts_with(HASHED) {
        true => "public, max-age=31536000, immutable",
        false => "no-store",
    };
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(keep));
    headers.insert(header::CONTENT_TYPE, file.media_type.clone());
    headers.insert(header::ETAG, file.tag.clone());
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    headers.insert(header::CONTENT_SECURITY_POLICY, value(&page.policy(api)));
    if matches!(page, Page::Portal) {
        // The policy says who may; this older header could only say that nobody may.
        headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static(FRAMES));
    }
    if asked.get(header::IF_NONE_MATCH) == Some(&file.tag) {
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    match &file.gzip {
        Some(gzip) if takes_gzip(asked) => {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            (headers, gzip.clone()).into_response()
        }
        _ => (headers, file.whole.clone()).into_response(),
    }
}

/// Browsers ignore a value that they do not know, and obey `frame-ancestors`.
const FRAMES: &str = "see-content-security-policy";

/// Whether gzip is named and not ruled out (RFC 9110, section 12.5.3).
fn takes_gzip(asked: &HeaderMap) -> bool {
    let lines = asked.get_all(header::ACCEPT_ENCODING).iter();
    let mut codings = lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .map(|coding| coding.split_once(';').unwrap_or((coding, "")));
    codings.any(|(name, weight)| {
        let weight = weight.trim().strip_prefix("q=").unwrap_or("1");
        let is_out = weight.trim_end_matches(['0', '.']).is_empty();
        name.trim().eq_ignore_ascii_case("gzip") && !is_out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_sent_to_whoever_names_it_and_does_not_rule_it_out() {
        let takes = |line: &str| {
            let value = HeaderValue::from_str(line).unwrap();
            takes_gzip(&HeaderMap::from_iter([(header::ACCEPT_ENCODING, value)]))
        };
        for line in ["gzip", "br, GZIP;q=0.5", "deflate, gzip;q=1.0"] {
            assert!(takes(line), "{line}");
        }
        for line in ["", "br", "gzip;q=0", "gzip;q=0.000, br"] {
            assert!(!takes(line), "{line}");
        }
    }

    #[test]
    fn the_page_names_no_file_that_is_not_there() {
        let page = String::from_utf8(FILES[PAGE].whole.to_vec()).unwrap();
        let mut named = 0;
        for part in page.split('"').filter_map(|part| part.strip_prefix("./")) {
            assert!(FILES.contains_key(part), "{part}");
            named += 1;
        }
        assert!(named >= 2, "{page}");
    }
}
