//! JSON as it comes: read leniently, from the bytes, and only as far as it is asked.
//!
//! [`Document::read`] goes once over the bytes and notes where each value begins and ends. What
//! stands in a string or a number is looked at when somebody asks for it. So one odd text, a number
//! that fits no machine word or 100,000 levels hide nothing but themselves:
//!
//! - A byte order mark before the document is passed over.
//! - Half a surrogate pair (`\ud83d`), an escape that JSON does not have, and bytes that are no UTF-8
//!   read as U+FFFD; control characters in strings are taken.
//! - Numbers keep their digits and compare exactly ([`compare_numbers`]).
//! - A bare word such as `NaN` within an object or array is there and equals nothing.
//! - Of members with the same name the last one counts, as in JavaScript, Python, Go and `serde_json`.
//!
//! There is no recursion. Reading takes time and memory in proportion to the bytes: 16 for each value
//! and each name. UTF-16 and UTF-32 are not JSON (RFC 8259, section 8.1).

mod fields;
mod number;
#[cfg(test)]
mod tests;
mod text;
mod write;

pub use number::compare as compare_numbers;
pub use write::compact;
pub(crate) use write::is_strict;

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::BTreeMap;

/// The byte order mark, in UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The place before the first node.
const NONE: u32 = u32::MAX;

/// A document, whose values can be looked up.
#[derive(Debug)]
pub struct Document<'j> {
    bytes: &'j [u8],
    nodes: Vec<Node>,
    /// The members of the objects that were asked about, by the object.
    members: RefCell<BTreeMap<u32, Members<'j>>>,
}

/// Names, each once and in order, and their values.
type Members<'j> = Box<[(Cow<'j, str>, u32)]>;

/// A value, or the name of a member, before its value.
#[derive(Clone, Copy, Debug)]
struct Node {
    /// Its bytes.
    start: u32,
    end: u32,
    /// The next node that is not within it.
    next: u32,
    kind: Kind,
}

/// A value of a [`Document`].
#[derive(Clone, Copy, Debug)]
pub struct Value<'d, 'j> {
    document: &'d Document<'j>,
    node: u32,
}

/// What a [`Value`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number of any size.
    Number,
    /// A string.
    Text,
    /// An array.
    Array,
    /// An object.
    Object,
    /// A bare word that JSON does not have: `NaN`, `undefined`, `01`.
    Word,
}

/// Where bytes stop being JSON, and what should be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("byte {at}: expected {expected}")]
pub struct Unreadable {
    /// The place in the bytes, from 0.
    pub at: usize,
    /// What JSON has there.
    pub expected: &'static str,
}

/// The bytes without a byte order mark at their beginning.
#[must_use]
pub fn without_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes)
}

impl<'j> Document<'j> {
    /// Reads the structure of a document.
    ///
    /// # Errors
    ///
    /// If braces, brackets, quotes, commas and colons are not those of one JSON value, if it is a bare
    /// word that JSON does not have, or if there are 4 GiB of it.
    pub fn read(bytes: &'j [u8]) -> Result<Self, Unreadable> {
        let mut reader = Reader {
            bytes,
            at: bytes.len() - without_mark(bytes).len(),
            nodes: Vec::new(),
            open: NONE,
        };
        if u32::try_from(bytes.len()).is_err() {
            return Err(reader.expected("less than 4 GiB"));
        }
        reader.document()?;
        let document = Self {
            bytes,
            nodes: reader.nodes,
            members: RefCell::default(),
        };
        if document.root().kind() == Kind::Word {
            return Err(Unreadable {
                at: document.nodes[0].start as usize,
                expected: "a JSON value",
            });
        }
        Ok(document)
    }

    /// The value that the document is.
    #[must_use]
    pub fn root(&self) -> Value<'_, 'j> {
        Value {
            document: self,
            node: 0,
        }
    }

    /// The value at the end of a JSON pointer (RFC 6901), if there is one.
    #[must_use]
    pub fn pointer(&self, pointer: &str) -> Option<Value<'_, 'j>> {
        if pointer.is_empty() {
            return Some(self.root());
        }
        let mut parts = pointer.strip_prefix('/')?.split('/');
        parts.try_fold(self.root(), |value, part| match value.kind() {
            Kind::Object => value.member(&part.replace("~1", "/").replace("~0", "~")),
            Kind::Array => {
                let is_place = part == "0" || !part.starts_with(['0', '+']);
                value.element(part.parse().ok().filter(|_| is_place)?)
            }
            _ => None,
        })
    }

