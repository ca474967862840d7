//! An application that has Postrider in it: its own routes beside those of the API, handlers for
//! the webhooks of Stripe and GitHub, and a listener for every event.
//!
//! `cargo run -p postrider-server --example embedded` keeps its data in `embedded-data` and prints
//! an API key at its first start. Make the sources (their secrets are those that the providers
//! show), and let the providers send to the `path` that comes back:
//!
//! ```sh
//! curl -s http://127.0.0.1:8080/v1/sources -H "Authorization: Bearer $KEY" \
//!   -H 'Content-Type: application/json' \
//!   -d '{"name": "stripe", "provider": "stripe", "secrets": ["whsec_…"]}'
//! ```
#![expect(clippy::print_stdout, reason = "it shows something")]

use axum::routing::get;
use axum::{BoxError, Router};
use postrider::{EventRecord, Postrider, SqliteStore};
use postrider_server::{Api, ApiOptions, Inbound, router};
use serde_json::Value;
use std::net::SocketAddr;
use std::path::PathBuf;
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let mut arguments = std::env::args().skip(1);
    let directory = PathBuf::from(arguments.next().unwrap_or("embedded-data".to_owned()));
    let address = arguments.next().unwrap_or("127.0.0.1:8080".to_owned());

    std::fs::create_dir_all(&directory)?;
    let store = SqliteStore::open(directory.join("postrider.db"))?;
    let postrider = Postrider::builder().store(store).start().await?;
    let api = Api::open(postrider.clone(), ApiOptions::default()).await?;
    if !api.has_keys() {
        println!("API key: {}", api.make_key("the first").await?);
    }

    api.on("stripe", "payment_intent.succeeded", paid);
    api.on("github", "push", pushed);
    api.on("github", "*", |inbound| async move {
        println!("GitHub says {}", inbound.event_type);
        Ok(())
    });
    let listening = api.listen("*", published).await?;

    let own = Router::new().route("/", get(|| async { "the application" }));
    let app = own.merge(router(&api));
    let listener = TcpListener::bind(address).await?;
    println!("listening on http://{}", listener.local_addr()?);
    let asked_to_end = async {
        // Without a signal it runs until it is killed, which loses nothing either.
        let _ = tokio::signal::ctrl_c().await;
    };
    // So that sources know where their requests come from.
    let app = app.into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, app)
        .with_graceful_shutdown(asked_to_end)
        .await?;
    listening.off();
    api.keep_key_uses().await;
    api.keep_receipts().await;
    postrider.shutdown().await;
    Ok(())
}

/// Runs once the event is durable. If it fails, Stripe is told so, and sends the webhook again.
async fn paid(inbound: Inbound) -> Result<(), BoxError> {
    let intent: Value = serde_json::from_slice(&inbound.payload)?;
    println!("paid: {}, as {}", intent["data"]["amount"], inbound.event);
    Ok(())
}

async fn pushed(inbound: Inbound) -> Result<(), BoxError> {
    let push: Value = serde_json::from_slice(&inbound.payload)?;
    println!("pushed to {}", push["ref"].as_str().ok_or("no ref")?);
    Ok(())
}

async fn published(record: EventRecord) -> Result<(), BoxError> {
    println!("published: {}", record.event.event_type);
    Ok(())
}
