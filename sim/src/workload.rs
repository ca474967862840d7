//! What the publishers and administrators of a plan ask for, and when they ask again: the same in
//! both tiers.

use crate::plan::{Act, Plan};
use crate::trace::{Reply, Wish};
use postrider_engine::{DeliveryId, EndpointChange, EndpointId, PublishError};
use std::collections::BTreeMap;
use std::time::Duration;

/// How often a publisher tries an event again that it has no answer for.
const TRIES_MAX: u32 = 6;

/// The longest pause between two tries of whoever asks until it knows.
pub(crate) const PAUSE_MAX_MS: u64 = 3_200;

/// Who waits for an answer.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) wish: Wish,
    /// The step of the workload, and how often it was tried.
    pub(crate) step: Option<(usize, u32)>,
}

/// What callers know of the sender.
pub(crate) struct Known<'a> {
    pub(crate) plan: &'a Plan,
    /// The endpoints of the plan, as far as they are registered.
    pub(crate) endpoints: &'a BTreeMap<usize, EndpointId>,
    /// Every delivery that became durable, in that order.
    pub(crate) deliveries: &'a [DeliveryId],
}

/// How many there have been, over all lives.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) commits: u64,
    pub(crate) loads: u64,
    pub(crate) requests: u64,
    pub(crate) responses: u64,
}

impl Known<'_> {
    /// What a step of the workload asks for; `dead` are the dead letters of an endpoint. Nothing
    /// where what it is about is not there yet, and for [`Act::Restart`], which asks the host.
    pub(crate) fn wishes(
        &self,
        act: &Act,
        dead: impl FnOnce(EndpointId) -> Vec<DeliveryId>,
    ) -> Vec<Wish> {
        let change = |number: &usize, change: EndpointChange| {
            let id = self.endpoints.get(number)?;
            Some(Wish::Change(*id, change))
        };
        let wish = match act {
            Act::Publish(publish) => {
                let owned = |number: usize| {
                    let id = self.endpoints.get(&number)?;
                    Some((*id, self.plan.endpoints.get(number)?.tenant))
                };
                publish.event(owned).ok().flatten().map(Wish::Publish)
            }
            Act::Pause(number) => change(number, EndpointChange::Pause),
            Act::Resume(number) => change(number, EndpointChange::Resume),
            Act::Disable(number) => change(number, EndpointChange::Disable),
            Act::Enable(number) => change(number, EndpointChange::Enable),
            Act::Change(number, new) => {
                let spec = new.spec().ok();
                spec.and_then(|spec| change(number, EndpointChange::Spec(Box::new(spec))))
            }
            Act::Rotate {
                endpoint,
                overlap_ms,
            } => {
                let overlap = Duration::from_millis(*overlap_ms);
                let secret = None;
                change(endpoint, EndpointChange::RotateSecret { secret, overlap })
            }
            Act::Delete(number) => self.endpoints.get(number).map(|id| Wish::Delete(*id)),
            Act::Resend(number) => self.delivery(*number).map(Wish::Resend),
            Act::Discard(number) => self.delivery(*number).map(Wish::Discard),
            Act::RetryNow(number) => self.delivery(*number).map(Wish::RetryNow),
            Act::ResendDead(number) => {
                let dead = self.endpoints.get(number).map(|id| dead(*id));
                return dead.into_iter().flatten().map(Wish::Resend).collect();
            }
            Act::Restart { .. } => None,
        };
        wish.into_iter().collect()
    }

    /// The delivery that a number leads to.
    fn delivery(&self, number: u64) -> Option<DeliveryId> {
        let index = number.checked_rem(self.deliveries.len() as u64)?;
        self.deliveries.get(usize::try_from(index).ok()?).copied()
    }
}

impl Caller {
    /// The step that is tried again after this answer, and in how many milliseconds: a publisher
    /// that does not know whether its event was taken.
    pub(crate) fn again(&self, reply: &Reply, plan: &Plan) -> Option<(usize, u32, u64)> {
        let is_open = matches!(
            reply,
            Reply::Nothing(_)
                | Reply::Published(Err(PublishError::Full(_) | PublishError::Closed(_)))
        );
        let (index, tries) = self.step.filter(|_| is_open)?;
        again(plan, index, tries)
    }
}

/// When a step is tried again that was tried so often: its number, the tries by then, and in how
/// many milliseconds. Only an event with an idempotency key may be published twice.
pub(crate) fn again(plan: &Plan, index: usize, tries: u32) -> Option<(usize, u32, u64)> {
    let act = &plan.workload.get(index)?.act;
    let has_key = matches!(act, Act::Publish(publish) if publish.once.is_some());
    (has_key && tries < TRIES_MAX).then_some((index, tries + 1, 200 << tries))
}

/// The same for whoever asks until it knows what has become of its event, however often.
#[cfg(feature = "turmoil")]
pub(crate) fn until_known(plan: &Plan, index: usize, tries: u32) -> Option<(usize, u32, u64)> {
    let (index, _, in_ms) = again(plan, index, tries.min(TRIES_MAX - 1))?;
    Some((index, tries + 1, in_ms.min(PAUSE_MAX_MS)))
}
