//! `/v1/playground`: where the receiver of the server's own is, and how its paths behave.

use super::Api;
use super::caller::{Caller, NoPortal, Read};
use super::problem::{Code, Problem};
use crate::playground::Behaviour;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

/// The receiver of the server's own.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PlaygroundView {
    /// Its paths, each of which behaves in a way of its own.
    receivers: Vec<PlaygroundReceiver>,
}

/// A path of the receiver.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PlaygroundReceiver {
    /// `ok`, `fails_twice`, `never_answers`, `gone`, `rate_limited` or `slow`.
    #[schema(example = "fails_twice")]
    behaviour: &'static str,
    /// The URL for an endpoint. Its port is another after each start of the server.
    #[schema(example = "http://127.0.0.1:40123/fails_twice")]
    url: String,
    /// For people.
    description: &'static str,
}

#[utoipa::path(
    get, path = "/v1/playground", tag = "Operation",
    summary = "Receivers to try things out with",
    description = "The server's own, for endpoints as all others are. Only where the setting \
                   `playground` is on, as with `postrider dev`: else it is not found, with the code \
                   `playground_off`.",
    responses((status = OK, description = "The receivers.", body = PlaygroundView))
)]
pub(crate) async fn playground(
    State(api): State<Api>,
    _: Caller<NoPortal<Read>>,
) -> Result<axum::Json<PlaygroundView>, Problem> {
    let Some(playground) = &api.options().playground else {
        let detail = "this server has no playground: the setting `playground` turns it on";
        return Err(Problem::new(Code::PlaygroundOff, detail));
    };
    let receivers = Behaviour::ALL
        .into_iter()
        .map(|behaviour| PlaygroundReceiver {
            behaviour: behaviour.name(),
            url: playground.url(behaviour),
            description: behaviour.description(),
        });
    Ok(axum::Json(PlaygroundView {
        receivers: receivers.collect(),
    }))
}
