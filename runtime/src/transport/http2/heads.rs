//! The heads of responses, made tidy before they are read.
//!
//! HTTP/2 calls a response malformed whose head has an upper-case letter in a name, a control
//! character in a value, or a header that is the connection's
//! ([RFC 9113 section 8.2](https://www.rfc-editor.org/rfc/rfc9113#section-8.2)), and h2 then gives up
//! the stream, or all streams of the connection. But the receiver has handled the request, so its
//! status decides. Every block of headers that comes is therefore read here, and written anew without
//! what is untidy in it. Where a response ends is told by frames, which are left as they are.

use super::hpack::{self, Reader, STATUS};
use crate::transport::failure::HeadTooLong;
use crate::transport::stream::Stream;
use http::header::CONTENT_LENGTH;
use http::{HeaderName, HeaderValue, StatusCode};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The bytes of a frame's own head (RFC 9113, section 4.1).
const FRAME_HEAD_BYTES: usize = 9;

/// The largest frame that a receiver may send, unless it was told otherwise.
const FRAME_BYTES_MAX: usize = 16 * 1024;

/// What a field counts beside its text (RFC 9113, section 6.5.2).
const FIELD_BYTES: usize = 32;

const HEADERS: u8 = 0x1;
const CONTINUATION: u8 = 0x9;
const END_STREAM: u8 = 0x1;
const END_HEADERS: u8 = 0x4;
const PADDED: u8 = 0x8;
const PRIORITY: u8 = 0x20;

/// A connection on which only tidy heads are read.
#[derive(Debug)]
pub(super) struct Tidied<S> {
    stream: Stream<S>,
    heads: Heads,
    read: Box<[u8]>,
    /// What may be taken, from `taken` on.
    ready: Vec<u8>,
    taken: usize,
}

/// Goes along with what comes, and writes the blocks of headers in it anew.
#[derive(Debug)]
struct Heads {
    reader: Reader,
    /// The most bytes of a head, counted as HTTP/2 does.
    bytes_max: usize,
    frame: Frame,
    /// The block that is not complete.
    block: Option<Block>,
    /// Something came that is no HTTP/2: h2 says what.
    gave_up: bool,
}

#[derive(Debug)]
enum Frame {
    /// Its own head, as far as it is there.
    Head(Vec<u8>),
    /// So many bytes of a frame that is passed on as it is.
    Passed(usize),
    /// The payload of one with headers, as far as it is there.
    Headers { head: Head, payload: Vec<u8> },
}

#[derive(Clone, Copy, Debug)]
struct Head {
    bytes: [u8; FRAME_HEAD_BYTES],
}

impl Head {
    fn length(&self) -> usize {
        let [high, middle, low, ..] = self.bytes.map(usize::from);
        high << 16 | middle << 8 | low
    }

    fn kind(&self) -> u8 {
        self.bytes[3]
    }

    fn has(&self, flag: u8) -> bool {
        self.bytes[4] & flag != 0
    }

    fn stream(&self) -> [u8; 4] {
        let [.., a, b, c, d] = self.bytes;
        [a, b, c, d]
    }
}

#[derive(Debug)]
struct Block {
    stream: [u8; 4],
    ends_stream: bool,
    fragments: Vec<u8>,
}

impl Heads {
    fn new(bytes_max: usize) -> Self {
        Self {
            reader: Reader::new(),
            bytes_max,
            frame: Frame::Head(Vec::new()),
            block: None,
            gave_up: false,
        }
    }