    fn raw(&self, node: u32) -> &'j [u8] {
        let Node { start, end, .. } = self.nodes[node as usize];
        &self.bytes[start as usize..end as usize]
    }

    /// Looks at the members of an object, each name once and in order.
    fn with_members<T>(&self, object: u32, look: impl FnOnce(&Members<'j>) -> T) -> T {
        let mut known = self.members.borrow_mut();
        look(known.entry(object).or_insert_with(|| {
            let mut members = Vec::new();
            let mut name = object + 1;
            while name < self.nodes[object as usize].next {
                let value = name + 1;
                members.push((text::read(self.raw(name)), value));
                name = self.nodes[value as usize].next;
            }
            // The last of those with the same name comes first, and stays.
            members.sort_by(|(a, first), (b, second)| a.cmp(b).then(second.cmp(first)));
            members.dedup_by(|(later, _), (first, _)| later == first);
            members.into()
        }))
    }
}

impl<'d, 'j> Value<'d, 'j> {
    /// What it is.
    #[must_use]
    pub fn kind(self) -> Kind {
        self.document.nodes[self.node as usize].kind
    }

    /// Its bytes, as they stand in the document.
    #[must_use]
    pub fn raw(self) -> &'j [u8] {
        self.document.raw(self.node)
    }

    /// Its text, if it is a string; what cannot be read of it is U+FFFD.
    #[must_use]
    pub fn text(self) -> Option<Cow<'j, str>> {
        (self.kind() == Kind::Text).then(|| text::read(self.raw()))
    }

    /// Its digits as they are given, if it is a number.
    #[must_use]
    pub fn number(self) -> Option<&'j str> {
        let is_number = self.kind() == Kind::Number;
        std::str::from_utf8(self.raw()).ok().filter(|_| is_number)
    }

    /// The value of the member with this name, if it is an object and has one.
    #[must_use]
    pub fn member(self, name: &str) -> Option<Self> {
        if self.kind() != Kind::Object {
            return None;
        }
        let node = self.document.with_members(self.node, |members| {
            let place = members.binary_search_by(|(known, _)| (**known).cmp(name));
            place.ok().map(|place| members[place].1)
        });
        Some(self.other(node?))
    }

    /// The members of an object, by their names and each name once; none of anything else.
    #[must_use]
    pub fn members(self) -> Vec<(Cow<'j, str>, Self)> {
        if self.kind() != Kind::Object {
            return Vec::new();
        }
        self.document.with_members(self.node, |members| {
            let members = members.iter();
            members
                .map(|(name, node)| (name.clone(), self.other(*node)))
                .collect()
        })
    }

    /// The elements of an array; none of anything else.
    pub fn elements(self) -> impl Iterator<Item = Self> {
        let nodes = &self.document.nodes;
        let is_array = self.kind() == Kind::Array;
        let end = if is_array {
            nodes[self.node as usize].next
        } else {
            0
        };
        let mut next = self.node + 1;
        std::iter::from_fn(move || {
            let node = (next < end).then_some(next)?;
            next = nodes[node as usize].next;
            Some(self.other(node))
        })
    }

    /// The element at this place of an array, from 0. It is counted out.
    #[must_use]
    pub fn element(self, place: usize) -> Option<Self> {
        self.elements().nth(place)
    }

    /// Its text as JSON that every parser takes: its own bytes, but for what JSON does not have. A
    /// control character becomes its escape, a bare word a string, and what cannot be read U+FFFD, half
    /// a surrogate pair among it.
    #[must_use]
    pub fn json(self) -> Cow<'j, str> {
        write::mended(self.raw())
    }

    fn other(self, node: u32) -> Self {
        let document = self.document;
        Self { document, node }
    }
}

/// Goes over the bytes of a document.
struct Reader<'j> {
    bytes: &'j [u8],
    at: usize,
    nodes: Vec<Node>,
    /// The innermost object or array that is not closed. Until then its `end` is the one around it.
    open: u32,
}

