//! `/v1/receivers/{endpoint}/resend`: what receivers ask for themselves, with the secret that they verify
//! with.

use super::Api;
use super::audit::Act;
use super::extract::{Id, read};
use super::problem::{Code, Problem};
use super::sources::to_verify;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use postrider::signature::{Scheme, Verifier};
use postrider::{
    DeliveryFilter, Endpoint, EndpointId, EndpointStatus, Note, ReplayRequest, Secret, StateKind,
    Wall,
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use utoipa::ToSchema;

/// The longest body, in bytes.
const BODY_BYTES_MAX: usize = 4 << 10;

/// With what the id of a request begins. No delivery has such an id: what was sent to a receiver cannot be
/// sent back as its request.
const ID_PREFIX: &str = "req_";

/// A receiver may ask once in this time, in milliseconds.
const EVERY_MS: u64 = 60_000;

/// So far the time of a request may be away, in seconds, in both directions; for twice as long it is known
/// that it came.
const TOLERANCE_SECONDS: u64 = 300;

/// Endpoints whose requests are remembered.
const REMEMBERED_MAX: usize = 10_000;

/// What a receiver is to be sent again: what is behind the last webhook of a lane that it has, as the
/// `webhook-id` of that says, `{id}:{lane}:{epoch}:{number}`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ResendForm {
    /// The lane.
    #[schema(min_length = 1, max_length = 64, example = "syst1q3wq2c0k1qm")]
    lane: String,
    /// Its epoch.
    #[schema(example = 1_796_131_623_251_u64)]
    epoch: u64,
    /// The number of the last webhook; 0 for none.
    #[schema(example = 17)]
    after: u64,
}

/// What is done.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Resending {
    /// The replay that does it.
    #[schema(example = "rpl_01jd9x2m5tewh8q0v6n3r4y7za")]
    replay_id: String,
    /// The number that the last webhook has in its lane: all with a higher one are sent again.
    after: u64,
}

#[utoipa::path(
    post, path = "/v1/receivers/{endpoint}/resend", tag = "Receivers", security(()),
    params(
        ("endpoint" = String, Path, description = "The id of an endpoint."),
        ("webhook-id" = String, Header, description = "`req_` and anything that this receiver has not used before. A repeat changes nothing.", min_length = 5, max_length = 256),
        ("webhook-timestamp" = String, Header, description = "The Unix time, in seconds."),
        ("webhook-signature" = String, Header, description = "The signature of Standard Webhooks over both and the body, by the secret of the endpoint.")
    ),
    request_body = ResendForm,
    summary = "Send everything behind a webhook again",
    description = "For a receiver that has restored a backup. Needs no key: the request is signed with the \
                   secret of the endpoint, as a webhook is. Everything that the endpoint was sent behind \
                   this webhook in the same lane is sent again, in its order, delivered or dead, under the \
                   ids that it had. Once a minute for each endpoint.",
    responses((status = ACCEPTED, description = "Started.", body = Resending))
)]
pub(crate) async fn resend(
    State(api): State<Api>,
    Id(id): Id<EndpointId>,
    request: Request,
) -> Result<(StatusCode, axum::Json<Resending>), Problem> {
    let (head, body) = request.into_parts();
    let body = read(body, BODY_BYTES_MAX).await?;
    let endpoint = api.postrider().endpoint(&id).await.ok();
    let asked = verified(endpoint.as_ref(), &head, &body, api.now())?;
    // Signed by nobody that is known: the answer is the same.
    let Some(endpoint) = endpoint else {
        return Err(Problem::new(Code::SignatureRefused, "NO_MATCH"));
    };
    let known = api.receivers().begin(id, &asked, api.now())?;
    if let Some(known) = known {
        return Ok((StatusCode::ACCEPTED, axum::Json(known)));
    }
    let done = start(&api, &endpoint, &body).await;
    api.receivers().end(id, asked, done.as_ref().ok().cloned());
    Ok((StatusCode::ACCEPTED, axum::Json(done?)))
}

/// The id of a request that the endpoint's receiver has signed. Without an endpoint nothing is right, and
/// takes as long.
fn verified(
    endpoint: Option<&Endpoint>,
    head: &Parts,
    body: &[u8],
    now: Wall,
) -> Result<String, Problem> {
    let refused = |code: &str| Problem::new(Code::SignatureRefused, code);
    let known = endpoint.map(|endpoint| endpoint.secrets.iter());
    let known = known.into_iter().flatten();
    let valid = known.filter(|it| it.expires_at.is_none_or(|at| at > now));
    let mut secrets: Vec<Secret> = valid.map(|it| it.secret.clone()).collect();
    if secrets.is_empty() {
        let mut random = [0; 32];
        getrandom::fill(&mut random).map_err(|error| Problem::new(Code::Internal, error))?;
        secrets.push(Secret::generate_hmac(random));
    }
    let secrets = to_verify(Scheme::Standard, secrets);
    let verifier = Verifier::new(Scheme::Standard, &secrets);
    // A secret that is no HMAC's is the server's alone: no receiver can sign with it.
    let verifier = verifier.map_err(|_| refused("NO_MATCH"))?;
    let verifier = verifier.tolerance_seconds(TOLERANCE_SECONDS);
    let headers = head.headers.iter();
    let headers = headers.map(|(name, value)| (name.as_str(), value.as_bytes()));
    let verified = verifier.verify(headers, body, now.0 / 1_000);
    let verified = verified.map_err(|error| refused(error.code()))?;
    let id = verified.id.unwrap_or_default();
    match id.starts_with(ID_PREFIX) {
        true => Ok(id.to_owned()),
        false => Err(refused("WRONG_ID")),
    }
}

