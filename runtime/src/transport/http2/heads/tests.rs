//! Frames as receivers send them, and what is read of them.

use super::*;

const STREAM: [u8; 4] = [0, 0, 0, 1];

fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend_from_slice(&[kind, flags]);
    frame.extend_from_slice(&STREAM);
    frame.extend_from_slice(payload);
    frame
}

fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        hpack::write(&mut block, name.as_bytes(), value.as_bytes());
    }
    block
}

/// What is read of this, whether it comes at once or byte by byte.
fn read(came: &[u8]) -> Vec<u8> {
    let mut at_once = Vec::new();
    Heads::new(64 << 10).take(came, &mut at_once).unwrap();
    let mut by_byte = Vec::new();
    let mut heads = Heads::new(64 << 10);
    for byte in came {
        heads.take(&[*byte], &mut by_byte).unwrap();
    }
    assert_eq!(at_once, by_byte);
    at_once
}

/// The fields in the only block that is read of this one.
fn fields(came: &[(&str, &str)]) -> Vec<(String, String)> {
    fields_of(&read(&frame(HEADERS, END_HEADERS, &block(came))))
}

fn fields_of(frames: &[u8]) -> Vec<(String, String)> {
    let (mut rest, mut block) = (frames, Vec::new());
    while !rest.is_empty() {
        let head = Head {
            bytes: rest[..FRAME_HEAD_BYTES].try_into().unwrap(),
        };
        assert!(head.length() <= FRAME_BYTES_MAX);
        let (payload, after) = rest[FRAME_HEAD_BYTES..].split_at(head.length());
        block.extend_from_slice(payload);
        assert_eq!(head.has(END_HEADERS), after.is_empty());
        rest = after;
    }
    let mut fields = Vec::new();
    let text = |text: &[u8]| String::from_utf8_lossy(text).into_owned();
    let read = Reader::new().read(&block, |name, value| fields.push((text(name), text(value))));
    read.unwrap();
    fields
}

fn pairs(fields: &[(&str, &str)]) -> Vec<(String, String)> {
    let pairs = fields.iter();
    pairs
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

#[test]
fn a_tidy_head_is_read_as_it_is() {
    let tidy = [
        (":status", "200"),
        ("content-length", "2"),
        ("set-cookie", "a=b"),
        ("set-cookie", "c=\u{e9}"),
        ("empty", ""),
    ];
    assert_eq!(fields(&tidy), pairs(&tidy));
}

#[test]
fn what_is_untidy_is_left_out_and_the_rest_is_read() {
    for (name, value) in [
        ("connection", "close"),
        ("transfer-encoding", "chunked"),
        ("keep-alive", "1"),
        ("te", "x"),
        ("a name", "x"),
        ("", "x"),
        ("cookie", "a\u{1}b"),
        ("cookie", "a\0b"),
        ("cookie", "a\r\nb"),
        (":path", "/"),
        (":unknown", "x"),
        (":status", "500"),
        ("content-length", "x"),
        ("content-length", "-1"),
        ("content-length", "99999999999999999999"),
    ] {
        let came = [(":status", "503"), (name, value), ("retry-after", "7")];
        let expected = pairs(&[(":status", "503"), ("retry-after", "7")]);
        assert_eq!(fields(&came), expected, "{name}: {value:?}");
    }
}

#[test]
fn a_head_out_of_order_or_in_capitals_is_put_right() {
    let came = [
        ("Retry-After", " 7 "),
        (":status", "429"),
        ("content-length", "0"),
        ("Content-Length", "0"),
    ];
    let expected = [
        (":status", "429"),
        ("retry-after", "7"),
        ("content-length", "0"),
    ];
    assert_eq!(fields(&came), pairs(&expected));
    assert_eq!(
        fields(&[(":status", "banana"), ("a", "b")]),
        pairs(&[("a", "b")])
    );
}

#[test]
fn a_length_of_a_body_that_does_not_come_is_left_out() {
    let came = block(&[(":status", "200"), ("content-length", "5")]);
    let read = read(&frame(HEADERS, END_HEADERS | END_STREAM, &came));
    assert_eq!(fields_of(&read), pairs(&[(":status", "200")]));
    assert_eq!(read[4], END_HEADERS | END_STREAM);
}

#[test]
fn of_a_head_that_is_too_large_the_first_fields_are_read() {
    let value = "v".repeat(1_000);
    let many: Vec<_> = std::iter::once((":status", "200"))
        .chain((0..150).map(|_| ("name", value.as_str())))
        .collect();
    let whole = block(&many);
    let mut came = Vec::new();
    let mut parts = whole.chunks(10_000).peekable();
    let mut kind = HEADERS;
    while let Some(part) = parts.next() {
        let flags = if parts.peek().is_none() {
            END_HEADERS
        } else {
            0
        };
        came.extend(frame(kind, flags, part));
        kind = CONTINUATION;
    }
    let fields = fields_of(&read(&came));
    assert_eq!(fields[0].1, "200");
    let counted: usize = fields
        .iter()
        .map(|(name, value)| name.len() + value.len() + 32)
        .sum();
    assert!((60 << 10..64 << 10).contains(&counted), "{counted}");
}

#[test]
fn a_head_without_end_is_an_error() {
    let mut heads = Heads::new(64 << 10);
    let mut out = Vec::new();
    let part = vec![0; 16_000];
    heads.take(&frame(HEADERS, 0, &part), &mut out).unwrap();
    let mut frames = 1;
    while heads.take(&frame(CONTINUATION, 0, &part), &mut out).is_ok() {
        frames += 1;
        assert!(frames * part.len() <= 256 << 10);
    }
    assert!(out.is_empty());
}

#[test]
fn padding_and_priority_are_left_out() {
    let fields = block(&[(":status", "200")]);
    let mut padded = vec![3, 0, 0, 0, 0, 16];
    padded.extend_from_slice(&fields);
    padded.extend_from_slice(&[0; 3]);
    let read = read(&frame(HEADERS, END_HEADERS | PADDED | PRIORITY, &padded));
    assert_eq!(fields_of(&read), pairs(&[(":status", "200")]));
}

#[test]
fn other_frames_are_left_as_they_are() {
    let mut came = frame(0, 0, b"data");
    came.extend(frame(4, 0, &[]));
    came.extend(frame(0xee, 0xff, &[7; 40_000]));
    assert_eq!(read(&came), came);
}

#[test]
fn what_breaks_the_protocol_is_left_to_h2() {
    let status = block(&[(":status", "200")]);
    for broken in [
        frame(CONTINUATION, END_HEADERS, &status),
        frame(HEADERS, END_HEADERS, &[0xff; 20]),
        frame(HEADERS, END_HEADERS | PADDED, &[200, 0]),
        frame(HEADERS, END_HEADERS, &vec![0; FRAME_BYTES_MAX + 1]),
    ] {
        let mut came = broken.clone();
        came.extend(frame(0, 0, b"data"));
        assert_eq!(read(&came), came);
    }
}
