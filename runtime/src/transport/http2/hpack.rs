//! Reading and writing blocks of headers ([RFC 7541](https://www.rfc-editor.org/rfc/rfc7541)).

use super::huffman;
use std::collections::VecDeque;

/// The size of the table of an encoder that has not been told another one (section 4.2).
const TABLE_BYTES_MAX: usize = 4096;

/// What an entry of the table counts beside its text (section 4.1).
const ENTRY_BYTES: usize = 32;

/// The pseudo-header of a response.
pub(super) const STATUS: &[u8] = b":status";

/// The fields that are known beforehand (appendix A).
#[rustfmt::skip]
const STATIC: [(&str, &str); 61] = [
    (":authority", ""), (":method", "GET"), (":method", "POST"), (":path", "/"),
    (":path", "/index.html"), (":scheme", "http"), (":scheme", "https"), (":status", "200"),
    (":status", "204"), (":status", "206"), (":status", "304"), (":status", "400"),
    (":status", "404"), (":status", "500"), ("accept-charset", ""),
    ("accept-encoding", "gzip, deflate"), ("accept-language", ""), ("accept-ranges", ""),
    ("accept", ""), ("access-control-allow-origin", ""), ("age", ""), ("allow", ""),
    ("authorization", ""), ("cache-control", ""), ("content-disposition", ""),
    ("content-encoding", ""), ("content-language", ""), ("content-length", ""),
    ("content-location", ""), ("content-range", ""), ("content-type", ""), ("cookie", ""),
    ("date", ""), ("etag", ""), ("expect", ""), ("expires", ""), ("from", ""), ("host", ""),
    ("if-match", ""), ("if-modified-since", ""), ("if-none-match", ""), ("if-range", ""),
    ("if-unmodified-since", ""), ("last-modified", ""), ("link", ""), ("location", ""),
    ("max-forwards", ""), ("proxy-authenticate", ""), ("proxy-authorization", ""), ("range", ""),
    ("referer", ""), ("refresh", ""), ("retry-after", ""), ("server", ""), ("set-cookie", ""),
    ("strict-transport-security", ""), ("transfer-encoding", ""), ("user-agent", ""), ("vary", ""),
    ("via", ""), ("www-authenticate", ""),
];

/// A block that is not one: whatever follows on the connection cannot be read either.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BadBlock;

/// Reads blocks, one after another. What the encoder has put into its table is kept here.
#[derive(Debug)]
pub(super) struct Reader {
    /// The newest entry first.
    table: VecDeque<(Vec<u8>, Vec<u8>)>,
    bytes: usize,
    bytes_max: usize,
}

impl Reader {
    pub(super) fn new() -> Self {
        Self {
            table: VecDeque::new(),
            bytes: 0,
            bytes_max: TABLE_BYTES_MAX,
        }
    }

    /// Reads a whole block, and gives each field with its name and its value.
    pub(super) fn read(
        &mut self,
        mut block: &[u8],
        mut field: impl FnMut(&[u8], &[u8]),
    ) -> Result<(), BadBlock> {
        while let Some(first) = block.first().copied() {
            match first {
                0x80.. => {
                    let index = integer(&mut block, 7)?;
                    let (name, value) = self.get(index)?;
                    field(name, value);
                }
                0x20..0x40 => {
                    let size = integer(&mut block, 5)?;
                    if size > TABLE_BYTES_MAX {
                        return Err(BadBlock);
                    }
                    self.bytes_max = size;
                    self.evict(0);
                }
                _ => {
                    let is_added = first & 0x40 != 0;
                    let index = integer(&mut block, if is_added { 6 } else { 4 })?;
                    let name = match index {
                        0 => text(&mut block)?,
                        index => self.get(index)?.0.to_vec(),
                    };
                    let value = text(&mut block)?;
                    field(&name, &value);
                    if is_added {
                        self.add(name, value);
                    }
                }
            }
        }
        Ok(())
    }

    fn get(&self, index: usize) -> Result<(&[u8], &[u8]), BadBlock> {
        let at = index.checked_sub(1).ok_or(BadBlock)?;
        if let Some((name, value)) = STATIC.get(at) {
            return Ok((name.as_bytes(), value.as_bytes()));
        }
        let added = self.table.get(at - STATIC.len());
        added.map_or(Err(BadBlock), |(name, value)| Ok((name, value)))
    }

    fn add(&mut self, name: Vec<u8>, value: Vec<u8>) {
        let bytes = name.len() + value.len() + ENTRY_BYTES;
        self.evict(bytes);
        if bytes <= self.bytes_max {
            self.bytes += bytes;
            self.table.push_front((name, value));
        }
    }

    /// Makes room for so many bytes.
    fn evict(&mut self, room: usize) {
        while self.bytes + room > self.bytes_max {
            let Some((name, value)) = self.table.pop_back() else {
                return;
            };
            self.bytes -= name.len() + value.len() + ENTRY_BYTES;
        }
    }
}