impl Reader<'_> {
    fn expected(&self, expected: &'static str) -> Unreadable {
        let at = self.at;
        Unreadable { at, expected }
    }

    /// The next byte that is no white space.
    fn peek(&mut self) -> Option<u8> {
        let rest = &self.bytes[self.at..];
        let space = |byte: &&u8| matches!(**byte, b' ' | b'\t' | b'\r' | b'\n');
        self.at += rest.iter().take_while(space).count();
        self.bytes.get(self.at).copied()
    }

    fn document(&mut self) -> Result<(), Unreadable> {
        loop {
            let opened = self.value()?;
            if opened && self.closes() {
                self.close();
            } else if opened {
                self.name()?;
                continue;
            }
            // A value has ended: so may those around it, or the next one comes.
            loop {
                if self.open == NONE {
                    return match self.peek() {
                        None => Ok(()),
                        Some(_) => Err(self.expected("nothing more")),
                    };
                }
                if self.peek() == Some(b',') {
                    self.at += 1;
                    self.name()?;
                    break;
                }
                if !self.closes() {
                    return Err(self.expected("a comma, or the end of the object or array"));
                }
                self.close();
            }
        }
    }

    /// Passes over a value, or the beginning of an object or array: then true.
    fn value(&mut self) -> Result<bool, Unreadable> {
        match self.peek() {
            Some(byte @ (b'{' | b'[')) => {
                let kind = if byte == b'{' {
                    Kind::Object
                } else {
                    Kind::Array
                };
                self.open = self.push(self.open, kind);
                self.at += 1;
                Ok(true)
            }
            Some(b'"') => self.string().map(|()| false),
            _ => {
                let rest = &self.bytes[self.at..];
                let part = |byte: &&u8| {
                    byte.is_ascii_alphanumeric() || matches!(**byte, b'+' | b'-' | b'.' | b'_')
                };
                let length = rest.iter().take_while(part).count();
                if length == 0 {
                    return Err(self.expected("a JSON value"));
                }
                let kind = match &rest[..length] {
                    b"null" => Kind::Null,
                    b"true" => Kind::Bool(true),
                    b"false" => Kind::Bool(false),
                    word if number::is_number(word) => Kind::Number,
                    _ => Kind::Word,
                };
                self.scalar(self.at + length, kind);
                Ok(false)
            }
        }
    }

    /// Passes over the name of a member and its colon, if an object is open.
    fn name(&mut self) -> Result<(), Unreadable> {
        if self.nodes[self.open as usize].kind == Kind::Array {
            return Ok(());
        }
        if self.peek() != Some(b'"') {
            return Err(self.expected("the name of a member, in double quotes"));
        }
        self.string()?;
        if self.peek() != Some(b':') {
            return Err(self.expected("a colon"));
        }
        self.at += 1;
        Ok(())
    }

    fn string(&mut self) -> Result<(), Unreadable> {
        let mut at = self.at + 1;
        loop {
            match self.bytes.get(at) {
                Some(b'"') => break,
                Some(b'\\') => at += 2,
                Some(_) => at += 1,
                None => return Err(self.expected("a string that ends")),
            }
        }
        self.scalar(at + 1, Kind::Text);
        Ok(())
    }

    /// Whether what is open is closed here.
    fn closes(&mut self) -> bool {
        let next = self.peek();
        match self.nodes[self.open as usize].kind {
            Kind::Object => next == Some(b'}'),
            _ => next == Some(b']'),
        }
    }

    fn close(&mut self) {
        self.at += 1;
        let next = place(self.nodes.len());
        let node = &mut self.nodes[self.open as usize];
        self.open = node.end;
        node.end = place(self.at);
        node.next = next;
    }

    fn scalar(&mut self, end: usize, kind: Kind) {
        self.push(place(end), kind);
        self.at = end;
    }

    /// A node that begins here.
    fn push(&mut self, end: u32, kind: Kind) -> u32 {
        let number = place(self.nodes.len());
        self.nodes.push(Node {
            start: place(self.at),
            end,
            next: number + 1,
            kind,
        });
        number
    }
}

/// There are less than 4 GiB, and at most one node for each byte.
fn place(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(NONE)
}
