//! Where deliveries stand in the two stores, and whether what both say is the same.

use postrider_engine::{
    Change, DeliveryId, EndpointId, LaneId, Loaded, Placed, Receipt, Recovered, RecoveredLane, Seq,
};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

#[derive(Debug, Default)]
pub(super) struct Places {
    /// Of each lane the places in the model, and those in the real store.
    lanes: BTreeMap<LaneId, BTreeMap<Seq, Seq>>,
    deliveries: BTreeMap<DeliveryId, (LaneId, Seq)>,
    /// Endpoints that were deleted.
    deleted: BTreeSet<EndpointId>,
    /// Of these, those that were when the process last started. What was under way to them the real
    /// store has ended then; the model has not, and nobody will ask.
    orphaned: BTreeSet<EndpointId>,
    /// The same, before the last start.
    were_orphaned: BTreeSet<EndpointId>,
}

impl Places {
    pub(super) fn is_orphaned(&self, endpoint: EndpointId) -> bool {
        self.orphaned.contains(&endpoint)
    }

    /// Whether a change is about what was under way to an endpoint that was gone at a start.
    pub(super) fn is_orphans(&self, change: &Change) -> bool {
        self.is_of(change, &self.orphaned)
    }

    /// The same, before the last start.
    pub(super) fn was_orphans(&self, change: &Change) -> bool {
        self.is_of(change, &self.were_orphaned)
    }

    fn is_of(&self, change: &Change, endpoints: &BTreeSet<EndpointId>) -> bool {
        let delivery = match change {
            Change::Attempted(end) => end.delivery,
            Change::Resend { of, .. } => *of,
            Change::Discard { delivery, .. } | Change::RetryNow { delivery, .. } => *delivery,
            _ => return false,
        };
        let known = self.deliveries.get(&delivery);
        known.is_some_and(|(lane, _)| endpoints.contains(&lane.endpoint))
    }

    pub(super) fn restarted(&mut self) {
        let before = std::mem::replace(&mut self.orphaned, self.deleted.clone());
        self.were_orphaned = before;
    }

    /// The place in the real store of the last delivery up to this one.
    pub(super) fn place(&self, lane: &LaneId, seq: Seq) -> Seq {
        let lane = self.lanes.get(lane);
        let last = lane.and_then(|lane| lane.range(..=seq).next_back());
        last.map_or(Seq::default(), |(_, real)| *real)
    }

    /// The same change, for the real store.
    pub(super) fn translated(&self, change: &Change) -> Change {
        match change {
            Change::Attempted(end) => {
                let mut end = (**end).clone();
                if let Some((_, seq)) = self.deliveries.get(&end.delivery) {
                    end.seq = *seq;
                }
                Change::Attempted(end.into())
            }
            change => change.clone(),
        }
    }

    /// Whether a change has come to the same in both.
    pub(super) fn compare(
        &mut self,
        change: &Change,
        expected: &Receipt,
        found: &Receipt,
    ) -> Result<(), String> {
        match (change, expected, found) {
            (Change::Publish(publish), Receipt::Published(seqs), Receipt::Published(real))
                if seqs.len() == real.len() =>
            {
                for ((new, spot), real) in publish.deliveries.iter().zip(seqs).zip(real) {
                    self.placed(new.id, &new.lane, spot.seq, real.seq)?;
                }
                Ok(())
            }
            (Change::Resend { new, .. }, Receipt::Resent(placed), Receipt::Resent(real)) => {
                same(&without_place(placed), &without_place(real))?;
                self.placed(*new, &placed.lane, placed.seq, real.seq)
            }
            (
                _,
                Receipt::Discarded {
                    placed,
                    was_pending,
                },
                Receipt::Discarded {
                    placed: real,
                    was_pending: really,
                },
            ) => same(
                &(without_place(placed), was_pending),
                &(without_place(real), really),
            ),
            (_, Receipt::Due(placed), Receipt::Due(real)) => {
                same(&without_place(placed), &without_place(real))
            }
            (change, expected, found) => {
                if let Change::DeleteEndpoint { endpoint, .. } = change {
                    self.deleted.insert(*endpoint);
                }
                same(expected, found)
            }
        }
    }

