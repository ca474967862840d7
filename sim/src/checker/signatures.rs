//! P8, I10: every request that arrives verifies with each secret that was live when it was
//! signed, alone, and with none whose overlap was over; its body is the event's. `X-Signature` is
//! what the oldest of them signs and nothing else, so that a receiver that knows no other accepts
//! it; the newest signs in `X-Signature-Next`, and those between in headers of their own. No secret
//! shows in a header, nor in what is written of an endpoint.
//!
//! Under turmoil a rotation may be told a little after it holds: requests that leave meanwhile are
//! not judged.

use super::Checker;
use crate::book::{Book, EndpointPage};
use crate::by_id::ById;
use crate::trace::{Line, What, Wire};
use postrider_engine::Wall;
use postrider_engine::signature::{Scheme, Verifier};
use postrider_engine::{DeliveryId, EndpointId};
use std::collections::BTreeMap;
use std::sync::Arc;

#[derive(Default)]
pub(super) struct Signatures {
    /// The keys of each endpoint, as it was told last: making them is not free.
    keys: BTreeMap<EndpointId, (u64, Arc<Keys>)>,
    /// The keys by which each request that was sent must verify, by delivery, life and number.
    sent: ById<(DeliveryId, u32, u32), Arc<Keys>>,
}

struct Keys {
    all: Vec<Key>,
}

struct Key {
    verifier: Verifier,
    /// Of the body alone.
    of_body: Verifier,
    text: String,
    expires_at: Option<Wall>,
}

impl Checker for Signatures {
    fn promise(&self) -> &'static str {
        "signatures"
    }

    fn see(&mut self, line: &Line, book: &Book) -> Result<(), String> {
        match &line.what {
            What::Sent(wire) => {
                let page = book.endpoint_of(wire.delivery);
                let settled = |page: &&EndpointPage| {
                    book.is_exact()
                        || page.told.revision == page.durable.revision
                            && line.at_ms >= page.changed_ms + book.slack_ms()
                };
                if let Some(page) = page.filter(settled) {
                    let keys = self.keys_of(page)?;
                    let request = (wire.delivery, wire.life, wire.number);
                    self.sent.insert(request, keys);
                }
                Ok(())
            }
            What::Arrived { wire, .. } => {
                let request = (wire.delivery, wire.life, wire.number);
                match self.sent.get(&request) {
                    Some(keys) => arrived(wire, keys, book),
                    None if book.is_exact() => {
                        Err(format!("{} arrives and was not sent", wire.delivery))
                    }
                    None => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }
}

impl Signatures {
    fn keys_of(&mut self, page: &EndpointPage) -> Result<Arc<Keys>, String> {
        let told = &page.told;
        if let Some((revision, keys)) = self.keys.get(&told.id)
            && *revision == told.revision
        {
            return Ok(Arc::clone(keys));
        }
        let written = format!("{told:?}");
        let mut all = Vec::with_capacity(told.secrets.len());
        for secret in &told.secrets {
            let text = secret.secret.expose_secret_text();
            if written.contains(text) {
                return Err(format!("a secret of {} is written out", told.id));
            }
            let verifier = Verifier::new(Scheme::Postrider, std::slice::from_ref(&secret.secret));
            let verifier = verifier.map_err(|error| error.to_string())?;
            let of_body = Verifier::new(Scheme::BodyHex, std::slice::from_ref(&secret.secret));
            all.push(Key {
                // The time is compared exactly, below.
                verifier: verifier.tolerance_seconds(u64::MAX),
                of_body: of_body.map_err(|error| error.to_string())?,
                text: text.to_owned(),
                expires_at: secret.expires_at,
            });
        }
        let keys = Arc::new(Keys { all });
        self.keys
            .insert(told.id, (told.revision, Arc::clone(&keys)));
        Ok(keys)
    }
}

fn arrived(wire: &Wire, keys: &Keys, book: &Book) -> Result<(), String> {
    let id = wire.delivery;
    if !wire.is_first() {
        return Ok(());
    }
    if book.body_of(wire).is_none_or(|body| body != wire.body) {
        return Err(format!("{id} arrives with another body"));
    }
    let seconds = wire.at.wall.unix_seconds();
    let mut live = 0;
    for (place, key) in keys.all.iter().enumerate() {
        if wire
            .headers
            .iter()
            .any(|(_, value)| value.contains(&key.text))
        {
            return Err(format!("{id} arrives with a secret in a header"));
        }
        let headers = wire.headers.iter();
        let headers = headers.map(|(name, value)| (name.as_str(), value.as_bytes()));
        let verified = key.verifier.verify(headers, &wire.body, seconds);
        let is_live = key.expires_at.is_none_or(|at| at > wire.at.wall);
        match verified {
            Err(error) if is_live => {
                return Err(format!("{id} does not verify with secret {place}: {error}"));
            }
            Ok(_) if !is_live => {
                return Err(format!(
                    "{id} verifies with secret {place}, which has expired"
                ));
            }
            Ok(verified) if verified.timestamp.is_some_and(|time| time != seconds) => {
                return Err(format!("{id} is signed for {:?}", verified.timestamp));
            }
            _ => live += u32::from(is_live),
        }
    }
    if live == 0 {
        return Err(format!("{id} arrives and no secret was live"));
    }
    one_by_one(wire, keys).map_err(|what| format!("{id} arrives, and {what}"))
}

/// The headers that hold one signature each: whose they are is told by their names.
fn one_by_one(wire: &Wire, keys: &Keys) -> Result<(), String> {
    let is_live = |key: &&Key| key.expires_at.is_none_or(|at| at > wire.at.wall);
    let live: Vec<&Key> = keys.all.iter().filter(is_live).collect();
    let mut expected: Vec<(String, &Key)> = Vec::new();
    for (place, key) in live.iter().copied().enumerate() {
        let name = match place {
            _ if place + 1 == live.len() => "x-signature".to_owned(),
            0 => "x-signature-next".to_owned(),
            _ => format!("x-signature-next-{}", place + 1),
        };
        expected.push((name, key));
    }
    let signatures = |(name, _): &&(String, String)| name.starts_with("x-signature");
    let sent: Vec<_> = wire.headers.iter().filter(signatures).collect();
    if sent.len() != expected.len() {
        return Err(format!("{} headers hold one signature", sent.len()));
    }
    for (name, key) in expected {
        let found = sent.iter().find(|(sent, _)| *sent == name);
        let (_, value) = found.ok_or_else(|| format!("it has no {name}"))?;
        let alone = [("x-signature", value.as_bytes())];
        let verified = key.of_body.verify(alone, &wire.body, 0);
        if value.contains(',') || verified.is_err() {
            return Err(format!("{name} is not what its secret signs"));
        }
    }
    Ok(())
}
