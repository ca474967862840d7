//! HTTP/2, as far down as its frames can be reached.

use super::super::dial::Tap;
use super::{Asked, BODY, Deed, Receiver, headers};
use crate::plan::Answer;
use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http::{Request, Response};
use std::future::{pending, poll_fn};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;
use tokio_rustls::server::TlsStream;

/// More headers than anybody needs.
const HEADERS_MANY: usize = 200;

/// What a connection is told by one of its requests.
#[derive(Default)]
struct Ends {
    cut: Notify,
    spoil: AtomicBool,
}

/// A stream on which no frame is one any more, once it is spoilt.
struct Spoilable {
    stream: TlsStream<Tap>,
    ends: Arc<Ends>,
}

impl AsyncRead for Spoilable {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Spoilable {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.ends.spoil.load(Ordering::Relaxed) {
            // As the head of a frame it says that 16 MB follow, which is not allowed.
            let garbage = vec![0xff; bytes.len()];
            return Pin::new(&mut self.stream).poll_write(cx, &garbage);
        }
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl Receiver {
    pub(super) async fn http2(self: &Arc<Self>, stream: TlsStream<Tap>) -> io::Result<()> {
        let ends = Arc::new(Ends::default());
        let stream = Spoilable {
            stream,
            ends: Arc::clone(&ends),
        };
        let handshake = h2::server::handshake(stream).await;
        let mut connection = handshake.map_err(io::Error::other)?;
        let mut requests = tokio::task::JoinSet::new();
        loop {
            tokio::select! {
                biased;
                () = ends.cut.notified() => return Ok(()),
                next = connection.accept() => match next {
                    Some(Ok((request, respond))) => {
                        let (receiver, ends) = (Arc::clone(self), Arc::clone(&ends));
                        requests.spawn_local(async move {
                            let work = receiver.request(request, respond, &ends);
                            receiver.stage.alive(receiver.who(), work).await
                        });
                    }
                    Some(Err(error)) => return Err(io::Error::other(error)),
                    None => return Ok(()),
                },
                Some(_) = requests.join_next(), if !requests.is_empty() => (),
            }
        }
    }

    async fn request(
        &self,
        request: Request<RecvStream>,
        mut respond: SendResponse<Bytes>,
        ends: &Ends,
    ) -> Result<(), h2::Error> {
        let asked = read(request).await?;
        let Some(deed) = self.take(asked) else {
            return Ok(());
        };
        self.stage.still_alive(self.who()).await;
        self.stage.sleep_ms(deed.delay_ms).await;
        if deed.reset {
            respond.send_reset(Reason::INTERNAL_ERROR);
            return Ok(());
        }
        self.answer_http2(&mut respond, &deed, ends).await
    }

    async fn answer_http2(
        &self,
        respond: &mut SendResponse<Bytes>,
        deed: &Deed,
        ends: &Ends,
    ) -> Result<(), h2::Error> {
        match &deed.answer {
            Answer::Status(status) | Answer::RetryAfter(status, _) => whole(respond, deed, *status),
            Answer::Untidy(status) => {
                // Its frames are made by a library, which makes tidy ones: of these there are many.
                let mut head = head(deed, *status);
                for number in 0..HEADERS_MANY {
                    let name = http::HeaderName::try_from(format!("x-more-{number}"));
                    if let Ok(name) = name {
                        head.headers_mut()
                            .insert(name, http::HeaderValue::from_static("m"));
                    }
                }
                let mut body = respond.send_response(head, false)?;
                body.send_data(Bytes::from_static(BODY), true)
            }
            Answer::Late(status, ms) => {
                self.stage.sleep_ms(*ms).await;
                whole(respond, deed, *status)
            }
            Answer::Hang => gone(respond).await,
            Answer::Drip(status, ms) => {
                self.stage.sleep_ms(*ms).await;
                let mut body = respond.send_response(head(deed, *status), false)?;
                loop {
                    self.stage.sleep_ms(1_000).await;
                    body.send_data(Bytes::from_static(b"."), false)?;
                }
            }
            Answer::Reset => {
                let mut rolls = self
                    .stage
                    .chance
                    .of("reset", self.number as u64, deed.number);
                if rolls.percent(50) {
                    ends.cut.notify_one();
                    return pending().await;
                }
                respond.send_reset(Reason::CANCEL);
                Ok(())
            }
            Answer::ResetInBody(status) => {
                let mut body = respond.send_response(head(deed, *status), false)?;
                body.send_data(Bytes::from_static(b"only this"), false)?;
                self.stage.sleep_ms(self.latency_ms()).await;
                body.send_reset(Reason::INTERNAL_ERROR);
                Ok(())
            }
            Answer::EndlessBody(status) => {
                let mut body = respond.send_response(head(deed, *status), false)?;
                loop {
                    room(&mut body).await?;
                    body.send_data(Bytes::from_static(&[b'b'; 4_096]), false)?;
                    self.stage.sleep_ms(20).await;
                }
            }
            Answer::EndlessHead => {
                let long = "m".repeat(70_000);
                let mut head = head(deed, 200);
                if let Ok(long) = long.parse() {
                    head.headers_mut().insert("x-more", long);
                }
                respond.send_response(head, true)?;
                Ok(())
            }
            _ => {
                ends.spoil.store(true, Ordering::Relaxed);
                whole(respond, deed, 200)
            }
        }
    }
}

/// Waits until the other side does not want the answer any more.
async fn gone(respond: &mut SendResponse<Bytes>) -> Result<(), h2::Error> {
    poll_fn(|context| respond.poll_reset(context)).await?;
    Ok(())
}

/// Waits until there is room for more of a body.
async fn room(body: &mut SendStream<Bytes>) -> Result<(), h2::Error> {
    body.reserve_capacity(4_096);
    while body.capacity() < 4_096 {
        match poll_fn(|context| body.poll_capacity(context)).await {
            Some(Ok(_)) => (),
            Some(Err(error)) => return Err(error),
            None => return Err(Reason::STREAM_CLOSED.into()),
        }
    }
    Ok(())
}

fn whole(respond: &mut SendResponse<Bytes>, deed: &Deed, status: u16) -> Result<(), h2::Error> {
    let mut body = respond.send_response(head(deed, status), false)?;
    body.send_data(Bytes::from_static(BODY), true)
}

fn head(deed: &Deed, status: u16) -> Response<()> {
    let mut head = Response::new(());
    if let Ok(status) = http::StatusCode::from_u16(status) {
        *head.status_mut() = status;
    }
    for (name, value) in headers(&deed.answer) {
        if let Ok(value) = value.parse() {
            head.headers_mut().insert(name, value);
        }
    }
    head
}

async fn read(request: Request<RecvStream>) -> Result<Asked, h2::Error> {
    let (head, mut stream) = request.into_parts();
    let mut body = Vec::new();
    while let Some(data) = stream.data().await {
        let data = data?;
        stream.flow_control().release_capacity(data.len())?;
        body.extend_from_slice(&data);
    }
    let headers = head.headers.iter().map(|(name, value)| {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        (name.as_str().to_owned(), value)
    });
    Ok(Asked {
        headers: headers.collect(),
        url: head.uri.to_string(),
        body: body.into(),
    })
}
