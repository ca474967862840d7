//! The report of a run as text.

use super::html;
use crate as sim;
use crate::{Keep, Plan, Tier, World};
use std::sync::Arc;

mod sample;

/// What a receiver, a fault or a panic could say at its worst.
const HOSTILE: &str = "</script><script>alert(1)</script><img src=x onerror=alert(2)> <!-- {{data}} \u{2028} \"'&amp;";

/// The text between the tags of the data.
fn data(page: &str) -> &str {
    let (_, rest) = page
        .split_once("<script type=\"application/json\" id=\"data\">")
        .unwrap();
    rest.split_once("</script>").unwrap().0
}

#[test]
fn what_a_run_says_cannot_become_markup() {
    let (plan, run) = sample::small(HOSTILE);
    let page = html(&plan, &run);
    assert_eq!(
        page.matches("<script").count(),
        2,
        "the data and the script"
    );
    assert_eq!(page.matches("</script").count(), 2);
    assert!(!page.contains("<img"));
    assert!(!page.contains("<!-- {{"));
    let data: serde_json::Value = serde_json::from_str(data(&page)).unwrap();
    assert_eq!(data["violation"]["said"], HOSTILE);
}

#[test]
fn a_hostile_story_cannot_become_markup() {
    let (mut plan, run) = sample::small("it broke");
    plan.story = HOSTILE.to_owned();
    let page = html(&plan, &run);
    assert_eq!(page.matches("<script").count(), 2);
    assert!(!page.contains("<img"));
}

#[test]
fn nothing_is_loaded_from_anywhere() {
    let (plan, run) = sample::small("it broke");
    let page = html(&plan, &run);
    let without_data = page.replace(data(&page), "");
    for way in [
        "http:", "https:", " src=", "@import", "url(", "<link", "fetch(", "XMLHttp", "import(",
    ] {
        assert!(!without_data.contains(way), "{way}");
    }
    assert!(page.contains("default-src 'none'"));
}

#[test]
fn the_head_says_what_broke_and_when() {
    let (plan, run) = sample::small("d2 was sent before d1 had ended");
    let page = html(&plan, &run);
    assert!(page.contains("Broke: <b>order</b>"));
    assert!(page.contains("d2 was sent before d1 had ended"));
    assert!(page.contains("00:00:01.862"));
    assert!(page.contains("postrider-sim replay PLAN.json"));
}

#[test]
fn a_run_that_held_says_so() {
    let (plan, run) = sample::large(None);
    let page = html(&plan, &run);
    assert!(page.contains("All promises held"));
    assert!(page.contains("<dd>3d 00:00:00.000</dd>"));
    let data: serde_json::Value = serde_json::from_str(data(&page)).unwrap();
    assert!(data["violation"].is_null());
}

#[test]
fn a_generated_plan_is_said_to_come_from_its_seed_and_a_part_of_it_is_not() {
    let mut plan = Plan::generate(7, Tier::World);
    let (_, run) = sample::small("it broke");
    let run = sim::Run { seed: 7, ..run };
    assert!(html(&plan, &run).contains("postrider-sim run --seed 7 --tier world"));
    plan.workload.pop();
    assert!(!html(&plan, &run).contains("run --seed"));
}

/// The marks of a kind as their labels, notes and times.
fn marks(page: &str, kind: &str) -> Vec<(String, String, u64, u64)> {
    let data: serde_json::Value = serde_json::from_str(data(page)).unwrap();
    let marks = data["marks"].as_array().unwrap().iter();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    marks
        .filter(|mark| mark["kind"] == kind)
        .map(|mark| {
            let (from, to) = (mark["from"].as_u64().unwrap(), mark["to"].as_u64().unwrap());
            (text(&mark["label"]), text(&mark["note"]), from, to)
        })
        .collect()
}

