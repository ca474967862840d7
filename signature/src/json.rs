//! JSON written with other white space, without being parsed: values, their order and their
//! spelling stay as they are.

/// Between the items of an array or object, and between a name and its value, as the usual
/// libraries write: JavaScript and most others; Python; and the two mixtures.
const SEPARATORS: [(&str, &str); 4] = [(",", ":"), (", ", ": "), (",", ": "), (", ", ":")];

/// The text with each of the usual separators and no other white space. Empty if the text is not
/// a JSON object or array as far as that is seen without parsing.
pub(crate) fn respaced(text: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    SEPARATORS
        .into_iter()
        .map_while(|(comma, colon)| respace(text, comma, colon))
}

fn respace(text: &[u8], comma: &str, colon: &str) -> Option<Vec<u8>> {
    if !matches!(text.trim_ascii_start().first(), Some(b'{' | b'[')) {
        return None;
    }
    let mut respaced = Vec::with_capacity(text.len());
    let (mut in_string, mut escaped) = (false, false);
    for &byte in text {
        if in_string {
            respaced.push(byte);
            in_string = byte != b'"' || escaped;
            escaped = byte == b'\\' && !escaped;
        } else {
            match byte {
                b' ' | b'\t' | b'\r' | b'\n' => {}
                b',' => respaced.extend_from_slice(comma.as_bytes()),
                b':' => respaced.extend_from_slice(colon.as_bytes()),
                _ => respaced.push(byte),
            }
            in_string = byte == b'"';
        }
    }
    (!in_string).then_some(respaced)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Vec<String> {
        respaced(text.as_bytes())
            .map(|text| String::from_utf8(text).unwrap())
            .collect()
    }

    #[test]
    fn white_space_is_changed_between_the_tokens_only() {
        assert_eq!(
            texts("{ \"a, b\" : [1,\t\"c: \\\" d\", \"\\\\\"],\r\n\"é\": null }\n"),
            [
                r#"{"a, b":[1,"c: \" d","\\"],"é":null}"#,
                r#"{"a, b": [1, "c: \" d", "\\"], "é": null}"#,
                r#"{"a, b": [1,"c: \" d","\\"],"é": null}"#,
                r#"{"a, b":[1, "c: \" d", "\\"], "é":null}"#,
            ]
        );
    }

    #[test]
    fn what_is_no_object_or_array_is_left_alone() {
        for text in ["", " ", "a=1, b=2", "\"a, b\"", "{\"a", "[\"\\\"]"] {
            assert_eq!(texts(text), Vec::<String>::new(), "{text}");
        }
    }
}
