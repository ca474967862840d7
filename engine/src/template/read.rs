//! Reading a template: where its placeholders are, and what they ask for.

use super::{InvalidTemplate, Path, Piece, Template, TemplateProblem, Time};
use serde_json::value::RawValue;

/// What a path can begin with.
pub(super) const NAMES: [&str; 15] = [
    "id",
    "type",
    "timestamp",
    "timestamp_seconds",
    "timestamp_ms",
    "content_type",
    "content_encoding",
    "delivery_id",
    "attempt",
    "previous_attempts",
    "sent_at",
    "sent_at_seconds",
    "sent_at_ms",
    "headers",
    "data",
];

/// The parts of the document, and the paths that are asked for, each once and in order.
pub(super) fn template(text: &str) -> Result<(Vec<Piece>, Vec<Path>), InvalidTemplate> {
    let mut reader = Reader {
        text,
        asked: Vec::new(),
    };
    if text.len() > Template::BYTES_MAX {
        return Err(reader.refused(Template::BYTES_MAX, TemplateProblem::TooLong));
    }
    if let Err(error) = serde_json::from_str::<&RawValue>(text) {
        return Err(InvalidTemplate::Text {
            line: error.line(),
            column: error.column(),
            problem: TemplateProblem::NotJson,
        });
    }
    reader.document()?;
    Ok(reader.pieces())
}

struct Reader<'t> {
    text: &'t str,
    asked: Vec<Asked>,
}

/// A placeholder.
struct Asked {
    /// What it replaces of the text.
    from: usize,
    to: usize,
    path: Path,
    /// It stands in a longer string.
    within: bool,
}

impl Reader<'_> {
    fn refused(&self, at: usize, problem: TemplateProblem) -> InvalidTemplate {
        let before = self.text.as_bytes().get(..at).unwrap_or_default();
        let lines = before.iter().filter(|byte| **byte == b'\n').count();
        let line_starts = before.iter().rposition(|byte| *byte == b'\n');
        InvalidTemplate::Text {
            line: lines + 1,
            column: at - line_starts.map_or(0, |start| start + 1) + 1,
            problem,
        }
    }

    /// Goes through the text, which is JSON: a quote begins a string.
    fn document(&mut self) -> Result<(), InvalidTemplate> {
        let bytes = self.text.as_bytes();
        let (mut at, mut depth) = (0, 0);
        while at < bytes.len() {
            match bytes[at] {
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth -= 1,
                b'"' => {
                    let end = end_of_string(bytes, at);
                    self.string(at, end)?;
                    at = end;
                    continue;
                }
                _ => (),
            }
            if depth > Template::DEPTH_MAX {
                return Err(self.refused(at, TemplateProblem::TooDeep));
            }
            at += 1;
        }
        Ok(())
    }

    /// The placeholders of the string between these places, quotes included. No escape of JSON has
    /// a brace in it: what looks like a placeholder is one.
    fn string(&mut self, start: usize, end: usize) -> Result<(), InvalidTemplate> {
        let (first, last) = (start + 1, end - 1);
        let mut at = first;
        while let Some(open) = self.text[at..last].find("{{").map(|place| at + place) {
            if self.text[end..].trim_start().starts_with(':') {
                return Err(self.refused(open, TemplateProblem::InName));
            }
            let Some(close) = self.text[open..last].find("}}").map(|place| open + place) else {
                return Err(self.refused(open, TemplateProblem::Unclosed));
            };
            if self.asked.len() == Template::PLACEHOLDERS_MAX {
                return Err(self.refused(open, TemplateProblem::TooMany));
            }
            let written = self.text[open + 2..close].trim();
            let path = path(written).map_err(|problem| self.refused(open, problem))?;
            at = close + 2;
            let within = open > first || at < last;
            let (from, to) = if within { (open, at) } else { (start, end) };
            self.asked.push(Asked {
                from,
                to,
                path,
                within,
            });
        }
        Ok(())
    }

    fn pieces(self) -> (Vec<Piece>, Vec<Path>) {
        let mut paths: Vec<Path> = self.asked.iter().map(|asked| asked.path.clone()).collect();
        paths.sort();
        paths.dedup();
        let mut pieces = Vec::with_capacity(2 * self.asked.len() + 1);
        let mut at = 0;
        for asked in self.asked {
            pieces.push(Piece::Text(self.text[at..asked.from].into()));
            at = asked.to;
            let number = paths.partition_point(|path| *path < asked.path);
            pieces.push(if asked.within {
                Piece::Within(number)
            } else {
                Piece::Value(number)
            });
        }
        pieces.push(Piece::Text(self.text[at..].into()));
        (pieces, paths)
    }
}

/// The place after the string that begins here.
fn end_of_string(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while at < bytes.len() && bytes[at] != b'"' {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    at + 1
}

fn path(written: &str) -> Result<Path, TemplateProblem> {
    // It is a part of a JSON string, and may have escapes.
    let text: String =
        serde_json::from_str(&format!("\"{written}\"")).map_err(|_| TemplateProblem::Path)?;
    let mut parts = text.split('.').map(str::to_owned);
    let root = parts.next().unwrap_or_default();
    let beneath: Vec<String> = parts.collect();
    let path = match (root.as_str(), beneath.is_empty()) {
        ("id", true) => Path::Id,
        ("type", true) => Path::Type,
        ("timestamp", true) => Path::Published(Time::Text),
        ("timestamp_seconds", true) => Path::Published(Time::Seconds),
        ("timestamp_ms", true) => Path::Published(Time::Millis),
        ("content_type", true) => Path::ContentType,
        ("content_encoding", true) => Path::ContentEncoding,
        ("delivery_id", true) => Path::DeliveryId,
        ("attempt", true) => Path::Attempt,
        ("previous_attempts", true) => Path::PreviousAttempts,
        ("sent_at", true) => Path::Sent(Time::Text),
        ("sent_at_seconds", true) => Path::Sent(Time::Seconds),
        ("sent_at_ms", true) => Path::Sent(Time::Millis),
        ("headers", true) => Path::Headers,
        ("headers", false) if !beneath.iter().any(String::is_empty) => {
            Path::Header(beneath.join(".").to_ascii_lowercase())
        }
        ("headers", false) => return Err(TemplateProblem::Path),
        ("data", _) => Path::Data(beneath),
        _ => {
            let name = text.chars().take(64).collect();
            return Err(TemplateProblem::Unknown { name });
        }
    };
    match &path {
        Path::Data(parts)
            if parts.len() >= Template::DEPTH_MAX || parts.iter().any(String::is_empty) =>
        {
            Err(TemplateProblem::Path)
        }
        _ => Ok(path),
    }
}
