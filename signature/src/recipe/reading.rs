//! A recipe made ready, and what a request claims under it.

use super::problem::{RecipeError, Refusal};
use super::template::{self, Piece};
use super::{Algorithm, Encoded, Place, Received, Recipe, SignedTime, TimePlace, TimeUnit, form};
use crate::headers::checked;
use crate::request::{HEADER_VALUE_BYTES_MAX, SIGNATURES_MAX};
use crate::sign::{ID_BYTES_MAX, is_id};
use crate::verify::HeaderProblem;
use base64ct::{Base64Unpadded, Encoding as _};
use std::borrow::Cow;

/// The most elements of an array that are looked at, one signature each.
const ITEMS_MAX: usize = 100;

/// A recipe with texts of its own, all of whose parts fit together.
#[derive(Clone, Debug)]
pub(super) struct Made {
    pub(super) algorithm: Algorithm,
    encoding: Encoded,
    pub(super) signature: At,
    prefix: String,
    separator: Option<char>,
    pieces: Vec<Piece>,
    time: Option<(TimeAt, TimeUnit)>,
    id_header: Option<String>,
    pub(super) body_digest: Option<String>,
    /// The array whose elements are each signed.
    each: Option<String>,
}

/// As [`Place`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum At {
    Header(String),
    Field(String),
}

/// As [`TimePlace`].
#[derive(Clone, Debug)]
enum TimeAt {
    Place(At),
    Item(String),
}

/// What a request claims: all well-formed, nothing proven.
pub(super) struct Claim<'h> {
    pub(super) id: Option<&'h str>,
    /// As it is written.
    pub(super) time: String,
    pub(super) unix_seconds: Option<u64>,
    /// At least one, at most [`SIGNATURES_MAX`].
    pub(super) signatures: Vec<Vec<u8>>,
    /// Of the array whose elements are each signed.
    pub(super) index: usize,
}

fn part(part: &'static str, problem: &'static str) -> RecipeError {
    RecipeError::Part { part, problem }
}

impl At {
    fn of(place: Place<'_>, name: &'static str) -> Result<Self, RecipeError> {
        match place {
            Place::Header(header) => checked(header)
                .map(|header| Self::Header(header.into_owned()))
                .map_err(|_| part(name, "is no name of a header")),
            Place::Field(pointer) if pointer.starts_with('/') => {
                Ok(Self::Field(pointer.to_owned()))
            }
            Place::Field(_) => Err(part(
                name,
                "is no JSON pointer (RFC 6901): it begins with `/`",
            )),
        }
    }

    pub(super) fn named(&self) -> String {
        match self {
            Self::Header(name) => Place::Header(name).named(),
            Self::Field(pointer) => Place::Field(pointer).named(),
        }
    }

    fn missing(&self) -> Refusal {
        Refusal::Missing {
            place: self.named(),
            is_field: matches!(self, Self::Field(_)),
        }
    }

    /// The values there; of a header that repeats, all.
    fn values(&self, request: &Received<'_, '_>, index: usize) -> Result<Vec<String>, Refusal> {
        let values: Vec<String> = match self {
            Self::Header(name) => header_values(request, name)
                .map(|value| value.map(str::to_owned))
                .collect::<Result<_, _>>()?,
            Self::Field(pointer) => {
                let text = request.fields.text(&at(pointer, index));
                text.into_iter().map(Cow::into_owned).collect()
            }
        };
        if values.is_empty() {
            Err(self.missing())
        } else {
            Ok(values)
        }
    }

    /// The one value there.
    fn value(&self, request: &Received<'_, '_>, index: usize) -> Result<String, Refusal> {
        let mut values = self.values(request, index)?;
        match (values.pop(), values.pop()) {
            (Some(value), None) => Ok(value),
            (_, Some(_)) => Err(self.repeated()),
            (None, None) => Err(self.missing()),
        }
    }

    fn repeated(&self) -> Refusal {
        Refusal::Malformed {
            place: self.named(),
            problem: HeaderProblem::Repeated,
        }
    }
}

/// The values of the headers of this name: an error for one that is too long or no text.
fn header_values<'h>(
    request: &Received<'h, '_>,
    name: &str,
) -> impl Iterator<Item = Result<&'h str, Refusal>> {
    let named = request
        .headers
        .iter()
        .filter(move |(own, _)| own.eq_ignore_ascii_case(name));
    named.map(move |&(_, value)| {
        let malformed = |problem| Refusal::Malformed {
            place: Place::Header(name).named(),
            problem,
        };
        if value.len() > HEADER_VALUE_BYTES_MAX {
            let bytes = value.len();
            return Err(malformed(HeaderProblem::TooLong { bytes }));
        }
        core::str::from_utf8(value).map_err(|_| malformed(HeaderProblem::NotUtf8))
    })
}

