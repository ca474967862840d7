//! `postrider-sim`: the command line.

fn main() {}
