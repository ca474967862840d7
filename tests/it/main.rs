//! Proves the shipped whole from outside: real sockets, real processes.

mod delivery;
mod hostile;
mod receiver;
mod scenarios;
mod store;
mod transport;
