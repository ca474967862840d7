//! x
mod hostile;
mod transport;
