//! Reading a head that is not as tidy as it should be.
//!
//! Once a receiver has answered, the request has been handled: asking again because a cookie has a
//! control character in it helps nobody. So the status decides, and headers are read as far as they
//! can be ([RFC 9112 sections 2.2, 5.1 and 5.2](https://www.rfc-editor.org/rfc/rfc9112#section-2.2)).
//! hyper reads most of such heads; what it does not read is read here. Where the next response
//! would begin is not certain after such a head, so its connection is not used again.

use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

/// The bytes of a response's start that are kept until its head has been read.
pub(crate) const START_BYTES_MAX: usize = 16 * 1024;

/// What could be read of a head.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
}

/// Reads the head of the final response at the start of `bytes`, as far as it is there. None if its
/// status cannot be read.
pub(crate) fn read(bytes: &[u8]) -> Option<Head> {
    let mut lines = Lines(bytes);
    loop {
        let status = status(lines.by_ref().find(|line| !line.text.is_empty())?.text)?;
        let mut headers = HeaderMap::new();
        let ended = read_headers(&mut lines, &mut headers);
        // 101 is an answer, if one that nobody asked for.
        if !status.is_informational() || status == StatusCode::SWITCHING_PROTOCOLS {
            return Some(Head { status, headers });
        }
        if !ended {
            return None;
        }
    }
}

/// Takes the complete interim (1xx) heads away that `bytes` begins with.
pub(crate) fn skip_interim(bytes: &mut Vec<u8>) {
    let mut lines = Lines(bytes);
    let mut left = bytes.len();
    while let Some(line) = lines.by_ref().find(|line| !line.text.is_empty()) {
        let interim = status(line.text).is_some_and(|status| {
            status.is_informational() && status != StatusCode::SWITCHING_PROTOCOLS
        });
        if !interim || !lines.by_ref().any(|line| line.text.is_empty()) {
            break;
        }
        left = lines.0.len();
    }
    bytes.drain(..bytes.len() - left);
}

/// Whether the heads at the start of `bytes`, interim ones and the final one, are as RFC 9112 wants
/// them, to the last byte: only then is it certain where the next response begins.
pub(crate) fn is_tidy(bytes: &[u8]) -> bool {
    let mut lines = Lines(bytes);
    loop {
        let Some(status) = lines.next().filter(Line::is_tidy).map(|line| line.text) else {
            return false;
        };
        // "HTTP/1.1 1xx"
        let interim = status.get(9) == Some(&b'1') && status.get(10..12) != Some(b"01");
        let mut framed = 0;
        loop {
            let Some(line) = lines.next().filter(Line::is_tidy) else {
                return false;
            };
            if line.text.is_empty() {
                break;
            }
            let Some((name, _)) = split(line.text).filter(|(name, _)| name.iter().all(is_token))
            else {
                return false;
            };
            let framing = [CONTENT_LENGTH, TRANSFER_ENCODING];
            framed += usize::from(
                framing
                    .iter()
                    .any(|header| name.eq_ignore_ascii_case(header.as_str().as_bytes())),
            );
        }
        if framed > 1 {
            return false;
        }
        if !interim {
            return true;
        }
    }
}

/// The status in a status line, whose parts any white space may separate
/// ([RFC 9112 section 4](https://www.rfc-editor.org/rfc/rfc9112#section-4)).
fn status(line: &[u8]) -> Option<StatusCode> {
    let line = line.strip_prefix(b"HTTP/1.")?;
    let mut words = line
        .split(u8::is_ascii_whitespace)
        .filter(|word| !word.is_empty());
    words.next()?.iter().all(u8::is_ascii_digit).then_some(())?;
    StatusCode::from_bytes(words.next()?).ok()
}

/// Reads headers until the head ends, or what there is of it. Returns whether it ended.
fn read_headers(lines: &mut Lines<'_>, headers: &mut HeaderMap) -> bool {
    let mut last: Option<(HeaderName, Vec<u8>)> = None;
    let mut ended = false;
    for line in lines {
        if line.text.is_empty() {
            ended = true;
            break;
        }
        // The rest of a header that was folded onto several lines.
        if line.text[0].is_ascii_whitespace() {
            if let Some((_, value)) = &mut last {
                value.push(b' ');
                value.extend_from_slice(line.text.trim_ascii());
            }
            continue;
        }
        keep(last.take(), headers);
        last = split(line.text).and_then(|(name, value)| {
            let name = HeaderName::from_bytes(name.trim_ascii_end()).ok()?;
            Some((name, value.trim_ascii().to_vec()))
        });
    }
    keep(last, headers);
    ended
}

/// What cannot be a value is what nobody reads.
fn keep(header: Option<(HeaderName, Vec<u8>)>, headers: &mut HeaderMap) {
    if let Some((name, value)) = header
        && let Ok(value) = HeaderValue::from_bytes(&value)
    {
        // More than fit: what is there is enough.
        let _ = headers.try_append(name, value);
    }
}

fn split(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    Some((&line[..colon], &line[colon + 1..])).filter(|(name, _)| !name.is_empty())
}

/// A byte of a header's name ([RFC 9110 section 5.6.2](https://www.rfc-editor.org/rfc/rfc9110#section-5.6.2)).
fn is_token(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte)
}

/// A line without its end.
struct Line<'a> {
    text: &'a [u8],
    /// Whether it ended with a carriage return and a line feed.
    ended: bool,
}