async fn start(api: &Api, endpoint: &Endpoint, body: &[u8]) -> Result<Resending, Problem> {
    let form: ResendForm =
        serde_json::from_slice(body).map_err(|error| Problem::new(Code::InvalidBody, error))?;
    let lane = api.postrider().lane_named(endpoint.id, &form.lane).await?;
    let Some((ordering_key, epoch)) = lane else {
        return Err(Problem::not_found(
            "this lane: what was in it is not on record any more",
        ));
    };
    if form.epoch > epoch {
        let detail = "the lane has had no such epoch";
        return Err(Problem::new(Code::InvalidValue, detail).at("/epoch", detail));
    }
    if matches!(endpoint.status, EndpointStatus::Disabled(_)) {
        let detail = format!("endpoint {} is disabled", endpoint.id);
        return Err(Problem::new(Code::EndpointDisabled, detail));
    }
    // Of an earlier life of the lane nothing is on record: all of this one is behind it.
    let after = if form.epoch == epoch { form.after } else { 0 };
    let request = ReplayRequest {
        filter: DeliveryFilter {
            tenant: Some(endpoint.spec.tenant.clone()),
            endpoint: Some(endpoint.id),
            states: vec![StateKind::Delivered, StateKind::Failed],
            ordering_key: Some(ordering_key),
            beyond: Some(after),
            ..DeliveryFilter::default()
        },
        ..ReplayRequest::default()
    };
    let note = api.own_note(Act::ReceiverResend, json!({ "after": after }))?;
    let note = Note {
        tenant: Some(endpoint.spec.tenant.clone()),
        target: Some(endpoint.id.to_string().into()),
        ..note
    };
    let replay = api.postrider().noting(note).begin_replay(request).await?;
    Ok(Resending {
        replay_id: replay.id.to_string(),
        after,
    })
}

/// Which endpoints have asked, and when. In memory: a restart forgets it, and a request that is repeated
/// then is done a second time.
#[derive(Default)]
pub(crate) struct Receivers(Mutex<BTreeMap<EndpointId, Asked>>);

#[derive(Default)]
struct Asked {
    at: Wall,
    /// The newest last.
    done: VecDeque<(Wall, String, Resending)>,
}

impl Receivers {
    /// What was done before for a request of this id, if it was; or else this endpoint's turn begins. A
    /// problem if it is too soon.
    fn begin(&self, id: EndpointId, asked: &str, now: Wall) -> Result<Option<Resending>, Problem> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= REMEMBERED_MAX && !all.contains_key(&id) {
            // Of those that asked longest ago nothing has to be known any more, mostly.
            let oldest = all.iter().min_by_key(|(_, asked)| asked.at);
            if let Some(oldest) = oldest.map(|(id, _)| *id) {
                all.remove(&oldest);
            }
        }
        let it = all.entry(id).or_default();
        let kept = 2 * TOLERANCE_SECONDS * 1_000;
        it.done
            .retain(|(at, _, _)| at.0.saturating_add(kept) > now.0);
        if let Some((_, _, known)) = it.done.iter().find(|(_, known, _)| known == asked) {
            return Ok(Some(known.clone()));
        }
        let next = it.at.0.saturating_add(EVERY_MS);
        if it.at > Wall::default() && now.0 < next {
            let seconds = (next - now.0).div_ceil(1_000);
            let detail = "a receiver may ask once a minute";
            return Err(Problem::new(Code::RateLimited, detail).retry_after(seconds));
        }
        it.at = now;
        Ok(None)
    }

    /// What came of its turn. What was not done may be asked for again at once.
    fn end(&self, id: EndpointId, asked: String, done: Option<Resending>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(it) = all.get_mut(&id) else {
            return;
        };
        match done {
            Some(done) => it.done.push_back((it.at, asked, done)),
            None => it.at = Wall::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn done(number: u128) -> Resending {
        Resending {
            replay_id: format!("rpl_{number}"),
            after: 1,
        }
    }

    #[test]
    fn a_receiver_asks_once_a_minute_and_a_repeat_is_known() {
        let receivers = Receivers::default();
        let (one, other) = (EndpointId::from_u128(1), EndpointId::from_u128(2));
        let at = |ms: u64| Wall(1_800_000_000_000 + ms);
        assert!(receivers.begin(one, "req_1", at(0)).unwrap().is_none());
        receivers.end(one, "req_1".into(), Some(done(1)));
        let again = receivers.begin(one, "req_1", at(1)).unwrap().unwrap();
        assert_eq!(again.replay_id, "rpl_1");
        assert!(receivers.begin(one, "req_2", at(59_999)).is_err());
        assert!(receivers.begin(other, "req_2", at(1)).unwrap().is_none());
        assert!(receivers.begin(one, "req_2", at(60_000)).unwrap().is_none());
        // It failed: nobody has to wait.
        receivers.end(one, "req_2".into(), None);
        assert!(receivers.begin(one, "req_3", at(60_001)).unwrap().is_none());
        receivers.end(one, "req_3".into(), Some(done(3)));
        let first = receivers.begin(one, "req_1", at(120_001));
        assert!(first.unwrap().is_some(), "within the time of a signature");
        let late = receivers.begin(one, "req_1", at(700_000));
        assert!(late.unwrap().is_none());
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let receivers = Receivers::default();
        for number in 0..REMEMBERED_MAX + 10 {
            let id = EndpointId::from_u128(number as u128);
            let at = Wall(1_800_000_000_000 + number as u64);
            assert!(receivers.begin(id, "req_1", at).unwrap().is_none());
        }
        assert_eq!(receivers.0.lock().unwrap().len(), REMEMBERED_MAX);
    }
}
