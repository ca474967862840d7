//! What is noted of a command goes into the batch that the command makes.

use super::harness::{Bench, EPOCH, retrying};
use crate::{
    Batch, CallId, Command, CommitError, EndpointChange, EndpointId, Input, Note, NoteId, TenantId,
};

fn note(number: u128) -> Note {
    Note {
        id: NoteId::from_parts(EPOCH, number),
        tenant: Some(TenantId::default()),
        target: None,
        value: "pause".into(),
    }
}

/// Gives a noted command while the store is held back; the batches that it makes.
fn noted(bench: &mut Bench, command: Command, number: u128) -> (CallId, Vec<Batch>) {
    bench.host.hold_commits = true;
    let call = bench.call();
    let note = Box::new(note(number));
    bench.input(Input::Noted(call, command, note));
    (call, bench.host.commits.iter().cloned().collect())
}

fn id(batch: &Batch) -> Option<NoteId> {
    batch.note.as_ref().map(|note| note.id)
}

fn pause(endpoint: EndpointId) -> Command {
    Command::Change(endpoint, EndpointChange::Pause)
}

#[test]
fn a_note_is_part_of_the_batch_of_its_command_and_of_no_other() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(retrying(&[]));
    let (_, batches) = noted(&mut bench, pause(endpoint), 1);
    let [batch] = &batches[..] else {
        panic!("one batch: {batches:?}");
    };
    assert_eq!(id(batch), Some(note(1).id));
    bench.release_commits();
    bench.command(Command::Change(endpoint, EndpointChange::Resume));
    assert_eq!(bench.host.commits.len(), 1);
    assert_eq!(id(&bench.host.commits[0]), None);
}

#[test]
fn a_note_of_something_new_names_what_was_made() {
    let mut bench = Bench::new();
    let register = Command::Register(Box::new(retrying(&[])), None);
    let (call, batches) = noted(&mut bench, register, 1);
    let target = batches[0].note.as_ref().unwrap().target.clone();
    bench.release_commits();
    let made = bench.endpoint_answer(call).unwrap();
    assert_eq!(target.as_deref(), Some(made.id.to_string().as_str()));
}

#[test]
fn a_change_that_waits_for_another_keeps_its_own_note() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(retrying(&[]));
    let (_, first) = noted(&mut bench, pause(endpoint), 1);
    assert_eq!(first.len(), 1);
    let (call, batches) = noted(&mut bench, pause(endpoint), 2);
    assert_eq!(batches.len(), 1, "the second waits for the first");
    bench.release_commits();
    assert_eq!(id(&bench.host.commits[0]), Some(note(2).id));
    bench.release();
    assert!(bench.endpoint_answer(call).is_ok());
    assert_eq!(bench.core.notes.len(), 0);
}

#[test]
fn a_refused_command_leaves_no_note_behind() {
    let mut bench = Bench::new();
    let unknown = EndpointId::from_u128(7);
    let (call, batches) = noted(&mut bench, pause(unknown), 1);
    assert!(batches.is_empty());
    assert!(bench.endpoint_answer(call).is_err());
    assert_eq!(bench.core.notes.len(), 0);
}

#[test]
fn a_deletion_that_found_the_store_full_is_given_again_with_its_note() {
    let mut bench = Bench::new();
    let endpoint = bench.endpoint(retrying(&[]));
    noted(&mut bench, Command::Delete(endpoint), 1);
    bench.fail_commit(CommitError::Full);
    bench.advance(std::time::Duration::from_secs(2));
    let again = bench.host.commits.front().unwrap();
    assert_eq!(id(again), Some(note(1).id));
}