/// The pointer with the index for `*`.
fn at(pointer: &str, index: usize) -> Cow<'_, str> {
    if !pointer.contains('*') {
        return Cow::Borrowed(pointer);
    }
    let index = index.to_string();
    let parts = pointer.split('/');
    let parts: Vec<&str> = parts
        .map(|part| if part == "*" { &*index } else { part })
        .collect();
    Cow::Owned(parts.join("/"))
}

/// The pointer of the array, if there is a `*` in this one.
fn array_of(pointer: &str) -> Option<&str> {
    let (array, rest) = pointer.split_once("/*")?;
    (rest.is_empty() || rest.starts_with('/')).then_some(array)
}

/// Whether the body is a form.
pub(super) fn is_form(request: &Received<'_, '_>) -> bool {
    let mut types = request
        .headers
        .iter()
        .filter(|(name, _)| name.eq_ignore_ascii_case("content-type"));
    types.any(|(_, value)| {
        let essence = value.split(|byte| *byte == b';').next().unwrap_or_default();
        let essence = essence.trim_ascii();
        essence.eq_ignore_ascii_case(b"application/x-www-form-urlencoded")
    })
}

impl Made {
    pub(super) fn of(recipe: &Recipe<'_>) -> Result<Self, RecipeError> {
        let time = recipe.timestamp.map(|SignedTime { place, unit }| {
            let place = match place {
                TimePlace::Header(name) => TimeAt::Place(At::of(Place::Header(name), "timestamp")?),
                TimePlace::Field(field) => TimeAt::Place(At::of(Place::Field(field), "timestamp")?),
                TimePlace::Item(label) => TimeAt::Item(label.to_owned()),
            };
            Ok::<_, RecipeError>((place, unit))
        });
        let id_header = recipe.id_header.map(|name| {
            let name = checked(name).map_err(|_| part("id_header", "is no name of a header"));
            Ok::<_, RecipeError>(name?.into_owned())
        });
        let mut made = Self {
            algorithm: recipe.algorithm,
            encoding: recipe.encoding,
            signature: At::of(recipe.signature, "signature")?,
            prefix: recipe.prefix.to_owned(),
            separator: recipe.separator,
            pieces: template::parse(recipe.signed)?,
            time: time.transpose()?,
            id_header: id_header.transpose()?,
            body_digest: recipe.body_digest.map(str::to_owned),
            each: None,
        };
        made.check()?;
        made.each = made.array()?;
        Ok(made)
    }

    fn has(&self, wanted: &Piece) -> bool {
        self.pieces.contains(wanted)
    }

    pub(super) fn signs_body(&self) -> bool {
        self.has(&Piece::Body)
    }

    pub(super) fn signs_url(&self) -> bool {
        self.has(&Piece::Url)
    }

    /// Whether the time is covered.
    pub(super) fn covers_time(&self) -> bool {
        self.time.is_some()
    }

    /// Whether all parts fit together.
    fn check(&self) -> Result<(), RecipeError> {
        let is_field = |piece: &Piece| matches!(piece, Piece::Field(_));
        let covers = self.signs_body() || self.has(&Piece::Form);
        if self.algorithm == Algorithm::Token {
            let bare = self.pieces.is_empty() && self.time.is_none() && self.id_header.is_none();
            return if bare {
                Ok(())
            } else {
                Err(part(
                    "signed",
                    "has no use with `token`, which signs nothing",
                ))
            };
        }
        if !covers && !self.pieces.iter().any(is_field) {
            return Err(part(
                "signed",
                "covers nothing of the body: use `{body}`, `{form}` or fields",
            ));
        }
        if self.encoding == Encoded::Plain {
            return Err(part(
                "encoding",
                "`plain` is for tokens: use `hex` or `base64`",
            ));
        }
        if self.signs_body() && matches!(self.signature, At::Field(_)) {
            return Err(part(
                "signed",
                "cannot have `{body}` where the signature is in the body",
            ));
        }
        let signs_time = self.has(&Piece::Timestamp);
        match &self.time {
            None if signs_time => {
                return Err(part("signed", "has `{timestamp}`: say where that is"));
            }
            Some((TimeAt::Item(_), _)) if self.separator.is_none() => {
                return Err(part(
                    "separator",
                    "is needed where the time is in the same value",
                ));
            }
            Some((TimeAt::Place(At::Field(_)), _)) if signs_time || self.signs_body() => {}
            Some(_) if !signs_time => {
                return Err(part(
                    "timestamp",
                    "is not signed: put `{timestamp}` into `signed`",
                ));
            }
            _ => {}
        }
        if self.has(&Piece::Id) != self.id_header.is_some() {
            return Err(part("id_header", "and `{id}` in `signed` go together"));
        }
        if self.body_digest.is_some() && !self.signs_url() {
            return Err(part("body_digest", "needs `{url}` in `signed`"));
        }
        if self
            .separator
            .is_some_and(|it| !it.is_ascii() || it.is_ascii_alphanumeric())
        {
            return Err(part(
                "separator",
                "is one character that no signature has, such as `,`",
            ));
        }
        Ok(())
    }

