//! Row 27: what is told of an endpoint holds from then on: nothing is sent to one that is paused,
//! disabled or deleted, and what is sent goes to its URL, with its headers and its timeout, and
//! never more at once than it takes.
//!
//! Under turmoil a change may be told a little after it holds: there what is durable is accepted,
//! too, and for a moment after a change nothing is judged. That the result of a request under way
//! is recorded all the same is looked at by `oracle`.

use super::Checker;
use crate::book::{Book, EndpointPage};
use crate::trace::{Line, What, Wire};
use crate::waits::ms;
use postrider_engine::{Endpoint, EndpointStatus};

#[derive(Default)]
pub(super) struct EndpointTold;

impl Checker for EndpointTold {
    fn promise(&self) -> &'static str {
        "endpoint"
    }

    fn see(&mut self, line: &Line, book: &Book) -> Result<(), String> {
        let What::Sent(wire) = &line.what else {
            return Ok(());
        };
        let Some(page) = book.endpoint_of(wire.delivery) else {
            return Ok(());
        };
        let judged = book.is_exact() || line.at_ms >= page.changed_ms + book.slack_ms();
        if !judged {
            return Ok(());
        }
        let id = page.told.id;
        // Where order is not exact, the wish to delete it may not have reached the engine yet.
        let is_gone = if book.is_exact() {
            page.is_leaving()
        } else {
            page.deleted
        };
        if is_gone {
            return Err(format!(
                "{} is sent to {id}, which is deleted",
                wire.delivery
            ));
        }
        if !page.known {
            return Err(format!(
                "{} is sent to {id}, which is not told",
                wire.delivery
            ));
        }
        let told = as_told(wire, &page.told);
        let fits = told.is_ok() || !book.is_exact() && as_told(wire, &page.durable).is_ok();
        if !fits {
            return told.map_err(|said| format!("{} is sent to {id}, {said}", wire.delivery));
        }
        if !wire.is_first() {
            return Ok(());
        }
        room(page, book).map_err(|said| format!("{} is sent to {id}, {said}", wire.delivery))
    }
}

fn as_told(wire: &Wire, told: &Endpoint) -> Result<(), String> {
    let spec = &told.spec;
    if told.status != EndpointStatus::Active {
        return Err(format!("which is {:?}", told.status));
    }
    if *wire.url != *spec.url {
        return Err(format!("at {} and not at {}", wire.url, spec.url));
    }
    if wire.timeout_ms != ms(spec.timeout) {
        return Err(format!("and may take {} ms", wire.timeout_ms));
    }
    let lost = spec
        .headers
        .iter()
        .find(|header| !wire.headers.contains(header));
    match lost {
        Some((name, _)) => Err(format!("without its header {name}")),
        None => Ok(()),
    }
}

/// A place is taken until the result is durable, so that a slow store slows the senders.
fn room(page: &EndpointPage, book: &Book) -> Result<(), String> {
    let told = page.told.spec.concurrency;
    let most = if book.is_exact() {
        told
    } else {
        // It may have been decided before a change that is durable in the same moment.
        told.max(page.durable.spec.concurrency)
    };
    let taken = page.flying + page.recording;
    if taken >= most {
        return Err(format!("where {taken} are, of {most}"));
    }
    Ok(())
}
