//! Who did what.

use super::{Change, ENDPOINT, Endpoint, Subject, Wall, publish};
use crate::audit::{AuditLog, AuditQuery};
use crate::history::Direction;
use crate::records::{Record, RecordChange};
use crate::replay::{Replay, ReplayRequest};
use crate::store::Store;
use postrider_engine::{
    CommitError, DeliveryId, EndpointStatus, EndpointUpdate, Note, NoteId, Receipt, Refusal,
    ReplayId,
};
use std::sync::Arc;

fn note(number: u64) -> Note {
    Note {
        id: NoteId::from_parts(Wall(number), u128::from(number)),
        tenant: Some("red".parse().unwrap()),
        target: Some("ep_1".into()),
        value: format!("note {number}").into(),
    }
}

/// A note of no tenant and of nothing that has an id.
fn bare(number: u64) -> Note {
    Note {
        tenant: None,
        target: None,
        ..note(number)
    }
}

fn all() -> AuditQuery {
    AuditQuery {
        direction: Direction::OldestFirst,
        most: 100,
        ..AuditQuery::default()
    }
}

async fn found(log: &Arc<dyn AuditLog>, query: AuditQuery) -> Vec<Note> {
    Arc::clone(log).page(query).await.unwrap().notes
}

async fn commit_noted<S: Store>(
    store: &Arc<S>,
    changes: Vec<Change>,
    notes: Vec<(usize, Note)>,
) -> Vec<Result<Receipt, CommitError>> {
    Arc::clone(store).commit_noted(changes, notes).await
}

fn paused() -> Change {
    Change::ChangeEndpoint(Arc::new(EndpointUpdate {
        endpoint: ENDPOINT,
        spec: None,
        secrets: None,
        status: Some(EndpointStatus::Paused),
        health: None,
        due: None,
    }))
}

async fn status_of<S: Store>(store: &Arc<S>) -> Option<EndpointStatus> {
    let endpoint: Option<Endpoint> = Arc::clone(store).endpoint(ENDPOINT).await.unwrap();
    endpoint.map(|endpoint| endpoint.status)
}

pub(super) async fn a_note_is_kept_with_its_change_and_not_with_a_refusal<S: Store>(
    store: &Arc<S>,
) {
    let Some(log) = Arc::clone(store).audit_log() else {
        return;
    };
    let subject = Subject(store);
    subject.add_endpoint().await;
    let unknown = Change::Discard {
        delivery: DeliveryId::from_u128(404),
        dead: false,
        at: Wall(9),
    };
    let changes = vec![publish(1, None), unknown, paused()];
    let notes = vec![(1, note(1)), (2, note(2))];
    let receipts = commit_noted(store, changes, notes).await;
    let refused = Ok(Receipt::Refused(Refusal::NoSuchDelivery));
    assert_eq!(receipts[1..], [refused, Ok(Receipt::Applied)]);
    assert_eq!(status_of(store).await, Some(EndpointStatus::Paused));
    assert_eq!(found(&log, all()).await, [note(2)]);
}

pub(super) async fn a_note_that_rides_on_several_changes_is_kept_once<S: Store>(store: &Arc<S>) {
    let Some(log) = Arc::clone(store).audit_log() else {
        return;
    };
    let subject = Subject(store);
    subject.add_endpoint().await;
    let notes = vec![(0, note(1)), (1, note(1))];
    commit_noted(store, vec![paused(), paused()], notes).await;
    Arc::clone(&log).write(note(1)).await.unwrap();
    assert_eq!(found(&log, all()).await, [note(1)]);
}

pub(super) async fn a_note_of_a_record_is_kept_if_the_record_changes<S: Store>(store: &Arc<S>) {
    let (Some(log), Some(records)) = (Arc::clone(store).audit_log(), Arc::clone(store).records())
    else {
        return;
    };
    let record = |value: &'static str| Record {
        kind: "key",
        tenant: "red".parse().unwrap(),
        id: "a".into(),
        value: value.into(),
    };
    let remove = || RecordChange::Remove("key", "red".parse().unwrap(), "a".into());
    for (number, change, is_changed) in [
        (1, remove(), false),
        (2, RecordChange::PutNew(record("one")), true),
        (3, RecordChange::PutNew(record("two")), false),
        (4, RecordChange::Put(record("three")), true),
        (5, remove(), true),
    ] {
        let done = Arc::clone(&records).change_noted(change, bare(number));
        assert_eq!(done.await, Ok(is_changed), "change {number}");
    }
    assert_eq!(found(&log, all()).await, [bare(2), bare(4), bare(5)]);
    let kept = records.get("key", "red".parse().unwrap(), "a".into());
    assert_eq!(kept.await, Ok(None));
}

pub(super) async fn a_note_of_a_replay_is_kept_with_it<S: Store>(store: &Arc<S>) {
    let (Some(log), Some(replays)) = (
        Arc::clone(store).audit_log(),
        Arc::clone(store).replay_log(),
    ) else {
        return;
    };
    let id = ReplayId::from_u128(1);
    let replay = Replay::new(id, ReplayRequest::default(), Wall(1));
    let put = Arc::clone(&replays).put_noted(replay.clone(), note(1));
    put.await.unwrap();
    assert_eq!(replays.replay(id).await.unwrap(), Some(replay));
    assert_eq!(found(&log, all()).await, [note(1)]);
}

pub(super) async fn notes_are_found_by_tenant_target_and_time<S: Store>(store: &Arc<S>) {
    let Some(log) = Arc::clone(store).audit_log() else {
        return;
    };
    let blue = Note {
        tenant: Some("blue".parse().unwrap()),
        target: Some("ep_2".into()),
        ..note(20)
    };
    for it in [note(30), bare(40), blue.clone(), note(10)] {
        Arc::clone(&log).write(it).await.unwrap();
    }
    assert_eq!(
        found(&log, all()).await,
        [note(10), blue.clone(), note(30), bare(40)]
    );
    let of_red = AuditQuery {
        tenant: Some("red".parse().unwrap()),
        ..all()
    };
    assert_eq!(found(&log, of_red).await, [note(10), note(30)]);
    let of_target = AuditQuery {
        target: Some("ep_2".into()),
        ..all()
    };
    assert_eq!(found(&log, of_target).await, std::slice::from_ref(&blue));
    let of_neither = AuditQuery {
        tenant: Some("red".parse().unwrap()),
        target: Some("ep_2".into()),
        ..all()
    };
    assert_eq!(found(&log, of_neither).await, []);
    let between = AuditQuery {
        from: Some(Wall(20)),
        until: Some(Wall(40)),
        ..all()
    };
    assert_eq!(found(&log, between).await, [blue.clone(), note(30)]);
    let newest = |after| AuditQuery {
        direction: Direction::NewestFirst,
        most: 3,
        after,
        ..AuditQuery::default()
    };
    let first = Arc::clone(&log).page(newest(None)).await.unwrap();
    assert_eq!(first.notes, [bare(40), note(30), blue.clone()]);
    assert_eq!(first.next, Some(blue.id));
    let second = Arc::clone(&log).page(newest(first.next)).await.unwrap();
    assert_eq!((&second.notes[..], second.next), (&[note(10)][..], None));
    let rest = AuditQuery {
        after: Some(note(10).id),
        most: 3,
        ..all()
    };
    let rest = log.page(rest).await.unwrap();
    assert_eq!((rest.notes.len(), rest.next), (3, None));
}
