//! The network, as far as a transport needs it.

use super::{lookups, shortage};
use std::io;
use std::net::{IpAddr, SocketAddr};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpSocket, TcpStream};

/// Resolves names and makes connections. The transport decides: it vets the addresses that
/// [`resolve`](Dial::resolve) gives before it connects to one of them, and the
/// [`peer`](Dial::peer) after. A simulator implements this trait and nothing else.
pub trait Dial: Send + Sync + 'static {
    /// A connection.
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// Looks up the addresses of a name, in the order in which they should be tried.
    ///
    /// # Errors
    ///
    /// Any error is a failed lookup, and so is an answer without addresses.
    fn resolve(
        &self,
        name: &str,
        port: u16,
    ) -> impl Future<Output = io::Result<Vec<SocketAddr>>> + Send;

    /// Connects to this very address, without a proxy.
    ///
    /// # Errors
    ///
    /// Whatever kept the connection from being made.
    fn connect(&self, address: SocketAddr)
    -> impl Future<Output = io::Result<Self::Stream>> + Send;

    /// The same from this address of the machine, if one is chosen. A network that is asked for it and
    /// cannot choose refuses.
    ///
    /// # Errors
    ///
    /// Whatever kept the connection from being made.
    fn connect_from(
        &self,
        address: SocketAddr,
        source: Option<IpAddr>,
    ) -> impl Future<Output = io::Result<Self::Stream>> + Send {
        let connecting = source.is_none().then(|| self.connect(address));
        async move {
            match connecting {
                Some(connecting) => connecting.await,
                None => Err(io::ErrorKind::Unsupported.into()),
            }
        }
    }

    /// The address at the other end of a connection.
    ///
    /// # Errors
    ///
    /// The connection is no longer there.
    fn peer(&self, stream: &Self::Stream) -> io::Result<SocketAddr>;
}

/// The network of the operating system: its resolver, its TCP sockets, `TCP_NODELAY` set.
///
/// The resolver blocks a thread of tokio's blocking pool for as long as it takes, even when the
/// attempt that asked has ended. So 64 look-ups are under way at most in the whole process, and 8 of
/// them for names with the same end (`example.com`, `example.co.uk`). One that waits longer than a
/// second for the others is a [`Shortage`](super::Shortage).
#[derive(Clone, Copy, Debug, Default)]
pub struct TokioDial;

impl Dial for TokioDial {
    type Stream = TcpStream;

    async fn resolve(&self, name: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        let mut found = lookups::look_up(name).await?.to_vec();
        for address in &mut found {
            address.set_port(port);
        }
        Ok(found)
    }

    async fn connect(&self, address: SocketAddr) -> io::Result<TcpStream> {
        let stream = TcpStream::connect(address).await;
        ready(stream, address)
    }

    async fn connect_from(
        &self,
        address: SocketAddr,
        source: Option<IpAddr>,
    ) -> io::Result<TcpStream> {
        let Some(source) = source else {
            return self.connect(address).await;
        };
        let socket = match address {
            SocketAddr::V4(_) => TcpSocket::new_v4(),
            SocketAddr::V6(_) => TcpSocket::new_v6(),
        };
        let socket = socket.map_err(|error| shortage::of_connect(error, address))?;
        let bound = socket.bind(SocketAddr::new(source, 0));
        bound.map_err(|error| shortage::of_connect(error, address))?;
        ready(socket.connect(address).await, address)
    }

    fn peer(&self, stream: &TcpStream) -> io::Result<SocketAddr> {
        stream.peer_addr()
    }
}

fn ready(stream: io::Result<TcpStream>, address: SocketAddr) -> io::Result<TcpStream> {
    let stream = stream.map_err(|error| shortage::of_connect(error, address))?;
    // A request leaves in one or two writes; waiting to fill a packet only costs time.
    stream.set_nodelay(true)?;
    Ok(stream)
}
