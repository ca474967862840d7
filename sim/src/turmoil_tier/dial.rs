//! The sender's network: names from a table, simulated sockets, and a note of every packet.

use super::stage::{Packet, Stage, State, Who};
use super::weather::Place;
use crate::plan::Answer;
use postrider::transport::Dial;
use std::future::pending;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use turmoil::net::TcpStream;

/// Nobody listens there.
const CLOSED_PORT: u16 = 9;

/// An address that no request may go to.
const PRIVATE: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));

/// The sender's network.
pub(super) struct SimulatedDial {
    stage: Arc<Stage>,
}

/// A socket whose packets are noted.
pub(super) struct Tap {
    stage: Arc<Stage>,
    who: Who,
    stream: TcpStream,
    local: SocketAddr,
    peer: SocketAddr,
    /// Bytes that were read, and are still in the socket: if it is dropped now, the other side is
    /// sent a reset. A receiver's sockets do that, the others do not.
    unread: Option<usize>,
}

impl SimulatedDial {
    pub(super) fn new(stage: Arc<Stage>) -> Self {
        Self { stage }
    }

    fn fate(&self, receiver: usize, place: Place) -> Option<Answer> {
        let mut state = self.stage.state();
        state.weather.next(&self.stage.plan, receiver, place).1
    }
}

impl Dial for SimulatedDial {
    type Stream = Tap;

    async fn resolve(&self, name: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        let no_name = || io::Error::new(io::ErrorKind::NotFound, "no such name");
        let receiver = State::receiver_of(name).ok_or_else(no_name)?;
        let address = self.stage.state().address(receiver).ok_or_else(no_name)?;
        match self.fate(receiver, Place::Lookup) {
            Some(Answer::NoName) => Err(no_name()),
            Some(Answer::PrivateAddress) => Ok(vec![SocketAddr::new(PRIVATE, port)]),
            _ => Ok(vec![SocketAddr::new(address, port)]),
        }
    }

    async fn connect(&self, mut address: SocketAddr) -> io::Result<Tap> {
        let receiver = {
            let state = self.stage.state();
            let is_it = |known: &IpAddr| *known == address.ip();
            state.addresses.iter().position(is_it)
        };
        if let Some(receiver) = receiver {
            // A crashed host does not say so in this simulation: it says nothing.
            let refuses_in_ms = {
                let state = self.stage.state();
                let way_ms = state.weather.latency_ms(&self.stage.plan, receiver).0;
                state.refusing.contains(&receiver).then_some(way_ms)
            };
            if let Some(ms) = refuses_in_ms {
                self.stage.sleep_ms(ms).await;
                return Err(io::ErrorKind::ConnectionRefused.into());
            }
            match self.fate(receiver, Place::Way) {
                Some(Answer::Refused) => address.set_port(CLOSED_PORT),
                Some(Answer::Unreachable) => return pending().await,
                _ => (),
            }
        }
        let stream = TcpStream::connect(address).await?;
        Tap::new(&self.stage, Who::Sender, stream)
    }

    fn peer(&self, stream: &Tap) -> io::Result<SocketAddr> {
        Ok(stream.peer)
    }
}

impl Tap {
    pub(super) fn new(stage: &Arc<Stage>, who: Who, stream: TcpStream) -> io::Result<Self> {
        let tap = Self {
            stage: Arc::clone(stage),
            who,
            local: stream.local_addr()?,
            peer: stream.peer_addr()?,
            stream,
            unread: matches!(who, Who::Receiver(_)).then_some(0),
        };
        tap.packet("meets", 0);
        Ok(tap)
    }

    fn packet(&self, act: &'static str, bytes: usize) {
        self.stage.packet(Packet {
            local: self.local,
            peer: self.peer,
            act,
            bytes,
        });
    }

    /// Takes out of the socket what was only looked at.
    fn take_out(&mut self, cx: &mut Context<'_>) {
        let mut scratch = [0; 2_048];
        while let Some(unread @ 1..) = self.unread {
            let mut room = ReadBuf::new(&mut scratch);
            let mut room = room.take(unread);
            let read = Pin::new(&mut self.stream).poll_read(cx, &mut room);
            let taken = room.filled().len();
            if taken == 0 || !matches!(read, Poll::Ready(Ok(()))) {
                self.unread = Some(0);
                return;
            }
            self.unread = Some(unread - taken);
        }
    }
}

impl AsyncRead for Tap {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.stage.stands(self.who) {
            return Poll::Pending;
        }
        let before = buf.filled().len();
        let polled = if self.unread.is_some() {
            self.take_out(cx);
            let looked = self.stream.poll_peek(cx, buf);
            looked.map(|looked| looked.map(|bytes| self.unread = Some(bytes)))
        } else {
            Pin::new(&mut self.stream).poll_read(cx, buf)
        };
        match &polled {
            Poll::Ready(Ok(())) => match buf.filled().len() - before {
                0 => self.packet("hears the end of", 0),
                bytes => self.packet("hears", bytes),
            },
            Poll::Ready(Err(_)) => self.packet("is cut off by", 0),
            Poll::Pending => (),
        }
        polled
    }
}

impl AsyncWrite for Tap {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.stage.stands(self.who) {
            return Poll::Pending;
        }
        let polled = Pin::new(&mut self.stream).poll_write(cx, bytes);
        match &polled {
            Poll::Ready(Ok(bytes)) => self.packet("tells", *bytes),
            Poll::Ready(Err(_)) => self.packet("cannot tell", 0),
            Poll::Pending => (),
        }
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.stage.stands(self.who) {
            return Poll::Pending;
        }
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
