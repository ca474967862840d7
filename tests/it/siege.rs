//! Clients and receivers that take what others need: connections, bytes, answers that nobody reads. Over
//! the real program; each test is small, and what it asserts is that others are served and memory stays
//! bounded.

mod bytes;
mod connections;
mod program;
mod receivers;
