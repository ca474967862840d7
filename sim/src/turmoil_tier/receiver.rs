//! A merchant's server: TLS on a simulated socket, and HTTP written by hand, for what it says is
//! wrong more often than a library would allow.

mod http1;
mod http2;

use super::dial::Tap;
use super::recorder::ids;
use super::stage::{Stage, Who};
use super::tls::{self, Flaw};
use super::weather::Place;
use crate::plan::{Answer, FaultKind};
use crate::trace::{What, Wire};
use std::error::Error;
use std::future::pending;
use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsAcceptor;
use turmoil::net::TcpListener;

/// Where receivers listen.
const PORT: u16 = 443;

/// How long a receiver that lost power stays down.
const POWERLESS_MS: u64 = 300;

/// One receiver.
struct Receiver {
    stage: Arc<Stage>,
    number: usize,
    good: TlsAcceptor,
    /// One per flaw.
    bad: Vec<TlsAcceptor>,
    /// A connection on which nothing is asked for so long is closed.
    idle_ms: u64,
}

/// A request as it came.
struct Asked {
    headers: Vec<(String, String)>,
    url: String,
    body: bytes::Bytes,
}

/// What a receiver does with a request.
struct Deed {
    answer: Answer,
    /// Before that so much time passes on the way.
    delay_ms: u64,
    /// The answer is cut off somewhere.
    reset: bool,
    /// The how manyth request it is.
    number: u64,
}

/// One life of a receiver.
pub(super) async fn live(stage: Arc<Stage>, number: usize) -> turmoil::Result {
    let who = Who::Receiver(number);
    match Receiver::new(&stage, number) {
        Ok(receiver) => stage.alive(who, Arc::new(receiver).serve()).await?,
        Err(error) => stage.broke("tls", error.to_string()),
    }
    pending().await
}

impl Receiver {
    fn new(stage: &Arc<Stage>, number: usize) -> Result<Self, Box<dyn Error>> {
        let mut rolls = stage.chance.of("receiver", number as u64, 0);
        let protocols: &[&[u8]] = if rolls.percent(40) {
            &[b"h2", b"http/1.1"]
        } else {
            &[b"http/1.1"]
        };
        let idle_ms = *rolls.pick(&[50, 700, 5_000, 60_000]).unwrap_or(&5_000);
        let acceptor = |flaw| {
            let config = tls::server(stage, number, flaw, protocols);
            config.map(|config| TlsAcceptor::from(Arc::new(config)))
        };
        let flaws = [Flaw::Name, Flaw::Expired, Flaw::Stranger];
        Ok(Self {
            stage: Arc::clone(stage),
            number,
            good: acceptor(Flaw::None)?,
            bad: flaws.into_iter().map(acceptor).collect::<Result<_, _>>()?,
            idle_ms,
        })
    }

    fn who(&self) -> Who {
        Who::Receiver(self.number)
    }

    async fn serve(self: Arc<Self>) -> io::Result<()> {
        let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, PORT)).await?;
        loop {
            let (stream, _) = listener.accept().await?;
            let receiver = Arc::clone(&self);
            tokio::task::spawn_local(async move {
                let work = receiver.connection(stream);
                // A connection that breaks is the end of that connection.
                let _: io::Result<()> = receiver.stage.alive(receiver.who(), work).await;
            });
        }
    }

    async fn connection(self: &Arc<Self>, stream: turmoil::net::TcpStream) -> io::Result<()> {
        let mut stream = Tap::new(&self.stage, self.who(), stream)?;
        let (number, fate) = {
            let mut state = self.stage.state();
            let plan = &self.stage.plan;
            state.weather.next(plan, self.number, Place::Handshake)
        };
        let mut acceptor = &self.good;
        if fate == Some(Answer::BadTls) {
            let mut rolls = self.stage.chance.of("bad tls", self.number as u64, number);
            match rolls.pick(&self.bad) {
                Some(bad) if rolls.percent(75) => acceptor = bad,
                _ => {
                    stream.write_all(b"220 mail.example ESMTP\r\n").await?;
                    return linger(&mut stream).await;
                }
            }
        }
        let stream = acceptor.accept(stream).await?;
        if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
            self.http2(stream).await
        } else {
            self.http1(stream).await
        }
    }

    /// Notes a request, and says what to do with it. `None` if it is none of the sender's.
    fn take(&self, asked: Asked) -> Option<Deed> {
        let Some((delivery, event, number)) = ids(&asked.headers) else {
            let said = format!("a request without its ids: {:?}", asked.headers);
            self.stage.broke("wire", said);
            return None;
        };
        let mut state = self.stage.state();
        let Some(sent) = state.sent.get(&(delivery, number)) else {
            drop(state);
            self.stage.broke("wire", "nobody sent this".to_owned());
            return None;
        };
        let wire = Wire {
            life: sent.life,
            delivery,
            event,
            number,
            batch: Arc::default(),
            url: asked.url.into(),
            headers: asked.headers,
            body: asked.body,
            at: sent.at,
            timeout_ms: sent.timeout_ms,
        };
        state.note(What::Arrived {
            receiver: self.number,
            wire: Arc::new(wire),
        });
        let plan = &self.stage.plan;
        let (count, answer) = state.weather.next(plan, self.number, Place::Request);
        let answer = answer.unwrap_or(Answer::Status(200));
        let at_ms = state.now_ms();
        let answer = state.weather.said(self.number, &answer, at_ms);
        state.note(What::Responded {
            receiver: self.number,
            delivery,
            number,
            answer: answer.clone(),
        });
        drop(state);
        Some(self.mishap(Deed {
            answer,
            delay_ms: 0,
            reset: false,
            number: count,
        }))
    }

    fn mishap(&self, mut deed: Deed) -> Deed {
        match self.stage.response_fault() {
            Some(FaultKind::LoseResponse) => {
                let mut state = self.stage.state();
                state.crash_receiver(self.number, true, POWERLESS_MS);
            }
            Some(FaultKind::DelayResponse { by_ms }) => deed.delay_ms = by_ms,
            Some(FaultKind::ResetResponse) => deed.reset = true,
            _ => (),
        }
        deed
    }
}

/// The body of every answer that has one.
const BODY: &[u8] = b"{\"received\":true}";

/// The headers of an answer besides those that say how long it is.
fn headers(answer: &Answer) -> Vec<(&'static str, String)> {
    match answer {
        Answer::RetryAfter(_, text) => vec![("retry-after", text.clone())],
        Answer::Status(300..400) => vec![("location", "https://r0.example/else".to_owned())],
        _ => Vec::new(),
    }
}

/// Listens until the other side has gone.
async fn linger(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> io::Result<()> {
    let mut scratch = [0; 1_024];
    while stream.read(&mut scratch).await? > 0 {}
    Ok(())
}
