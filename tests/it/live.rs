//! What can be watched: the stream, operational events, metrics and the log, on real sockets over a
//! real store.

mod logs;
mod metrics;
mod operations;
mod playground;
mod promptness;
mod server;
mod sse;
mod stream;
mod streams;
