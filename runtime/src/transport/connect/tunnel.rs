//! A connection through a proxy.

use super::{Connector, failed};
use crate::transport::dial::Dial;
use crate::transport::failure::{carries, describe};
use crate::transport::proxy::Proxy;
use crate::transport::shortage::Shortage;
use postrider_engine::{Failure, FailureKind, Phase};
use std::io;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, timeout_at};

/// The most bytes of a proxy's answer that are read.
const ANSWER_BYTES_MAX: usize = 8 * 1024;

impl<D: Dial> Connector<D> {
    /// Asks the proxy for each of these in turn until it has a connection. Each gets an even share of
    /// the time that is left.
    ///
    /// That the proxy cannot be reached, or does not know who asks, is no fault of a receiver's.
    pub(super) async fn tunnel(
        &self,
        proxy: &Proxy,
        targets: &[String],
        deadline: Instant,
    ) -> Result<D::Stream, Failure> {
        let mut failure = Failure::new(FailureKind::Connect, "no address was asked for");
        for (target, left) in targets.iter().zip((1..=targets.len()).rev()) {
            let now = Instant::now();
            let share = deadline.saturating_duration_since(now) / u32::try_from(left).unwrap_or(1);
            // The attempt's own deadline ends the last one.
            let until = if left == 1 { deadline } else { now + share };
            failure = match timeout_at(until, self.ask(proxy, target)).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(failure)) if failure.kind == FailureKind::Local => return Err(failure),
                Ok(Err(failure)) => failure,
                Err(_) => Failure::new(
                    FailureKind::Timeout(Phase::Connect),
                    "the proxy gave no answer in its share of the time",
                ),
            };
        }
        Err(failure)
    }

    async fn ask(&self, proxy: &Proxy, target: &str) -> Result<D::Stream, Failure> {
        let mut stream = self.dial_proxy(proxy).await?;
        let answered = exchange(&mut stream, &proxy.request(target)).await;
        let (kind, why) = match answered {
            Ok(200..=299) => return Ok(stream),
            Ok(407) => (
                FailureKind::Local,
                "the proxy wants another user name and password (407)".to_owned(),
            ),
            Ok(status) => (
                FailureKind::Connect,
                format!("the proxy answered {status} when it was asked for the receiver"),
            ),
            Err(error) => (
                FailureKind::Connect,
                format!("the proxy: {}", describe(&error)),
            ),
        };
        Err(Failure::new(kind, why))
    }

    async fn dial_proxy(&self, proxy: &Proxy) -> Result<D::Stream, Failure> {
        let unreachable = |error: &io::Error| {
            let why = format_args!("the proxy cannot be reached: {}", describe(error));
            Failure::new(FailureKind::Local, why)
        };
        let addresses = match proxy.place() {
            Ok(address) => vec![address],
            Err((name, port)) => {
                let found = self.dial.resolve(name, port).await;
                found.map_err(|error| unreachable(&error))?
            }
        };
        let mut failure = Failure::new(
            FailureKind::Local,
            "the proxy has no address that this server sends to (address_family, source_address)",
        );
        for address in addresses {
            if !self.uplink.takes(address.ip()) {
                continue;
            }
            let source = self.uplink.source_for(address.ip());
            failure = match self.dial.connect_from(address, source).await {
                Ok(stream) => return Ok(stream),
                Err(error) if carries::<Shortage>(&error) => {
                    return Err(failed(FailureKind::Local, &error));
                }
                Err(error) => unreachable(&error),
            };
        }
        Err(failure)
    }
}

/// Sends the request, and reads the status of its answer.
async fn exchange<S>(stream: &mut S, request: &str) -> io::Result<u16>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    stream.write_all(request.as_bytes()).await?;
    stream.flush().await?;
    read_status(stream).await
}

/// Reads the head of an answer to its end. What a receiver says before it was asked is none of the
/// protocols that are spoken here, and would be lost.
async fn read_status<S: AsyncRead + Unpin>(stream: &mut S) -> io::Result<u16> {
    const END: &[u8] = b"\r\n\r\n";
    let refused = |why: &'static str| io::Error::new(io::ErrorKind::InvalidData, why);
    let mut answer = Vec::with_capacity(512);
    let end = loop {
        if let Some(place) = answer.windows(END.len()).position(|it| it == END) {
            break place + END.len();
        }
        if answer.len() > ANSWER_BYTES_MAX {
            return Err(refused("its answer has no end"));
        }
        if stream.read_buf(&mut answer).await? == 0 {
            return Err(refused("it closed the connection without an answer"));
        }
    };
    let status = status_of(&answer).ok_or_else(|| refused("its answer is not HTTP"))?;
    match (200..300).contains(&status) && answer.len() > end {
        true => Err(refused("something came before anything was asked")),
        false => Ok(status),
    }
}

/// `HTTP/1.1 200 Connection established`.
fn status_of(answer: &[u8]) -> Option<u16> {
    let rest = answer.strip_prefix(b"HTTP/1.")?;
    let [b'0' | b'1', b' ', code @ ..] = rest else {
        return None;
    };
    let digits = std::str::from_utf8(code.first_chunk::<3>()?).ok()?;
    let status = digits.parse().ok()?;
    (100..600).contains(&status).then_some(status)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::duplex;

    async fn read(parts: &[&str]) -> Result<u16, String> {
        let (mut ours, mut theirs) = duplex(64 * 1024);
        for part in parts {
            theirs.write_all(part.as_bytes()).await.unwrap();
        }
        drop(theirs);
        read_status(&mut ours)
            .await
            .map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn the_status_of_a_proxys_answer_is_read_with_the_whole_head() {
        let answer = [
            "HTTP/1.1 200 Connection",
            " established\r\nvia: a\r",
            "\n\r\n",
        ];
        assert_eq!(read(&answer).await, Ok(200));
        assert_eq!(read(&["HTTP/1.0 407 Who\r\n\r\n<html>"]).await, Ok(407));
        for (answer, why) in [
            ("", "without an answer"),
            ("HTTP/1.1 200 OK\r\n", "without an answer"),
            ("SSH-2.0-x\r\n\r\n", "not HTTP"),
            ("HTTP/2 200\r\n\r\n", "not HTTP"),
            ("HTTP/1.1 200 OK\r\n\r\nhello", "before anything was asked"),
        ] {
            let error = read(&[answer]).await.unwrap_err();
            assert!(error.contains(why), "{answer:?}: {error}");
        }
        let endless = "x".repeat(ANSWER_BYTES_MAX + 1);
        assert!(read(&[&endless]).await.unwrap_err().contains("no end"));
    }
}