#[test]
fn an_attempt_lasts_from_sent_to_what_came_of_it() {
    let (plan, run) = sample::small("it broke");
    let page = html(&plan, &run);
    let named = |name: &str, note: &str, from, to| (name.to_owned(), note.to_owned(), from, to);
    let delivered = named("d0 attempt #1", "HTTP 200, delivered", 30, 210);
    assert_eq!(marks(&page, "delivered"), [delivered]);
    let retried = named("d1 attempt #1", "HTTP 503, to be retried", 215, 475);
    assert_eq!(marks(&page, "retried"), [retried]);
    let lost = named("d1 attempt #2", "lost: the sender stopped", 1_380, 1_450);
    assert_eq!(marks(&page, "lost"), [lost]);
    let open = named(
        "d2 attempt #1",
        "no answer while the run lasted",
        1_862,
        1_862,
    );
    assert_eq!(marks(&page, "open"), [open]);
    let wait = named("d1 waits for attempt #2", "", 475, 1_380);
    assert_eq!(marks(&page, "wait"), [wait]);
}

#[test]
fn every_line_of_a_delivery_is_known_as_its_own() {
    let (plan, run) = sample::small("it broke");
    let page = html(&plan, &run);
    let data: serde_json::Value = serde_json::from_str(data(&page)).unwrap();
    let lines = &data["lines"];
    let about = lines["about"].as_array().unwrap();
    let of = |name: &str| {
        let own = about
            .iter()
            .filter(|about| about.as_array().unwrap().contains(&name.into()));
        own.count()
    };
    // Published: asked, durable, answered. Sent, arrived and answered, twice; heard, asked and
    // durable, once.
    assert_eq!(of("d1"), 3 + 2 * 3 + 3, "{lines:#}");
    assert_eq!(about.len(), run.lines.len());
}

#[test]
fn rows_are_sender_disk_faults_receivers_endpoints_and_lanes() {
    let (plan, run) = sample::large(None);
    let page = html(&plan, &run);
    let data: serde_json::Value = serde_json::from_str(data(&page)).unwrap();
    let rows = data["rows"].as_array().unwrap();
    let kinds: Vec<&str> = rows
        .iter()
        .map(|row| row["kind"].as_str().unwrap())
        .collect();
    let count = |kind: &str| kinds.iter().filter(|known| **known == kind).count();
    assert_eq!(kinds[..2], ["sender", "disk"]);
    assert_eq!(count("fault"), plan.faults.len());
    assert_eq!(count("receiver"), 4);
    assert_eq!(count("endpoint"), 4);
    assert_eq!(count("lane"), 10);
    let names: Vec<&str> = rows[kinds.len() - 14..]
        .iter()
        .map(|row| row["name"].as_str().unwrap())
        .collect();
    assert_eq!(names[..5], ["m0", "key-0", "key-1", "key-10", "m1"]);
}

#[test]
fn packets_stand_between_the_lines_and_in_the_list() {
    let (plan, mut run) = sample::small("it broke");
    let count = run.lines.len();
    run.text.insert(4, "        21 r0 SYN to sender".to_owned());
    let page = html(&plan, &run);
    let data: serde_json::Value = serde_json::from_str(data(&page)).unwrap();
    assert_eq!(data["lines"]["text"][4], "r0 SYN to sender");
    assert_eq!(data["lines"]["at"][4], 21);
    assert_eq!(data["lines"]["text"].as_array().unwrap().len(), count + 1);
    let line = usize::try_from(data["violation"]["line"].as_u64().unwrap()).unwrap();
    assert!(
        data["lines"]["text"][line]
            .as_str()
            .unwrap()
            .contains("sends d2")
    );
}

#[test]
fn every_attempt_of_a_generated_run_has_its_mark() {
    for seed in 0..8 {
        let plan = Arc::new(Plan::generate(seed, Tier::World));
        let run = World::run(&plan, Vec::new(), Keep::Trace);
        let page = html(&plan, &run);
        let kinds = ["delivered", "retried", "failed", "lost", "open"];
        let counts = kinds.map(|kind| marks(&page, kind).len() as u64);
        assert_eq!(
            counts.iter().sum::<u64>(),
            run.attempts,
            "seed {seed}: {counts:?}"
        );
        assert!(run.attempts > 0, "seed {seed} sends nothing");
        assert!(!page.contains("no known lane"), "seed {seed}");
    }
}