    /// The array that the pointers with a `*` mean, which is one.
    fn array(&self) -> Result<Option<String>, RecipeError> {
        let fields = self.pieces.iter().filter_map(|piece| match piece {
            Piece::Field(pointer) => Some(pointer),
            _ => None,
        });
        let signature = match &self.signature {
            At::Field(pointer) => Some(pointer),
            At::Header(_) => None,
        };
        let time = match &self.time {
            Some((TimeAt::Place(At::Field(pointer)), _)) => Some(pointer),
            _ => None,
        };
        let mut arrays = fields
            .chain(signature)
            .chain(time)
            .filter_map(|pointer| array_of(pointer));
        let first = arrays.next();
        if arrays.any(|array| Some(array) != first) {
            return Err(part("signed", "has `*` for the elements of two arrays"));
        }
        Ok(first.map(str::to_owned))
    }

    /// How many elements are signed: one, where there is no array.
    pub(super) fn items(&self, request: &Received<'_, '_>) -> Result<usize, Refusal> {
        let Some(array) = &self.each else {
            return Ok(1);
        };
        let length = request.fields.length(array);
        length
            .filter(|length| (1..=ITEMS_MAX).contains(length))
            .ok_or_else(|| At::Field(format!("{array}/0")).missing())
    }

    /// What the request claims for one of its elements.
    pub(super) fn claim<'h>(
        &self,
        request: &Received<'h, '_>,
        index: usize,
    ) -> Result<Claim<'h>, Refusal> {
        let values = self.signature.values(request, index)?;
        let items = || self.listed(&values);
        let label = match &self.time {
            Some((TimeAt::Item(label), _)) => Some(&**label),
            _ => None,
        };
        let is_time = |item: &str| label.is_some_and(|label| item.starts_with(label));
        let time = match &self.time {
            None => None,
            Some((TimeAt::Place(place), unit)) => {
                Some((place.value(request, index)?, place, *unit))
            }
            Some((TimeAt::Item(label), unit)) => {
                let mut times = items().filter_map(|item| item.strip_prefix(&**label));
                let (first, second) = (times.next().unwrap_or_default(), times.next());
                if second.is_some() {
                    return Err(self.signature.repeated());
                }
                Some((first.to_owned(), &self.signature, *unit))
            }
        };
        let unix_seconds = time.as_ref().map(|(text, place, unit)| {
            unit.parse(text).ok_or_else(|| Refusal::MalformedTimestamp {
                place: place.named(),
                expected: unit.expected(),
            })
        });
        let signatures = self.signatures(items().filter(|item| !is_time(item)))?;
        Ok(Claim {
            id: self.id(request)?,
            unix_seconds: unix_seconds.transpose()?,
            time: time.map(|(text, ..)| text).unwrap_or_default(),
            signatures,
            index,
        })
    }

    fn id<'h>(&self, request: &Received<'h, '_>) -> Result<Option<&'h str>, Refusal> {
        let Some(name) = &self.id_header else {
            return Ok(None);
        };
        let header = At::Header(name.clone());
        let mut values = header_values(request, name);
        let id = values.next().ok_or_else(|| header.missing())??;
        if values.next().is_some() {
            return Err(header.repeated());
        }
        // Else it would not be clear where the id ends.
        let has_dot = self
            .pieces
            .iter()
            .any(|piece| matches!(piece, Piece::Text(text) if text.contains('.')));
        let is_visible = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_graphic());
        if (is_visible && !has_dot && id.len() <= ID_BYTES_MAX) || is_id(id) {
            return Ok(Some(id));
        }
        Err(Refusal::Malformed {
            place: header.named(),
            problem: HeaderProblem::NotAnId,
        })
    }

    /// The items of one value. A header that came twice may have been joined by a comma on its way
    /// (RFC 9110, section 5.3), which no signature has; a token may.
    fn split<'v>(&self, value: &'v str) -> impl Iterator<Item = &'v str> + use<'v> {
        let comma = (self.encoding != Encoded::Plain).then_some(',');
        let separator = self.separator.or(comma);
        let items = value.split(move |it: char| Some(it) == separator);
        items.map(str::trim).filter(|item| !item.is_empty())
    }

    fn listed<'v>(&'v self, values: &'v [String]) -> impl Iterator<Item = &'v str> {
        values.iter().flat_map(move |value| self.split(value))
    }

    fn signatures<'v>(
        &self,
        items: impl Iterator<Item = &'v str>,
    ) -> Result<Vec<Vec<u8>>, Refusal> {
        let malformed = |problem| Refusal::MalformedSignature {
            place: self.signature.named(),
            problem,
        };
        let mut found = false;
        let mut signatures = Vec::new();
        for (number, item) in items.enumerate() {
            if number >= SIGNATURES_MAX {
                let problem = format!("holds more than {SIGNATURES_MAX} signatures");
                return Err(malformed(problem));
            }
            let Some((head, text)) = item.split_at_checked(self.prefix.len()) else {
                continue;
            };
            if head.eq_ignore_ascii_case(&self.prefix) {
                found = true;
                signatures.extend(self.decoded(text.trim()));
            }
        }
        match (signatures.is_empty(), found) {
            (false, _) => Ok(signatures),
            (true, false) => {
                let problem = format!("holds no signature that begins with `{}`", self.prefix);
                Err(malformed(problem))
            }
            (true, true) => {
                let what = match self.encoding {
                    Encoded::Hex => "hex digits",
                    Encoded::Base64 => "base64",
                    Encoded::Plain => "a text",
                };
                let bytes = self.algorithm.signature_bytes();
                let bytes = bytes.map_or(String::new(), |bytes| format!(" of {bytes} bytes"));
                let problem = format!("holds no sound signature: expected {what}{bytes}");
                Err(malformed(problem))
            }
        }
    }

    fn decoded(&self, text: &str) -> Option<Vec<u8>> {
        let bytes = match self.encoding {
            Encoded::Hex => hex::decode(text).ok(),
            Encoded::Base64 => Base64Unpadded::decode_vec(text.trim_end_matches('=')).ok(),
            Encoded::Plain => Some(text.as_bytes().to_vec()),
        };
        let length = self.algorithm.signature_bytes();
        bytes.filter(|bytes| length.is_none_or(|length| bytes.len() == length))
    }

    /// What is signed, in pieces, if the sender meant this URL.
    pub(super) fn signed<'r>(
        &'r self,
        claim: &'r Claim<'_>,
        request: &Received<'_, 'r>,
        url: &'r str,
    ) -> Vec<Cow<'r, [u8]>> {
        let piece = |piece: &'r Piece| match piece {
            Piece::Text(text) => Cow::Borrowed(text.as_bytes()),
            Piece::Body => Cow::Borrowed(request.body),
            Piece::Timestamp => Cow::Borrowed(claim.time.as_bytes()),
            Piece::Id => Cow::Borrowed(claim.id.unwrap_or_default().as_bytes()),
            Piece::Method => Cow::Borrowed(request.method.as_bytes()),
            Piece::Url => Cow::Borrowed(url.as_bytes()),
            Piece::Form if is_form(request) => Cow::Owned(form::sorted(request.body)),
            Piece::Form => Cow::Borrowed(&b""[..]),
            Piece::Header(name) => {
                let mut values = header_values(request, name);
                let value = values.next().and_then(Result::ok).unwrap_or_default();
                Cow::Owned(value.as_bytes().to_vec())
            }
            Piece::Field(pointer) => {
                let text = request.fields.text(&at(pointer, claim.index));
                Cow::Owned(text.unwrap_or_default().into_owned().into_bytes())
            }
        };
        self.pieces.iter().map(piece).collect()
    }

    /// Refuses a header that is signed and is there twice: nothing tells which one was meant.
    pub(super) fn check_single(&self, request: &Received<'_, '_>) -> Result<(), Refusal> {
        for piece in &self.pieces {
            if let Piece::Header(name) = piece {
                let values: Result<Vec<&str>, Refusal> = header_values(request, name).collect();
                if values?.len() > 1 {
                    return Err(At::Header(name.clone()).repeated());
                }
            }
        }
        Ok(())
    }
}
