//! The egress guard.
