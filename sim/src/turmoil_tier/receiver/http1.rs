//! HTTP/1.1, byte by byte.

use super::super::dial::Tap;
use super::{Asked, BODY, Deed, Receiver, headers, linger};
use crate::plan::Answer;
use std::fmt::Write as _;
use std::io;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt};
use tokio::time::timeout;
use tokio_rustls::server::TlsStream;

/// The longest head that is read.
const HEAD_BYTES_MAX: usize = 64 * 1024;

/// What is no HTTP in different ways.
const GARBAGE: [&str; 3] = [
    "\u{1}\u{2}\u{3} garbage\r\n\r\n",
    "HTTP/1.1 two hundred\r\n\r\n",
    "HTTP/9.9 200 OK\r\n\r\n",
];

/// Lines of a head that are wrong in different ways, while its status is right.
const UNTIDY: [&str; 6] = [
    "x-folded: first\r\n second\r\n",
    "x-spaced : value\r\n",
    "set-cookie: session=a\u{1}b\r\n",
    "no colon in it\r\n",
    ": no name\r\n",
    "x-caf\u{e9}: latin\r\n",
];

/// More headers than anybody needs.
const HEADERS_MANY: usize = 300;

/// What comes of a connection after an answer.
#[derive(PartialEq, Eq)]
enum Then {
    /// The next request.
    GoOn,
    /// It is closed.
    Close,
    /// It is cut off, without a word.
    Cut,
}

impl Receiver {
    pub(super) async fn http1(&self, mut stream: TlsStream<Tap>) -> io::Result<()> {
        let mut buffer = Vec::new();
        let idle = Duration::from_millis(self.idle_ms);
        loop {
            let request = match timeout(idle, read(&mut stream, &mut buffer)).await {
                Ok(request) => request?,
                Err(_) => {
                    stream.shutdown().await?;
                    return linger(&mut stream).await;
                }
            };
            let Some(deed) = request.and_then(|asked| self.take(asked)) else {
                return Ok(());
            };
            self.stage.still_alive(self.who()).await;
            self.stage.sleep_ms(deed.delay_ms).await;
            match self.answer_http1(&mut stream, &deed).await? {
                Then::GoOn => (),
                Then::Cut => return Ok(()),
                Then::Close => {
                    stream.shutdown().await?;
                    return linger(&mut stream).await;
                }
            }
        }
    }

    async fn answer_http1(&self, stream: &mut TlsStream<Tap>, deed: &Deed) -> io::Result<Then> {
        if deed.reset {
            let cut = self.stage.chance.of("cut", self.number as u64, deed.number);
            let bytes = usize::try_from(cut.clone().up_to(12)).unwrap_or(0);
            stream.write_all(&b"HTTP/1.1 200"[..bytes]).await?;
            stream.flush().await?;
            return Ok(Then::Cut);
        }
        match &deed.answer {
            Answer::Status(status) | Answer::RetryAfter(status, _) => {
                self.whole(stream, deed, *status).await
            }
            Answer::Late(status, ms) => {
                self.stage.sleep_ms(*ms).await;
                self.whole(stream, deed, *status).await
            }
            Answer::Untidy(status) => {
                let head = self.untidy_head(deed, *status);
                say(stream, &head).await?;
                stream.write_all(BODY).await?;
                stream.flush().await?;
                Ok(Then::GoOn)
            }
            Answer::Hang => {
                linger(stream).await?;
                Ok(Then::Close)
            }
            Answer::Drip(status, ms) => {
                self.stage.sleep_ms(*ms).await;
                say(stream, &head(deed, *status, "content-length: 1000000")).await?;
                loop {
                    self.stage.sleep_ms(1_000).await;
                    say(stream, ".").await?;
                }
            }
            Answer::ResetInBody(status) => {
                let head = head(deed, *status, "content-length: 1000");
                say(stream, &format!("{head}only this")).await?;
                // A reset would overtake the head and take it with it.
                self.stage.sleep_ms(self.latency_ms()).await;
                Ok(Then::Cut)
            }
            Answer::Malformed => {
                let mut rolls = self
                    .stage
                    .chance
                    .of("garbage", self.number as u64, deed.number);
                say(stream, rolls.pick(&GARBAGE).unwrap_or(&"")).await?;
                Ok(Then::Close)
            }
            Answer::EndlessHead => {
                say(stream, "HTTP/1.1 200 OK\r\n").await?;
                let line = format!("x-more: {}\r\n", "m".repeat(8_000));
                loop {
                    say(stream, &line).await?;
                    self.stage.sleep_ms(5).await;
                }
            }
            Answer::EndlessBody(status) => {
                say(stream, &head(deed, *status, "transfer-encoding: chunked")).await?;
                let chunk = format!("1000\r\n{}\r\n", "b".repeat(0x1000));
                loop {
                    say(stream, &chunk).await?;
                    self.stage.sleep_ms(20).await;
                }
            }
            _ => Ok(Then::Cut),
        }
    }

