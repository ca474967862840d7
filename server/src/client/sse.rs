//! Server-sent events, as they are read (HTML, section 9.2.6, "Interpreting an event stream").

/// An item may have so many bytes: more than the largest event, with room for what is around it.
const ITEM_BYTES_MAX: usize = 4 << 20;

/// One message of a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Item {
    /// What it is; `message` if the stream does not say.
    pub(crate) event: String,
    /// The data, with `\n` between its lines. An item without data moves the place only.
    pub(crate) data: String,
    /// Its place, if it has one.
    pub(crate) id: Option<String>,
}

/// An item is longer than any should be.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("an item of the stream has more than {ITEM_BYTES_MAX} bytes")]
pub(crate) struct TooLong;

/// Makes items of bytes, however these are cut.
#[derive(Default)]
pub(crate) struct Parser {
    unread: Vec<u8>,
    /// Where the next line begins.
    start: usize,
    /// Up to where it has no end.
    searched: usize,
    event: String,
    data: Option<String>,
    id: Option<String>,
}

impl Parser {
    /// More bytes have come.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.unread.drain(..self.start);
        self.searched -= self.start;
        self.start = 0;
        self.unread.extend_from_slice(bytes);
    }

    /// The next item, if all of it is there.
    pub(crate) fn next(&mut self) -> Result<Option<Item>, TooLong> {
        while let Some(line) = self.line() {
            if line.is_empty() {
                if let Some(item) = self.finish() {
                    return Ok(Some(item));
                }
            } else {
                self.take(&line);
            }
        }
        let held = self.unread.len() - self.start + self.data.as_ref().map_or(0, String::len);
        match held > ITEM_BYTES_MAX {
            true => Err(TooLong),
            false => Ok(None),
        }
    }

    /// A line without its end: `\n`, `\r\n` or `\r`. A `\r` at the end of what is there may be
    /// half of one.
    fn line(&mut self) -> Option<String> {
        let rest = &self.unread[self.searched..];
        let found = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
        let Some(at) = found.map(|at| at + self.searched) else {
            self.searched = self.unread.len();
            return None;
        };
        let end = match (self.unread[at], self.unread.get(at + 1)) {
            (b'\r', None) => return None,
            (b'\r', Some(b'\n')) => at + 2,
            _ => at + 1,
        };
        let line = String::from_utf8_lossy(&self.unread[self.start..at]).into_owned();
        self.start = end;
        self.searched = end;
        Some(line)
    }

    fn take(&mut self, line: &str) {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "event" => value.clone_into(&mut self.event),
            "data" => match &mut self.data {
                None => self.data = Some(value.to_owned()),
                Some(data) => {
                    data.push('\n');
                    data.push_str(value);
                }
            },
            "id" if !value.contains('\0') => self.id = Some(value.to_owned()),
            // Comments have no name; other fields mean nothing here.
            _ => (),
        }
    }

    fn finish(&mut self) -> Option<Item> {
        let event = std::mem::take(&mut self.event);
        let data = std::mem::take(&mut self.data);
        let id = self.id.take();
        if data.is_none() && id.is_none() {
            return None;
        }
        let event = match event.is_empty() {
            true => "message".to_owned(),
            false => event,
        };
        Some(Item {
            event,
            data: data.unwrap_or_default(),
            id,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(chunks: &[&[u8]]) -> Vec<Item> {
        let mut parser = Parser::default();
        let mut items = Vec::new();
        for chunk in chunks {
            parser.push(chunk);
            while let Some(item) = parser.next().unwrap() {
                items.push(item);
            }
        }
        items
    }

    fn item(event: &str, data: &str, id: Option<&str>) -> Item {
        Item {
            event: event.into(),
            data: data.into(),
            id: id.map(str::to_owned),
        }
    }

    #[test]
    fn items_are_the_same_however_the_bytes_are_cut() {
        let text = ": hello\r\n\r\nid: 7\r\nevent: event\r\ndata: {\"a\":\r\ndata:  1}\r\n\r\n\
                    event:attempt\ndata: \u{e9}\n\nid: 8\n\ndata\n\n";
        let expected = [
            item("event", "{\"a\":\n 1}", Some("7")),
            item("attempt", "\u{e9}", None),
            item("message", "", Some("8")),
            item("message", "", None),
        ];
        for size in 1..text.len() {
            let chunks: Vec<&[u8]> = text.as_bytes().chunks(size).collect();
            assert_eq!(items(&chunks), expected, "in parts of {size}");
        }
    }

    #[test]
    fn what_has_not_ended_is_no_item() {
        assert_eq!(items(&[b"event: a\ndata: b\n"]), []);
        assert_eq!(
            items(&[b"data: b\r\r"]),
            [],
            "the second end may be half of one"
        );
        assert_eq!(
            items(&[b"data: b\r\r", b"\n"]),
            [item("message", "b", None)]
        );
    }

    #[test]
    fn an_item_without_an_end_does_not_fill_the_memory() {
        for part in [vec![b'x'; 1 << 20], b"data: x\n".repeat(1 << 18)] {
            let mut parser = Parser::default();
            let taken = (0..16).take_while(|_| {
                parser.push(&part);
                parser.next().is_ok()
            });
            assert!(taken.count() < 10);
        }
    }
}
