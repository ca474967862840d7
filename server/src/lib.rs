//! The server around the engine, as parts that an application can use by itself: the REST API as
//! axum routes over a running [`postrider::Postrider`].
//!
//! ```no_run
//! use postrider::{Postrider, SqliteStore};
//! use postrider_server::{Api, ApiOptions, router};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let store = SqliteStore::open("postrider.db")?;
//! let postrider = Postrider::builder().store(store).start().await?;
//! let api = Api::open(postrider, ApiOptions::default()).await?;
//! if !api.has_keys() {
//!     println!("API key: {}", api.make_key("first").await?);
//! }
//! let app = axum::Router::new().merge(router(&api));
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
//! axum::serve(listener, app).await?;
//! # Ok(())
//! # }
//! ```

mod api;
mod budget;
mod lenient;
mod listen;
mod metrics;
mod playground;
mod quiet;

pub use api::{
    Api, ApiError, ApiOptions, EndpointDefaults, FrameOrigins, Inbound, InvalidAddress,
    InvalidDefaults, InvalidNetwork, InvalidReply, ListenError, Listening, Networks, Place,
    Problem, Provider, PublicUrl, Reply, Setting, document, problems_page, router,
};
pub use listen::{ServeOptions, serve};
pub use metrics::{METRICS_MEDIA_TYPE, Metrics, metrics_page};
pub use playground::Playground;
