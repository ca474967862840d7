//! How a replay is asked to stop: it ends what it is at, and tells how far it has come.

use std::future::pending;
use tokio::sync::watch;

/// Whether a replay is to stop. By default nobody can ask it to.
#[derive(Clone, Default)]
pub(crate) struct Stop(Option<watch::Receiver<bool>>);

impl Stop {
    pub(super) fn of(asked: watch::Receiver<bool>) -> Self {
        Self(Some(asked))
    }

    pub(super) fn is_asked(&self) -> bool {
        self.0.as_ref().is_some_and(|asked| *asked.borrow())
    }

    /// Waits for something, but no longer than until it is asked for: `None`.
    pub(super) async fn or<T>(&self, what: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            () = self.asked() => None,
            done = what => Some(done),
        }
    }

    async fn asked(&self) {
        if let Some(asked) = &self.0 {
            let mut asked = asked.clone();
            let is_asked = asked.wait_for(|asked| *asked).await.is_ok();
            if is_asked {
                return;
            }
        }
        // Whoever could ask for it is gone.
        pending().await
    }
}