impl Line<'_> {
    fn is_tidy(&self) -> bool {
        let is_text = |byte: &u8| *byte == b'\t' || (*byte >= b' ' && *byte != 0x7f);
        self.ended && self.text.iter().all(is_text)
    }
}

/// The lines of what came, the last one as far as it came.
struct Lines<'a>(&'a [u8]);

impl<'a> Iterator for Lines<'a> {
    type Item = Line<'a>;

    fn next(&mut self) -> Option<Line<'a>> {
        if self.0.is_empty() {
            return None;
        }
        let Some(end) = self.0.iter().position(|byte| *byte == b'\n') else {
            let text = std::mem::take(&mut self.0);
            return Some(Line { text, ended: false });
        };
        let line = &self.0[..end];
        self.0 = &self.0[end + 1..];
        let (text, ended) = match line.strip_suffix(b"\r") {
            Some(text) => (text, true),
            None => (line, false),
        };
        Some(Line { text, ended })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status_of(bytes: &str) -> Option<u16> {
        read(bytes.as_bytes()).map(|head| head.status.as_u16())
    }

    fn header_of(bytes: &str, name: &str) -> Option<String> {
        let head = read(bytes.as_bytes()).unwrap();
        let value = head.headers.get(name)?;
        Some(value.to_str().unwrap().to_owned())
    }

    #[test]
    fn a_status_is_read_whatever_comes_after_it() {
        for after in [
            "",
            "\r\n",
            "\n",
            " OK",
            "  \x01\r\nno colon",
            "\tOK\r\n\0: \r\n\r\n",
        ] {
            let head = format!("HTTP/1.1 200{after}");
            assert_eq!(status_of(&head), Some(200), "{head:?}");
        }
        assert_eq!(status_of("HTTP/1.0  404 Not Found\r\n"), Some(404));
        assert_eq!(status_of("\r\n\nHTTP/1.1 299\r\n"), Some(299));
    }

    #[test]
    fn what_is_no_status_line_has_no_status() {
        for line in [
            "",
            "\r\n",
            "HTTP/1.1",
            "HTTP/1.1 20",
            "HTTP/1.1 2000 OK",
            "HTTP/1.1 99",
            "HTTP/2 200",
            "HTTP/1.x 200",
            "SSH-2.0",
            "200 OK",
            "http/1.1 200",
        ] {
            assert_eq!(status_of(line), None, "{line:?}");
        }
    }

    #[test]
    fn interim_heads_are_passed_over() {
        let interim = "HTTP/1.1 103 Early\r\nlink: x\r\n\r\n";
        assert_eq!(
            status_of(&format!("{interim}{interim}HTTP/1.1 503 B\r\n")),
            Some(503)
        );
        assert_eq!(status_of(interim), None);
        assert_eq!(status_of("HTTP/1.1 100 C\r\nlink"), None);
        assert_eq!(status_of("HTTP/1.1 101 S\r\n"), Some(101));
    }

    #[test]
    fn complete_interim_heads_are_taken_away() {
        let interim = "HTTP/1.1 103 Early\r\nlink: x\r\n\r\n";
        for rest in [
            "",
            "HTTP/1.1 20",
            "HTTP/1.1 200 OK\r\n\r\n",
            "HTTP/1.1 100 C\r\nli",
        ] {
            let mut bytes = format!("{interim}{interim}{rest}").into_bytes();
            skip_interim(&mut bytes);
            assert_eq!(bytes, rest.as_bytes());
        }
    }

    #[test]
    fn headers_are_read_as_far_as_they_can_be() {
        let head = "HTTP/1.1 503 Busy\r\nno colon\r\nset-cookie: a\x01b\r\nx-folded: one\r\n\ttwo\r\n\
                    Retry-After : 7\r\nbad name: x\r\n\r\nbody: not a header";
        assert_eq!(header_of(head, "retry-after").as_deref(), Some("7"));
        assert_eq!(header_of(head, "x-folded").as_deref(), Some("one two"));
        assert_eq!(header_of(head, "set-cookie"), None);
        assert_eq!(header_of(head, "body"), None);
    }

    #[test]
    fn only_a_head_without_a_flaw_is_tidy() {
        let tidy = |headers: &str| is_tidy(format!("HTTP/1.1 200 OK\r\n{headers}").as_bytes());
        for headers in [
            "\r\n",
            "\r\n\x01body",
            "Content-Length: 2\r\nx-empty:\r\nlatin: \u{e9}\t.\r\n\r\nok",
        ] {
            assert!(tidy(headers), "{headers:?}");
        }
        for headers in [
            "",
            "a: b\r\n",
            "a: b\n\r\n",
            "a: b\r\n c\r\n\r\n",
            "a : b\r\n\r\n",
            ": b\r\n\r\n",
            "a b\r\n\r\n",
            "a: \0\r\n\r\n",
            "a: b\rc\r\n\r\n",
            "content-length: 2\r\nContent-Length: 2\r\n\r\n",
            "content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n",
        ] {
            assert!(!tidy(headers), "{headers:?}");
        }
        let interim = "HTTP/1.1 103 Early\r\nlink: x\r\n\r\n";
        let both =
            |last: &str| is_tidy(format!("{interim}HTTP/1.1 200 OK\r\n{last}\r\n").as_bytes());
        assert!(both(""));
        assert!(!both("a : b\r\n"));
    }
}
