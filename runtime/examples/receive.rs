//! A service that receives webhooks: verifies them and prints what came.
//!
//! `WEBHOOK_SECRET=whsec_… cargo run -p postrider --features receive --example receive` prints its
//! address. `PORT` chooses the port (else the system does), `WEBHOOK_SCHEME` the scheme (else
//! `postrider`). While a secret is rotated `WEBHOOK_SECRET` holds both, separated by a space.
#![expect(clippy::print_stdout, reason = "it shows something")]

use axum::Router;
use axum::http::StatusCode;
use axum::routing::post;
use postrider::Secret;
use postrider::receive::{Receiver, Webhook};
use postrider::signature::{Scheme, Verifier};
use std::env;
use std::error::Error;
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let secrets = env::var("WEBHOOK_SECRET")
        .ok()
        .filter(|secrets| !secrets.trim().is_empty())
        .ok_or("set WEBHOOK_SECRET to the secret that the sender signs with")?;
    let secrets: Vec<Secret> = secrets
        .split_whitespace()
        .map(Secret::parse)
        .collect::<Result<_, _>>()?;
    let scheme: Scheme = match env::var("WEBHOOK_SCHEME") {
        Ok(name) => name.parse()?,
        Err(_) => Scheme::Postrider,
    };
    let port: u16 = match env::var("PORT") {
        Ok(port) => port
            .parse()
            .map_err(|_| "PORT must be a number from 0 to 65535")?,
        Err(_) => 0,
    };
    let receiver = Receiver::new(Verifier::new(scheme, &secrets)?);
    let routes = Router::new()
        .route("/webhooks", post(received))
        .with_state(receiver);
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    println!(
        "listening on http://{}/webhooks, scheme {scheme}",
        listener.local_addr()?
    );
    axum::serve(listener, routes).await?;
    Ok(())
}

/// Runs for verified webhooks alone.
async fn received(webhook: Webhook) -> StatusCode {
    println!(
        "{} signed with secret {}: {}",
        webhook.id.as_deref().unwrap_or("a webhook"),
        webhook.key_index,
        String::from_utf8_lossy(&webhook.body)
    );
    StatusCode::NO_CONTENT
}