    /// Takes what has come, and appends what is to be read of it.
    fn take(&mut self, mut came: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
        while !came.is_empty() {
            if self.gave_up {
                out.extend_from_slice(came);
                return Ok(());
            }
            match &mut self.frame {
                Frame::Head(bytes) => {
                    move_up_to(FRAME_HEAD_BYTES, &mut came, bytes);
                    if let Ok(head) = bytes.as_slice().try_into() {
                        self.frame = Frame::Head(Vec::new());
                        self.begin(Head { bytes: head }, out)?;
                    }
                }
                Frame::Passed(left) => {
                    let (passed, rest) = came.split_at(came.len().min(*left));
                    out.extend_from_slice(passed);
                    came = rest;
                    *left -= passed.len();
                    if *left == 0 {
                        self.frame = Frame::Head(Vec::new());
                    }
                }
                Frame::Headers { head, payload } => {
                    move_up_to(head.length(), &mut came, payload);
                    if payload.len() == head.length() {
                        let (head, payload) = (*head, std::mem::take(payload));
                        self.frame = Frame::Head(Vec::new());
                        self.add(head, &payload, out)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// A frame begins.
    fn begin(&mut self, head: Head, out: &mut Vec<u8>) -> io::Result<()> {
        let has_headers = matches!(head.kind(), HEADERS | CONTINUATION);
        // Nothing may stand between the parts of a block, nor may one of them be too large.
        let goes_on = head.kind() == CONTINUATION;
        if goes_on != self.block.is_some() || has_headers && head.length() > FRAME_BYTES_MAX {
            return self.give_up(head, &[], out);
        }
        if !has_headers {
            out.extend_from_slice(&head.bytes);
        }
        self.frame = match (has_headers, head.length()) {
            (true, 0) => return self.add(head, &[], out),
            (true, length) => Frame::Headers {
                head,
                payload: Vec::with_capacity(length),
            },
            (false, 0) => Frame::Head(Vec::new()),
            (false, length) => Frame::Passed(length),
        };
        Ok(())
    }

    /// A frame with headers is complete.
    fn add(&mut self, head: Head, payload: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
        let block = match (self.block.take(), fragment(head, payload)) {
            (None, Some(fragment)) if head.kind() == HEADERS => Block {
                stream: head.stream(),
                ends_stream: head.has(END_STREAM),
                fragments: fragment.to_vec(),
            },
            (Some(mut block), Some(fragment)) if block.stream == head.stream() => {
                block.fragments.extend_from_slice(fragment);
                block
            }
            _ => return self.give_up(head, payload, out),
        };
        let bytes_max = self.bytes_max.saturating_mul(4);
        if block.fragments.len() > bytes_max {
            return Err(io::Error::other(HeadTooLong { bytes_max }));
        }
        if !head.has(END_HEADERS) {
            self.block = Some(block);
            return Ok(());
        }
        let mut fields = Fields::new(self.bytes_max, block.ends_stream);
        let read = self
            .reader
            .read(&block.fragments, |name, value| fields.add(name, value));
        if read.is_err() {
            return self.give_up(head, payload, out);
        }
        write_frames(&block, &fields.block(), out);
        Ok(())
    }

    /// What came is passed on as it is from now on.
    fn give_up(&mut self, head: Head, payload: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
        self.gave_up = true;
        out.extend_from_slice(&head.bytes);
        out.extend_from_slice(payload);
        Ok(())
    }
}

/// Moves bytes until there are so many.
fn move_up_to(length: usize, from: &mut &[u8], to: &mut Vec<u8>) {
    let (moved, rest) = from.split_at(from.len().min(length - to.len()));
    to.extend_from_slice(moved);
    *from = rest;
}

/// The part of a block in a frame, without padding and priority (RFC 9113, section 6.2).
fn fragment(head: Head, payload: &[u8]) -> Option<&[u8]> {
    let mut fragment = payload;
    if head.kind() == CONTINUATION {
        return Some(fragment);
    }
    if head.has(PADDED) {
        let (padding, rest) = fragment.split_first()?;
        let end = rest.len().checked_sub(usize::from(*padding))?;
        fragment = &rest[..end];
    }
    if head.has(PRIORITY) {
        fragment = fragment.get(5..)?;
    }
    Some(fragment)
}

/// Writes a block as one frame, or as several where it is too large for that.
fn write_frames(block: &Block, fields: &[u8], out: &mut Vec<u8>) {
    let mut parts = fields.chunks(FRAME_BYTES_MAX).peekable();
    let mut kind = HEADERS;
    loop {
        let part = parts.next().unwrap_or_default();
        let mut flags = 0;
        if kind == HEADERS && block.ends_stream {
            flags |= END_STREAM;
        }
        if parts.peek().is_none() {
            flags |= END_HEADERS;
        }
        let length = u32::try_from(part.len()).unwrap_or(0).to_be_bytes();
        out.extend_from_slice(&length[1..]);
        out.extend_from_slice(&[kind, flags]);
        out.extend_from_slice(&block.stream);
        out.extend_from_slice(part);
        if flags & END_HEADERS != 0 {
            return;
        }
        kind = CONTINUATION;
    }
}

/// The fields of a block, without what h2 would not read.
struct Fields {
    status: Option<[u8; 3]>,
    regular: Vec<u8>,
    bytes_left: usize,
    has_length: bool,
    ends_stream: bool,
}

impl Fields {
    fn new(bytes_max: usize, ends_stream: bool) -> Self {
        // The status, and a byte less than h2 takes.
        let bytes_left = bytes_max.saturating_sub(STATUS.len() + 3 + FIELD_BYTES + 1);
        Self {
            status: None,
            regular: Vec::new(),
            bytes_left,
            has_length: false,
            ends_stream,
        }
    }

    fn add(&mut self, name: &[u8], value: &[u8]) {
        if name == STATUS {
            if self.status.is_none() && StatusCode::from_bytes(value).is_ok() {
                self.status = value.try_into().ok();
            }
            return;
        }
        // Pseudo-headers of requests, and what cannot be a name, are no names.
        let Ok(name) = HeaderName::from_bytes(name) else {
            return;
        };
        let value = value.trim_ascii();
        if is_of_the_connection(&name) || HeaderValue::from_bytes(value).is_err() {
            return;
        }
        if name == CONTENT_LENGTH && (self.has_length || !self.is_length(value)) {
            return;
        }
        let bytes = name.as_str().len() + value.len() + FIELD_BYTES;
        if let Some(left) = self.bytes_left.checked_sub(bytes) {
            self.bytes_left = left;
            self.has_length |= name == CONTENT_LENGTH;
            hpack::write(&mut self.regular, name.as_str().as_bytes(), value);
        }
    }

    /// Whether h2 takes this for the length of the body.
    fn is_length(&self, value: &[u8]) -> bool {
        let is_number = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
        let length = str::from_utf8(value)
            .ok()
            .and_then(|text| text.parse().ok());
        is_number && length.is_some_and(|length: u64| length == 0 || !self.ends_stream)
    }

    fn block(self) -> Vec<u8> {
        let mut block = Vec::with_capacity(self.regular.len() + 16);
        if let Some(status) = self.status {
            hpack::write(&mut block, STATUS, &status);
        }
        block.extend(self.regular);
        block
    }
}

/// Whether a header says how a message travels, which has no place in HTTP/2
/// ([RFC 9113 section 8.2.2](https://www.rfc-editor.org/rfc/rfc9113#section-8.2.2)).
fn is_of_the_connection(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        "connection" | "keep-alive" | "proxy-connection" | "te" | "transfer-encoding" | "upgrade"
    )
}

impl<S> Tidied<S> {
    pub(super) fn new(stream: Stream<S>, head_bytes_max: usize) -> Self {
        Self {
            stream,
            heads: Heads::new(head_bytes_max),
            read: vec![0; FRAME_BYTES_MAX].into(),
            ready: Vec::new(),
            taken: 0,
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Tidied<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        while this.taken == this.ready.len() {
            this.ready.clear();
            this.taken = 0;
            let mut read = ReadBuf::new(&mut this.read);
            ready!(Pin::new(&mut this.stream).poll_read(cx, &mut read))?;
            if read.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
            this.heads.take(read.filled(), &mut this.ready)?;
        }
        let left = &this.ready[this.taken..];
        let moved = left.len().min(buf.remaining());
        buf.put_slice(&left[..moved]);
        this.taken += moved;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Tidied<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests;
