//! The core, driven by hand: no runtime, no threads, two simulated clocks.

mod check;
mod harness;
mod random;
