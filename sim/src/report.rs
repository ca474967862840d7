//! The report of a run: one HTML file that shows when what happened to whom.
//!
//! It holds its own style, script and data, asks for nothing from anywhere, and works from a
//! disk. What the run says is text, never markup: a receiver's words cannot do anything in it.

mod attempts;
mod commits;
mod lines;
mod mark;
mod scene;
#[cfg(test)]
mod tests;
mod ties;

use crate::plan::{Plan, Tier};
use crate::watch::Run;
use scene::Scene;
use serde::Serialize;

const PAGE: &str = include_str!("report/page.html");
const STYLE: &str = include_str!("report/style.css");

/// In this order: each part uses those before it.
const SCRIPTS: &[&str] = &[
    include_str!("report/clock.js"),
    include_str!("report/timeline.js"),
    include_str!("report/gestures.js"),
    include_str!("report/lines.js"),
    include_str!("report/detail.js"),
    include_str!("report/start.js"),
];

/// What the script gets.
#[derive(Serialize)]
struct Data<'a> {
    /// Names of the sections under which rows stand, and what the rows are.
    #[serde(flatten)]
    scene: &'a Scene,
    violation: Option<Broken<'a>>,
    /// When the run ended.
    end: u64,
    /// The plan as it would be saved. A text: its numbers are larger than a browser's.
    plan: String,
}

/// Where a promise broke.
#[derive(Serialize)]
struct Broken<'a> {
    promise: &'a str,
    said: &'a str,
    at: u64,
    /// The line among those of the report, if they were kept.
    line: Option<usize>,
}

/// The report of this run of this plan.
#[must_use]
pub fn html(plan: &Plan, run: &Run) -> String {
    let scene = Scene::of(plan, run);
    let last_ms = run.lines.last().map_or(0, |line| line.at_ms);
    let violation = run.violation.as_ref().map(|violation| Broken {
        promise: &violation.promise,
        said: &violation.said,
        at: violation.at_ms,
        line: scene.place_of(run, violation.line),
    });
    let data = Data {
        scene: &scene,
        violation,
        end: run.simulated_ms.max(last_ms),
        plan: plan.to_json(),
    };
    // Texts, numbers and lists only: there is nothing that JSON could not say.
    let data = serde_json::to_string(&data).unwrap_or_default();
    let script = format!("\"use strict\";\n(() => {{\n{}}})();", SCRIPTS.concat());
    fill(&[
        ("title", &escaped(&title(plan, run))),
        ("style", STYLE),
        ("verdict", &verdict(run)),
        ("figures", &figures(plan, run)),
        ("replay", &replay(plan, run)),
        ("data", &inert(&data)),
        ("script", &script),
    ])
}

/// The page with its gaps filled. What is filled in is not looked at again.
fn fill(parts: &[(&str, &str)]) -> String {
    let mut pieces = PAGE.split("{{");
    let mut page = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (name, rest) = piece.split_once("}}").unwrap_or(("", piece));
        let part = parts.iter().find(|(known, _)| *known == name);
        page.push_str(part.map_or("", |(_, text)| text));
        page.push_str(rest);
    }
    page
}

fn title(plan: &Plan, run: &Run) -> String {
    let verdict = match &run.violation {
        Some(violation) => format!("{} broke", violation.promise),
        None => "all promises held".to_owned(),
    };
    let what = match plan.story.as_str() {
        "" => format!("seed {}", run.seed),
        story => story.to_owned(),
    };
    format!("{what}: {verdict} – Postrider simulation")
}

fn verdict(run: &Run) -> String {
    let Some(violation) = &run.violation else {
        return "<h1 id=\"verdict\" class=\"held\">All promises held</h1>".to_owned();
    };
    format!(
        "<h1 id=\"verdict\" class=\"broke\">Broke: <b>{}</b></h1>\n\
         <p id=\"said\">{}</p>\n\
         <p class=\"when\">at <time>{}</time> <span>line {}</span> \
         <button type=\"button\" id=\"to-violation\">Show it</button></p>",
        escaped(&violation.promise),
        escaped(&violation.said),
        clock(violation.at_ms),
        grouped(violation.line),
    )
}

fn figures(plan: &Plan, run: &Run) -> String {
    let tier = tier_name(run.tier);
    let mut figures = vec![
        ("seed", run.seed.to_string()),
        ("tier", tier.to_owned()),
        ("events", grouped(run.events)),
        ("attempts", grouped(run.attempts)),
        ("delivered", grouped(run.delivered)),
        ("failed", grouped(run.failed)),
        ("simulated", clock(run.simulated_ms)),
    ];
    if !plan.story.is_empty() {
        figures.insert(0, ("story", plan.story.clone()));
    }
    let shown = figures
        .iter()
        .map(|(name, value)| format!("<div><dt>{name}</dt><dd>{}</dd></div>", escaped(value)));
    shown.collect()
}

/// The commands that play the run again. A plan replays for ever; a seed as long as the
/// generator stays as it is, and only what has not been shrunk.
fn replay(plan: &Plan, run: &Run) -> String {
    let mut commands = vec!["postrider-sim replay PLAN.json".to_owned()];
    if plan.to_json() == Plan::generate(plan.seed, plan.tier).to_json() {
        let (seed, tier) = (run.seed, tier_name(run.tier));
        commands.push(format!("postrider-sim run --seed {seed} --tier {tier}"));
    }
    let shown = commands
        .iter()
        .map(|command| format!("<code tabindex=\"0\">{command}</code>"));
    shown.collect::<Vec<_>>().join(" ")
}

fn tier_name(tier: Tier) -> &'static str {
    match tier {
        Tier::World => "world",
        Tier::Turmoil => "turmoil",
    }
}

/// As text between tags and in attributes.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            _ => safe.push(character),
        }
    }
    safe
}

/// As JSON within a script tag: nothing in it can end the tag or begin a comment.
fn inert(json: &str) -> String {
    json.replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace('&', "\\u0026")
}

/// `2d 03:14:15.926`.
fn clock(ms: u64) -> String {
    let (days, of_day) = (ms / 86_400_000, ms % 86_400_000);
    let (hours, minutes) = (of_day / 3_600_000, of_day / 60_000 % 60);
    let (seconds, rest) = (of_day / 1_000 % 60, of_day % 1_000);
    let days = if days > 0 {
        format!("{days}d ")
    } else {
        String::new()
    };
    format!("{days}{hours:02}:{minutes:02}:{seconds:02}.{rest:03}")
}

/// `20,000`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut shown = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}
