//! Being asked to end: the first signal lets the work under way finish, the second ends it at once.

use std::io::{self, Write};
use std::process::exit;
use std::thread;
use std::time::Duration;
use tokio::runtime::Builder;
use tokio::sync::watch;
use tokio::time::timeout;

/// What a shell says of a process that was interrupted: 128 and the number of `SIGINT`.
const ENDED_AT_ONCE: i32 = 130;

/// The exit status if what was under way did not end in time.
const ENDED_LATE: i32 = 1;

/// Whether somebody has asked.
#[derive(Clone)]
pub(crate) struct Stop(watch::Receiver<bool>);

impl Stop {
    /// Listens from now on, on a thread of its own: whatever the others are busy with, the process
    /// ends when it is asked to, `within` this time at the latest, if there is such a bound.
    pub(crate) fn listen(within: Option<Duration>) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let mut signals = {
            let _in_runtime = runtime.enter();
            Signals::listen()?
        };
        let (asked, stop) = watch::channel(false);
        let wait = async move {
            signals.next().await;
            say("stopping when what is under way has ended; ask again to stop at once");
            asked.send_replace(true);
            let Some(within) = within else {
                signals.next().await;
                exit(ENDED_AT_ONCE);
            };
            if timeout(within, signals.next()).await.is_ok() {
                exit(ENDED_AT_ONCE);
            }
            say(&format!(
                "what was under way has not ended within {} s: stopped",
                within.as_secs()
            ));
            exit(ENDED_LATE);
        };
        thread::Builder::new()
            .name("postrider-stop".to_owned())
            .spawn(move || runtime.block_on(wait))?;
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

/// Told to whoever reads it; if nobody does, it stops all the same.
fn say(what: &str) {
    let _ = writeln!(io::stderr().lock(), "postrider: {what}");
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
