//! P6: nothing is sent, answered or told before what makes it so is durable.

use super::Checker;
use crate::book::Book;
use crate::trace::{Line, Reply, What, Wish};
use postrider_engine::{DeliveryId, DeliveryState, Fact, NewDelivery};

#[derive(Default)]
pub(super) struct DurableFirst;

impl Checker for DurableFirst {
    fn promise(&self) -> &'static str {
        "durable_first"
    }

    fn see(&mut self, line: &Line, book: &Book) -> Result<(), String> {
        match &line.what {
            What::Sent(wire) => {
                let Some(page) = book.deliveries.get(&wire.delivery) else {
                    return Err(format!("{} is sent and is not durable", wire.delivery));
                };
                if wire.number != page.attempts + 1 {
                    return Err(format!(
                        "attempt {} of {} is sent, and {} are durable",
                        wire.number, wire.delivery, page.attempts
                    ));
                }
                Ok(())
            }
            What::Answered { call, reply } => {
                let wish = book.calls.get(call).map(|(_, wish)| wish);
                answered(reply, wish, book)
            }
            What::Fact(fact) => told(fact, book),
            _ => Ok(()),
        }
    }
}

fn answered(reply: &Reply, wish: Option<&Wish>, book: &Book) -> Result<(), String> {
    match reply {
        Reply::Published(Ok(published)) => {
            let Some(page) = book.events.get(&published.event) else {
                return Err(format!("{} is acknowledged first", published.event));
            };
            let made: &[DeliveryId] = match published.duplicate {
                true => &[],
                false => &page.deliveries,
            };
            let is_so = |(told, made): (&NewDelivery, &DeliveryId)| {
                let page = book.deliveries.get(made);
                told.id == *made && page.is_some_and(|page| page.lane == told.lane)
            };
            let told = &published.deliveries;
            if told.len() != made.len() || !told.iter().zip(made).all(is_so) {
                return Err(format!(
                    "{} has the deliveries {made:?}, {told:?} are acknowledged",
                    published.event
                ));
            }
            Ok(())
        }
        Reply::Endpoint(Ok(endpoint)) => match book.endpoints.get(&endpoint.id) {
            None => Err(format!("{} is acknowledged first", endpoint.id)),
            Some(page)
                if page.durable.revision < endpoint.revision
                    || (page.durable.revision == endpoint.revision
                        && (page.durable.spec != endpoint.spec
                            || page.durable.secrets != endpoint.secrets)) =>
            {
                Err(format!("a change of {} is acknowledged first", endpoint.id))
            }
            Some(_) => Ok(()),
        },
        Reply::Deleted(Ok(())) => match wish {
            Some(Wish::Delete(id)) if book.endpoints.get(id).is_none_or(|it| !it.deleted) => {
                Err(format!("the deletion of {id} is acknowledged first"))
            }
            _ => Ok(()),
        },
        Reply::Resent(Ok(id)) if !book.deliveries.contains_key(id) => {
            Err(format!("the resend {id} is acknowledged first"))
        }
        Reply::Discarded(Ok(())) => match wish {
            Some(Wish::Discard(id)) => is(*id, book, "discarded", |state| {
                state == DeliveryState::Discarded
            }),
            _ => Ok(()),
        },
        _ => Ok(()),
    }
}

fn told(fact: &Fact, book: &Book) -> Result<(), String> {
    // What was durable when the engine heard of it may have been discarded since.
    let discarded = |state| state == DeliveryState::Discarded;
    match *fact {
        Fact::Accepted { event, deliveries } => match book.events.get(&event) {
            Some(page) if page.deliveries.len() as u64 == u64::from(deliveries) => Ok(()),
            _ => Err(format!("{event} is told to be accepted first")),
        },
        Fact::AttemptEnded { of, number, .. } => match book.deliveries.get(&of.delivery) {
            Some(page) if page.attempts >= number => Ok(()),
            _ => Err(format!("attempt {number} of {} is told first", of.delivery)),
        },
        Fact::RetryScheduled { of, due } => is(of.delivery, book, "retrying", |state| {
            // Under turmoil facts are late: the delivery may have gone on.
            state == DeliveryState::Retrying { due } || discarded(state) || !book.is_exact()
        }),
        Fact::Delivered { of, .. } => is(of.delivery, book, "delivered", |state| {
            state == DeliveryState::Delivered
        }),
        Fact::Failed { of, reason, .. } => is(of.delivery, book, "failed", |state| {
            state == DeliveryState::Failed(reason) || discarded(state)
        }),
        Fact::Discarded { of } => is(of.delivery, book, "discarded", discarded),
        Fact::Resent { of, original } => match book.deliveries.get(&of.delivery) {
            Some(page) if page.resend_of == Some(original) => Ok(()),
            _ => Err(format!("{} is told to be resent first", of.delivery)),
        },
        Fact::EndpointChanged { endpoint, .. } if !book.endpoints.contains_key(&endpoint) => {
            Err(format!("{endpoint} is told first"))
        }
        Fact::EndpointDeleted { endpoint, .. }
            if book.endpoints.get(&endpoint).is_none_or(|it| !it.deleted) =>
        {
            Err(format!("{endpoint} is told to be deleted first"))
        }
        _ => Ok(()),
    }
}

fn is(
    id: DeliveryId,
    book: &Book,
    said: &str,
    fits: impl Fn(DeliveryState) -> bool,
) -> Result<(), String> {
    match book.deliveries.get(&id) {
        Some(page) if fits(page.state) => Ok(()),
        Some(page) => Err(format!("{id} is told {said} and is {:?}", page.state)),
        None => Err(format!("{id} is told {said} and is not durable")),
    }
}