    /// A new delivery stands between the same ones in both.
    fn placed(
        &mut self,
        delivery: DeliveryId,
        lane: &LaneId,
        seq: Seq,
        real: Seq,
    ) -> Result<(), String> {
        let known = self.lanes.entry(lane.clone()).or_default();
        let before = known.range(..seq).next_back().map(|(_, real)| *real);
        let after = known.range(Seq(seq.0 + 1)..).next().map(|(_, real)| *real);
        if before.is_some_and(|before| before >= real) || after.is_some_and(|after| after <= real) {
            return Err(format!("{delivery} is out of order in {lane:?}"));
        }
        known.insert(seq, real);
        self.deliveries.insert(delivery, (lane.clone(), real));
        Ok(())
    }

    pub(super) fn compare_loaded(&self, expected: &Loaded, found: &Loaded) -> Result<(), String> {
        let lane = &expected.lane;
        let of = |loaded: &Loaded| loaded.deliveries.iter().map(|it| it.id).collect::<Vec<_>>();
        same(&of(expected), &of(found))?;
        for (expected, found) in expected.deliveries.iter().zip(&found.deliveries) {
            let place = self.place(lane, expected.seq);
            same(
                &(&expected.event, expected.attempts, expected.state, place),
                &(&found.event, found.attempts, found.state, found.seq),
            )?;
        }
        same(&self.place(lane, expected.through), &found.through).or_else(|said| {
            // A lane that has been empty may have no places in the model.
            let is_empty = expected.deliveries.is_empty();
            if is_empty { Ok(()) } else { Err(said) }
        })
    }

    pub(super) fn compare_recovered(
        &self,
        expected: &Recovered,
        found: &Recovered,
    ) -> Result<(), String> {
        let endpoints = |recovered: &Recovered| {
            let endpoints = recovered.endpoints.iter();
            let told = endpoints.map(|it| {
                let secrets = it.endpoint.secrets.iter();
                let secrets = secrets.map(|it| it.secret.expose_secret_text().to_owned());
                let secrets = secrets.collect::<Vec<_>>();
                (format!("{it:?}"), secrets, it.endpoint.spec.headers.clone())
            });
            told.collect::<Vec<_>>()
        };
        same(&endpoints(expected), &endpoints(found))?;
        let lanes = |recovered: &Recovered, place: &dyn Fn(&LaneId, Seq) -> Seq| {
            let told = recovered.lanes.iter().map(|lane| told(lane, place));
            told.collect::<Vec<_>>()
        };
        same(
            &lanes(expected, &|lane, seq| self.place(lane, seq)),
            &lanes(found, &|_, seq| seq),
        )
    }
}

fn told(lane: &RecoveredLane, place: &dyn Fn(&LaneId, Seq) -> Seq) -> String {
    let place = |seq| place(&lane.id, seq);
    let retrying = lane.retrying.iter().map(|it| {
        let (seq, event) = (place(it.seq), it.event);
        (it.id, event, seq, it.payload_bytes, it.attempts, it.due)
    });
    let retrying = retrying.collect::<Vec<_>>();
    let (id, after, tail) = (&lane.id, place(lane.after), place(lane.tail));
    format!(
        "{id:?} {after:?} {tail:?} {:?} {retrying:?}",
        lane.stopped_at
    )
}

fn without_place(placed: &Placed) -> Placed {
    // The model forgets idle lanes sooner: their next life is another epoch.
    Placed {
        seq: Seq::default(),
        ordinal: None,
        ..placed.clone()
    }
}

fn same<T: Debug + PartialEq>(expected: &T, found: &T) -> Result<(), String> {
    if expected == found {
        return Ok(());
    }
    Err(format!(
        "the model says {expected:?}, the store says {found:?}"
    ))
}
