//! The services that Postrider was made to replace, each as its users would go through it, with a
//! restart in the middle.

mod emitter;
mod inbound_service;
mod payments;
mod templates;
mod tutorial;
