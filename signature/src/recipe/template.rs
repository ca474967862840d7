//! What is signed, as a template.

use super::problem::RecipeError;

/// A part of what is signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    Text(String),
    Body,
    Timestamp,
    Id,
    Method,
    Url,
    Form,
    Header(String),
    Field(String),
}

/// The pieces of a template.
pub(super) fn parse(text: &str) -> Result<Vec<Piece>, RecipeError> {
    let mut pieces = Vec::new();
    let mut literal = String::new();
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        let at = text.len() - rest.len();
        let problem = |problem| RecipeError::Template { at, problem };
        if let Some(after) = rest.strip_prefix("{{") {
            literal.push('{');
            rest = after;
        } else if let Some(after) = rest.strip_prefix('{') {
            let (name, after) = after
                .split_once('}')
                .ok_or_else(|| problem("a `{` is not closed: write `{{` for a brace"))?;
            if !literal.is_empty() {
                pieces.push(Piece::Text(core::mem::take(&mut literal)));
            }
            pieces.push(piece(name).ok_or_else(|| {
                problem(
                    "use {body}, {timestamp}, {id}, {method}, {url}, {form}, {header:NAME} or \
                     {field:/POINTER}",
                )
            })?);
            rest = after;
        } else {
            literal.push(next);
            rest = &rest[next.len_utf8()..];
        }
    }
    if !literal.is_empty() {
        pieces.push(Piece::Text(literal));
    }
    Ok(pieces)
}

fn piece(name: &str) -> Option<Piece> {
    Some(match name {
        "body" => Piece::Body,
        "timestamp" => Piece::Timestamp,
        "id" => Piece::Id,
        "method" => Piece::Method,
        "url" => Piece::Url,
        "form" => Piece::Form,
        _ => match name.split_once(':')? {
            ("header", name) if !name.is_empty() => Piece::Header(name.to_owned()),
            ("field", pointer) if pointer.starts_with('/') => Piece::Field(pointer.to_owned()),
            _ => return None,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_is_read_into_its_pieces() {
        assert_eq!(
            parse("v0:{timestamp}:{body}{{x}{header:X-A}{field:/a/*/b}").unwrap(),
            [
                Piece::Text("v0:".into()),
                Piece::Timestamp,
                Piece::Text(":".into()),
                Piece::Body,
                Piece::Text("{x}".into()),
                Piece::Header("X-A".into()),
                Piece::Field("/a/*/b".into()),
            ]
        );
        assert!(parse("").unwrap().is_empty());
    }

    #[test]
    fn a_template_that_cannot_be_read_names_the_place() {
        for (text, at) in [
            ("a{body", 1),
            ("{nobody}", 0),
            ("é{field:a}", 2),
            ("{header:}", 0),
            ("{body}{}", 6),
        ] {
            let error = parse(text).unwrap_err();
            assert!(
                matches!(error, RecipeError::Template { at: found, .. } if found == at),
                "{text}: {error}"
            );
        }
    }
}
