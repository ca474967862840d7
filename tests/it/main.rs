//! Proves the shipped whole from outside: real sockets, real processes.

mod cli;
mod delivery;
mod demo;
mod hostile;
mod programs;
mod receiver;
mod scenarios;
mod std_thread;
mod store;
mod tidy;
mod transport;
