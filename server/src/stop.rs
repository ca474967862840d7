//! Being asked to end: the first signal lets the work under way finish, the second ends it at once.

use std::io::{self, Write};
use tokio::sync::watch;

/// What a shell says of a process that was interrupted: 128 and the number of `SIGINT`.
const ENDED_AT_ONCE: i32 = 130;

/// Whether somebody has asked.
#[derive(Clone)]
pub(crate) struct Stop(watch::Receiver<bool>);

impl Stop {
    /// Listens from now on. Must be called in a tokio runtime.
    pub(crate) fn listen() -> io::Result<Self> {
        let mut signals = Signals::listen()?;
        let (asked, stop) = watch::channel(false);
        tokio::spawn(async move {
            signals.next().await;
            // Told to whoever reads it; if nobody does, it stops all the same.
            let _ = writeln!(
                io::stderr().lock(),
                "postrider: stopping when what is under way has ended; ask again to stop at once"
            );
            asked.send_replace(true);
            signals.next().await;
            std::process::exit(ENDED_AT_ONCE);
        });
        Ok(Self(stop))
    }

    pub(crate) fn is_asked(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until somebody asks.
    pub(crate) async fn asked(mut self) {
        // The sender is never dropped before the process ends.
        let _ = self.0.wait_for(|asked| *asked).await;
    }
}

/// `SIGTERM`, with which service managers ask, and `SIGINT`, which a terminal sends for Ctrl-C.
#[cfg(unix)]
struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn listen() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            biased;
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Ctrl-C, where there are no signals.
#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    #[expect(clippy::unnecessary_wraps, reason = "elsewhere it can fail")]
    fn listen() -> io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