    fn untidy_head(&self, deed: &Deed, status: u16) -> String {
        let mut rolls = self
            .stage
            .chance
            .of("untidy", self.number as u64, deed.number);
        let way = usize::try_from(rolls.up_to(UNTIDY.len() as u64)).unwrap_or(0);
        let lines = match UNTIDY.get(way) {
            Some(line) => (*line).to_owned(),
            None => "x-more: m\r\n".repeat(HEADERS_MANY),
        };
        let length = format!("{lines}content-length: {}", BODY.len());
        head(deed, status, &length)
    }

    async fn whole(
        &self,
        stream: &mut TlsStream<Tap>,
        deed: &Deed,
        status: u16,
    ) -> io::Result<Then> {
        let body = if matches!(status, 204 | 304) {
            &b""[..]
        } else {
            BODY
        };
        let length = format!("content-length: {}", body.len());
        let mut bytes = head(deed, status, &length).into_bytes();
        bytes.extend_from_slice(body);
        stream.write_all(&bytes).await?;
        stream.flush().await?;
        Ok(Then::GoOn)
    }

    pub(super) fn latency_ms(&self) -> u64 {
        let state = self.stage.state();
        state.weather.latency_ms(&self.stage.plan, self.number).1 + 20
    }
}

fn head(deed: &Deed, status: u16, length: &str) -> String {
    let mut head = format!("HTTP/1.1 {status} Said\r\n{length}\r\n");
    for (name, value) in headers(&deed.answer) {
        // Writing to a string does not fail.
        let _ = write!(head, "{name}: {value}\r\n");
    }
    head.push_str("\r\n");
    head
}

async fn say(stream: &mut TlsStream<Tap>, text: &str) -> io::Result<()> {
    stream.write_all(text.as_bytes()).await?;
    stream.flush().await
}

/// The next request; `None` if the connection ends before it is whole.
async fn read(stream: &mut TlsStream<Tap>, buffer: &mut Vec<u8>) -> io::Result<Option<Asked>> {
    loop {
        if let Some(asked) = parse(buffer) {
            return Ok(Some(asked));
        }
        // Reads no more than it must: what stays in the socket makes its end a reset.
        let more = stream.fill_buf().await?;
        if more.is_empty() || buffer.len() > HEAD_BYTES_MAX {
            return Ok(None);
        }
        buffer.extend_from_slice(more);
        let count = more.len();
        stream.consume(count);
    }
}

/// Takes a request out of the buffer, once it is whole.
fn parse(buffer: &mut Vec<u8>) -> Option<Asked> {
    let end = buffer.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let text = String::from_utf8_lossy(&buffer[..end]).into_owned();
    let mut lines = text.split("\r\n");
    let path = lines.next()?.split(' ').nth(1)?.to_owned();
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let value = |name: &str| {
        let found = headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    };
    let length: usize = value("content-length")?.parse().ok()?;
    let url = format!("https://{}{path}", value("host")?);
    if buffer.len() < end + length {
        return None;
    }
    let body = buffer[end..end + length].to_vec().into();
    buffer.drain(..end + length);
    Some(Asked { headers, url, body })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_taken_once_it_is_whole_and_no_more_than_it() {
        let whole = b"POST /p7 HTTP/1.1\r\nHost: r1.example\r\ncontent-length: 3\r\n\r\nabcPOST";
        let mut buffer = whole[..whole.len() - 5].to_vec();
        assert!(parse(&mut buffer).is_none(), "a byte is missing");
        let mut buffer = whole.to_vec();
        let asked = parse(&mut buffer).unwrap();
        assert_eq!(asked.url, "https://r1.example/p7");
        assert_eq!(&asked.body[..], b"abc");
        assert_eq!(
            asked.headers[0],
            ("host".to_owned(), "r1.example".to_owned())
        );
        assert_eq!(buffer, b"POST");
    }
}
