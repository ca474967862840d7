//! Rust as a flat list of tokens: enough for every rule, and it sees inside macros, too.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};

/// A word, a sign, a literal, or one side of a pair of brackets.
pub(super) struct Token {
    pub(super) text: String,
    pub(super) line: usize,
    /// How many pairs of brackets are around it; a bracket is not within its own pair.
    pub(super) depth: usize,
    /// It belongs to an item under `#[cfg(test)]` or `#[test]`.
    pub(super) in_test: bool,
}

/// A function with a body.
pub(super) struct Function<'t> {
    /// The place of `fn` among the tokens.
    at: usize,
    pub(super) name: &'t str,
    pub(super) line: usize,
    /// Lines between the braces of its body.
    pub(super) lines: usize,
}

/// The tokens of a file. Doc comments are literals in attributes, other comments are nothing.
pub(super) fn of(path: &str, text: &str) -> Vec<Token> {
    let stream: TokenStream = text
        .parse()
        .unwrap_or_else(|error| panic!("{path}: {error}"));
    let mut tokens = Vec::new();
    flatten(stream, 0, false, &mut tokens);
    tokens
}

fn flatten(stream: TokenStream, depth: usize, in_test: bool, tokens: &mut Vec<Token>) {
    let mut trees = stream.into_iter().peekable();
    // From the attribute to the end of its item: a `;` or a body.
    let mut test_item = false;
    while let Some(tree) = trees.next() {
        let sign = matches!(&tree, TokenTree::Punct(punct) if punct.as_char() == '#');
        if let Some(TokenTree::Group(attribute)) = trees.peek()
            && sign
        {
            test_item |= is_for_tests(attribute);
        }
        let mut push = |text: String, line: usize| {
            let in_test = in_test || test_item;
            tokens.push(Token {
                text,
                line,
                depth,
                in_test,
            });
        };
        let start = tree.span().start().line;
        let TokenTree::Group(group) = tree else {
            let text = tree.to_string();
            let ends = text == ";";
            push(text, start);
            test_item &= !ends;
            continue;
        };
        let (open, close) = match group.delimiter() {
            Delimiter::Parenthesis => ("(", ")"),
            Delimiter::Brace => ("{", "}"),
            Delimiter::Bracket => ("[", "]"),
            Delimiter::None => ("", ""),
        };
        push(open.to_owned(), start);
        flatten(group.stream(), depth + 1, in_test || test_item, tokens);
        let end = group.span().end().line;
        let in_test = in_test || test_item;
        tokens.push(Token {
            text: close.to_owned(),
            line: end,
            depth,
            in_test,
        });
        test_item &= group.delimiter() != Delimiter::Brace;
    }
}

/// Whether an attribute makes its item a test, or a part of tests alone.
fn is_for_tests(attribute: &Group) -> bool {
    let text: String = attribute.stream().to_string().split_whitespace().collect();
    let path = text.split('(').next().unwrap_or_default();
    path.rsplit("::").next() == Some("test")
        || text == "cfg(test)"
        || text.starts_with("cfg(all(test,")
}

/// Whether these texts stand here one after the other.
pub(super) fn starts_with(tokens: &[Token], texts: &[&str]) -> bool {
    tokens.len() >= texts.len()
        && tokens
            .iter()
            .zip(texts)
            .all(|(token, text)| token.text == *text)
}

/// The functions of a file, from top to bottom.
pub(super) fn functions(tokens: &[Token]) -> Vec<Function<'_>> {
    let starts = (0..tokens.len()).filter(|at| tokens[*at].text == "fn");
    let functions = starts.filter_map(|at| {
        let (depth, name) = (tokens[at].depth, tokens.get(at + 1)?);
        let mut here = tokens[at..].iter().filter(|token| token.depth == depth);
        let open = here.find(|token| [";", "{"].contains(&&*token.text))?;
        let close = here.find(|token| token.text == "}")?;
        let declares = open.text == "{" && name.text != "(";
        declares.then(|| Function {
            at,
            name: &name.text,
            line: tokens[at].line,
            lines: close.line.saturating_sub(open.line + 1),
        })
    });
    functions.collect()
}

/// The functions under `#[test]`, `#[tokio::test]` and the like.
pub(super) fn test_functions(tokens: &[Token]) -> Vec<Function<'_>> {
    let mut tests = Vec::new();
    for (at, sign) in tokens
        .iter()
        .enumerate()
        .filter(|(_, token)| token.text == "#")
    {
        let attribute = tokens[at..]
            .iter()
            .skip(2)
            .take_while(|token| token.depth > sign.depth);
        let mut path = attribute.take_while(|token| token.text != "(");
        if path
            .by_ref()
            .last()
            .is_some_and(|token| token.text == "test")
        {
            let is_next =
                |next: &usize| tokens[*next].text == "fn" && tokens[*next].depth == sign.depth;
            tests.extend((at..tokens.len()).find(is_next));
        }
    }
    let mut functions = functions(tokens);
    functions.retain(|function| tests.contains(&function.at));
    functions
}
