//! Being short of something on this machine: descriptors, ports, buffers, threads, memory. It says
//! nothing about a receiver.

use std::io;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// This machine could not send, and nothing was sent. A [`Dial`](super::Dial) that gives an
/// [`io::Error`] around this one has the delivery put back: it is no attempt of its receiver's.
#[derive(Debug, thiserror::Error)]
#[error("this machine is short of something: {0}")]
pub struct Shortage(pub io::Error);

/// A line in the log for all that was put back in this time.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// What was put back since it was last told, and when that was.
static PUT_BACK: Mutex<(u64, Option<Instant>)> = Mutex::new((0, None));

/// Tells of it, unless that was done a moment ago.
pub(crate) fn tell(detail: &str) {
    let mut put_back = PUT_BACK.lock().unwrap_or_else(PoisonError::into_inner);
    let (requests, told) = &mut *put_back;
    *requests += 1;
    if told.is_none_or(|at| at.elapsed() >= TELL_EVERY) {
        *told = Some(Instant::now());
        let requests = std::mem::take(requests);
        tracing::warn!(requests, detail, "postrider.attempts.put_back");
    }
}

/// A failed connect, or a [`Shortage`].
pub(super) fn of_connect(error: io::Error, to: SocketAddr) -> io::Error {
    match is_shortage(&error) || has_no_watches(&error) || is_out_of_ports(&error, to) {
        true => io::Error::other(Shortage(error)),
        false => error,
    }
}

/// No socket more can be waited for (`max_user_watches`, epoll(7)): connecting needs no disk.
fn has_no_watches(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::StorageFull
}

/// A failed look-up, or a [`Shortage`]: a resolver that could open nothing says that there is no such
/// name.
pub(super) fn of_resolve(error: io::Error) -> io::Error {
    match is_shortage(&error) || has_no_descriptors() {
        true => io::Error::other(Shortage(error)),
        false => error,
    }
}

/// Whether the system has said so.
#[cfg(unix)]
pub(crate) fn is_shortage(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let short = [
        Errno::MFILE,
        Errno::NFILE,
        Errno::NOBUFS,
        Errno::NOMEM,
        Errno::AGAIN,
    ];
    Errno::from_io_error(error).is_some_and(|it| short.contains(&it))
}

#[cfg(not(unix))]
pub(crate) fn is_shortage(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::OutOfMemory
}

/// No port is free, or there is no address to send from: then UDP has none, either.
pub(crate) fn is_out_of_ports(error: &io::Error, to: SocketAddr) -> bool {
    let any: SocketAddr = match to {
        SocketAddr::V4(_) => ([0; 4], 0).into(),
        SocketAddr::V6(_) => ([0; 16], 0).into(),
    };
    error.kind() == io::ErrorKind::AddrNotAvailable
        && std::net::UdpSocket::bind(any)
            .and_then(|it| it.connect(to))
            .is_ok()
}

/// Whether no more than a few descriptors are left.
pub(crate) fn has_no_descriptors() -> bool {
    #[cfg(unix)]
    {
        let null = || std::fs::File::open("/dev/null");
        let opened = [null(), null(), null(), null()];
        opened.iter().any(|it| it.as_ref().is_err_and(is_shortage))
    }
    #[cfg(not(unix))]
    false
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;

    #[test]
    fn what_this_machine_lacks_is_told_from_what_a_receiver_refuses() {
        use rustix::io::Errno;
        let to: SocketAddr = ([127, 0, 0, 1], 9).into();
        let lacks = [
            Errno::MFILE,
            Errno::NFILE,
            Errno::NOBUFS,
            Errno::NOMEM,
            Errno::NOSPC,
        ];
        for short in lacks {
            let error = of_connect(short.into(), to);
            assert!(error.get_ref().is_some_and(|it| it.is::<Shortage>()));
        }
        for other in [Errno::CONNREFUSED, Errno::HOSTUNREACH, Errno::TIMEDOUT] {
            let error = of_connect(other.into(), to);
            assert_eq!(error.raw_os_error(), Some(other.raw_os_error()));
        }
    }

    #[test]
    fn no_free_port_is_a_shortage_and_no_address_to_send_from_is_none() {
        let error = || rustix::io::Errno::ADDRNOTAVAIL.into();
        let is_short = |to: SocketAddr| {
            let error = of_connect(error(), to);
            error.get_ref().is_some_and(|it| it.is::<Shortage>())
        };
        assert!(is_short(([127, 0, 0, 1], 9).into()));
        // For documentation (RFC 3849): a machine with a route there has an address, too.
        let nowhere = "[2001:db8::1]:9".parse().unwrap();
        let has_route = std::net::UdpSocket::bind("[::]:0")
            .is_ok_and(|it| it.connect::<SocketAddr>(nowhere).is_ok());
        assert_eq!(is_short(nowhere), has_route);
    }
}
