//! What waits for an endpoint is due at once, however much it is.

use super::changes::{attempted, endpoint, lane, publish};
use postrider::store::sqlite::{KeyRing, SqliteFile};
use postrider_engine::{
    Change, DeliveryState, EndpointId, EndpointUpdate, LaneId, Receipt, Seq, Wall,
};
use std::path::Path;
use std::sync::Arc;

const ENDPOINT: EndpointId = EndpointId::from_u128(9);
const LATE: DeliveryState = DeliveryState::Retrying { due: Wall(9_000) };
const AT: Wall = Wall(5_000);

/// Lanes with one delivery each: more than a step takes.
const LANES: u128 = 1_300;

fn open(directory: &Path) -> SqliteFile {
    let path = directory.join("events.db");
    let keys = KeyRing::new(["1".repeat(64).as_str()]).unwrap();
    SqliteFile::open_on("unix", path.to_str().unwrap(), keys).unwrap()
}

fn commit(file: &mut SqliteFile, changes: &[Change]) {
    for answer in file.commit(changes) {
        assert!(!matches!(answer, Err(_) | Ok(Receipt::Stale)), "{answer:?}");
    }
}

fn lane_of(number: u128) -> LaneId {
    lane(ENDPOINT, &format!("k{number:05}"))
}

fn failed(number: u128, attempt: u32) -> Change {
    let end = attempted(number, (lane_of(number), Seq(1)), attempt, LATE);
    Change::Attempted(Arc::new(end))
}

fn made_due(at: Wall) -> Change {
    Change::ChangeEndpoint(Arc::new(EndpointUpdate {
        endpoint: ENDPOINT,
        spec: None,
        secrets: None,
        status: None,
        health: None,
        due: Some(at),
    }))
}

/// Many lanes, each with a delivery that waits.
fn waiting(file: &mut SqliteFile) {
    let to = |number| [(number, lane_of(number))];
    let published = (1..=LANES).map(|number| publish(number, "{}", &to(number)));
    let published: Vec<Change> = published.map(Change::Publish).collect();
    commit(file, &[endpoint(ENDPOINT)]);
    commit(file, &published);
    let ends: Vec<Change> = (1..=LANES).map(|number| failed(number, 1)).collect();
    commit(file, &ends);
}

/// How many are due later than they should be, and how many rows tell what is left to do.
fn late(file: &SqliteFile) -> (i64, i64) {
    let count = |sql: &str| {
        let connection = file.connection();
        connection.query_row(sql, [], |row| row.get(0)).unwrap()
    };
    (
        count("SELECT count(*) FROM postrider_delivery WHERE state = 1 AND detail > 5000"),
        count(
            "SELECT (SELECT count(*) FROM postrider_due)
                  + (SELECT count(*) FROM postrider_due_kept)",
        ),
    )
}

#[test]
fn much_that_is_due_is_made_so_step_by_step_and_what_fails_meanwhile_keeps_its_time() {
    let directory = tempfile::tempdir().unwrap();
    let mut file = open(directory.path());
    waiting(&mut file);
    commit(&mut file, &[made_due(AT)]);
    let (left, _) = late(&file);
    let all = i64::try_from(LANES).unwrap();
    assert!(left > 0 && left < all, "{left}: a part of it at once");
    // The first is due already, the last is not.
    commit(&mut file, &[failed(1, 2), failed(LANES, 2)]);
    let mut steps = 0;
    while file.make_more_due().unwrap() {
        steps += 1;
        assert!(steps < LANES, "it comes to an end");
    }
    assert!(steps > 1);
    assert_eq!(late(&file), (2, 0));
}

#[test]
fn a_process_that_starts_makes_due_what_is_left_of_it() {
    let directory = tempfile::tempdir().unwrap();
    let mut file = open(directory.path());
    waiting(&mut file);
    // Whoever says so again means all of it.
    commit(&mut file, &[made_due(Wall(6_000)), made_due(AT)]);
    commit(&mut file, &[failed(LANES, 2)]);
    drop(file);
    let mut file = open(directory.path());
    let recovered = file.recover().unwrap();
    let waits = recovered.lanes.iter().flat_map(|lane| &lane.retrying);
    let late = waits.clone().filter(|it| it.due > AT);
    let late: Vec<u128> = late.map(|it| it.id.as_u128()).collect();
    assert_eq!((waits.count(), late), (1_300, vec![LANES]));
    assert!(!file.make_more_due().unwrap());
}

#[test]
fn of_an_endpoint_that_is_gone_nothing_is_left_to_do() {
    let directory = tempfile::tempdir().unwrap();
    let mut file = open(directory.path());
    waiting(&mut file);
    commit(&mut file, &[made_due(AT)]);
    assert_ne!(late(&file).1, 0);
    let delete = Change::DeleteEndpoint {
        endpoint: ENDPOINT,
        keep: Vec::new(),
        at: AT,
    };
    commit(&mut file, &[delete]);
    assert_eq!(late(&file), (0, 0));
}
