//! Serving the API on a listener: HTTP/1.1 and HTTP/2, bounded in connections and in patience, and
//! ended gracefully.

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::serve::Listener;
use http::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, Semaphore};
use tower_service::Service;

/// Connections at the same time; those beyond wait in the listener's queue.
const CONNECTIONS_MAX: usize = 10_000;

/// A client has this long to send the head of a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// Cuts the connection off that a request came by: for a stream whose reader does not read. Whatever
/// else is under way there is cut off, too.
#[derive(Clone, Default)]
pub(crate) struct Cut(Arc<Notify>);

impl Cut {
    pub(crate) fn cut(&self) {
        self.0.notify_one();
    }
}

/// Serves the routes until `stop` is done; then requests under way have until `grace` to finish.
/// Each request knows where it comes from: `ConnectInfo<SocketAddr>`.
pub async fn serve<L>(
    mut listener: L,
    routes: Router,
    stop: impl Future<Output = ()>,
    grace: Duration,
) where
    L: Listener<Addr = SocketAddr>,
{
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let under_way = GracefulShutdown::new();
    let mut stop = std::pin::pin!(stop);
    loop {
        let accepted = async {
            // It is never closed, so there is always a place some time.
            let place = Arc::clone(&places).acquire_owned().await;
            (place, listener.accept().await)
        };
        let (place, (io, peer)) = tokio::select! {
            biased;
            () = &mut stop => break,
            accepted = accepted => accepted,
        };
        let cut = Cut::default();
        let connection = connection(TokioIo::new(io), (peer, cut.clone()), routes.clone());
        let connection = under_way.watch(connection);
        tokio::spawn(async move {
            tokio::select! {
                biased;
                // How a connection ends is its client's affair.
                _ = connection => (),
                () = cut.0.notified() => (),
            }
            drop(place);
        });
    }
    drop(listener);
    if tokio::time::timeout(grace, under_way.shutdown())
        .await
        .is_err()
    {
        tracing::warn!("postrider.api.cut_off");
    }
}

fn connection<I>(
    io: TokioIo<I>,
    (peer, cut): (SocketAddr, Cut),
    routes: Router,
) -> impl hyper_util::server::graceful::GracefulConnection<
    Error = Box<dyn std::error::Error + Send + Sync>,
>
where
    I: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin + 'static,
{
    let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        request.extensions_mut().insert(cut.clone());
        let mut routes = routes.clone();
        async move { routes.call(request.map(Body::new)).await }
    });
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new());
    builder.http1().header_read_timeout(HEAD_TIMEOUT);
    builder.http2().timer(TokioTimer::new());
    builder.http2().keep_alive_interval(HEAD_TIMEOUT);
    builder.serve_connection(io, service).into_owned()
}