/// Takes an integer whose first byte has so many bits for it (section 5.1).
fn integer(block: &mut &[u8], bits: u32) -> Result<usize, BadBlock> {
    let mask = (1_usize << bits) - 1;
    let first = usize::from(byte(block)?) & mask;
    if first < mask {
        return Ok(first);
    }
    let mut number = mask;
    for shift in [0, 7, 14, 21] {
        let next = usize::from(byte(block)?);
        number += (next & 0x7f) << shift;
        if next & 0x80 == 0 {
            return Ok(number);
        }
    }
    Err(BadBlock)
}

/// Takes a text, in Huffman's code or as it is (section 5.2).
fn text(block: &mut &[u8]) -> Result<Vec<u8>, BadBlock> {
    let is_coded = block.first().is_some_and(|first| first & 0x80 != 0);
    let length = integer(block, 7)?;
    let (text, rest) = block.split_at_checked(length).ok_or(BadBlock)?;
    *block = rest;
    match is_coded {
        true => huffman::decode(text).ok_or(BadBlock),
        false => Ok(text.to_vec()),
    }
}

fn byte(block: &mut &[u8]) -> Result<u8, BadBlock> {
    let (first, rest) = block.split_first().ok_or(BadBlock)?;
    *block = rest;
    Ok(*first)
}

/// Writes a field that no table has and none is to keep (section 6.2.2).
pub(super) fn write(block: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    block.push(0);
    for text in [name, value] {
        write_length(block, text.len());
        block.extend_from_slice(text);
    }
}

fn write_length(block: &mut Vec<u8>, length: usize) {
    let small = |number: usize| u8::try_from(number).unwrap_or(u8::MAX);
    if length < 0x7f {
        block.push(small(length));
        return;
    }
    block.push(0x7f);
    let mut rest = length - 0x7f;
    while rest >= 0x80 {
        block.push(small(rest & 0x7f) | 0x80);
        rest >>= 7;
    }
    block.push(small(rest));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(hex: &str) -> Vec<u8> {
        (0..hex.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
            .collect()
    }

    fn read(reader: &mut Reader, block: &[u8]) -> Result<Vec<String>, BadBlock> {
        let mut fields = Vec::new();
        let shown = |text: &[u8]| String::from_utf8_lossy(text).into_owned();
        reader.read(block, |name, value| {
            fields.push(format!("{}={}", shown(name), shown(value)));
        })?;
        Ok(fields)
    }

    /// RFC 7541, appendix C.6: three responses, in a table of 256 bytes.
    #[test]
    fn the_responses_of_the_rfc_are_read() {
        let mut reader = Reader::new();
        reader.bytes_max = 256;
        let first = "488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff6e919d29ad\
                     171863c78f0b97c8e9ae82ae43d3";
        let date = "date=Mon, 21 Oct 2013 20:13:21 GMT";
        let location = "location=https://www.example.com";
        let private = "cache-control=private";
        let fields = read(&mut reader, &bytes(&first.replace(' ', ""))).unwrap();
        assert_eq!(fields, [":status=302", private, date, location]);
        let fields = read(&mut reader, &bytes("4883640effc1c0bf")).unwrap();
        assert_eq!(fields, [":status=307", private, date, location]);
        assert_eq!(reader.bytes, 222);
    }

    #[test]
    fn what_is_written_is_read() {
        for length in [0, 1, 126, 127, 128, 254, 255, 300, 20_000] {
            let value = "v".repeat(length);
            let mut block = Vec::new();
            write(&mut block, b"name", value.as_bytes());
            let fields = read(&mut Reader::new(), &block).unwrap();
            assert_eq!(fields, [format!("name={value}")]);
        }
    }

    #[test]
    fn the_table_stays_within_its_size() {
        let mut reader = Reader::new();
        for number in 0..1_000 {
            reader.add(format!("n{number}").into_bytes(), vec![b'v'; 100]);
            assert!(reader.bytes <= TABLE_BYTES_MAX);
        }
        assert_eq!(
            reader.table.len(),
            TABLE_BYTES_MAX / (4 + 100 + ENTRY_BYTES)
        );
        reader.add(b"large".to_vec(), vec![b'v'; TABLE_BYTES_MAX]);
        assert_eq!((reader.table.len(), reader.bytes), (0, 0));
    }

    #[test]
    fn a_block_that_is_none_is_refused() {
        for block in [
            "80",             // there is no field 0
            "be",             // nothing was added
            "7f",             // an index that breaks off
            "ffffffffffffff", // one without end
            "3fe21f",         // a table larger than allowed
            "0005",           // a name that breaks off
            "000161",         // no value
            "00016182ffff",   // a value in no code
        ] {
            let refused = read(&mut Reader::new(), &bytes(block));
            assert_eq!(refused, Err(BadBlock), "{block}");
        }
    }
}
