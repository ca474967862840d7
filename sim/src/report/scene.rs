//! What there is to see: rows, marks and lines.

use super::attempts::Deliveries;
use super::commits::Commits;
use super::lines::{Lines, WHO};
use super::mark::{Mark, Place, Row, Tracks};
use super::ties::{Ties, attempt};
use crate::plan::{FaultKind, Plan, When};
use crate::trace::{Line, Names, Stop, What, Wish};
use crate::watch::Run;
use postrider_engine::{DeliveryId, EndpointId, EndpointStatus, Fact, LaneId};
use serde::Serialize;
use std::collections::BTreeMap;

/// Rows, marks and lines, by number.
#[derive(Debug, Serialize)]
pub(super) struct Scene {
    rows: Vec<Row>,
    marks: Vec<Mark>,
    lines: Lines,
    who: &'static [&'static str],
    /// From then on all is well, but for what stays dead.
    healed: Option<u64>,
    #[serde(skip)]
    places: Vec<usize>,
}

/// What has been seen of a run.
struct Seen<'a> {
    plan: &'a Plan,
    names: &'a Names,
    ties: &'a Ties,
    end: u64,
    line_last: usize,
    deliveries: Deliveries,
    commits: Commits,
    marks: BTreeMap<Place, Vec<Mark>>,
    /// What has begun and not ended, as the place of its mark among those of its row.
    open: BTreeMap<Place, usize>,
    life: Option<usize>,
    drain: Option<usize>,
    arrived: BTreeMap<(usize, DeliveryId, u32), usize>,
    healed: Option<u64>,
}

impl Scene {
    pub(super) fn of(plan: &Plan, run: &Run) -> Self {
        let (mut lines, places, names) = Lines::of(run);
        let ties = Ties::of(&run.lines);
        let end = run.simulated_ms.max(lines.at.last().copied().unwrap_or(0));
        let mut seen = Seen {
            plan,
            names: &names,
            ties: &ties,
            end,
            line_last: lines.at.len().saturating_sub(1),
            deliveries: Deliveries::default(),
            commits: Commits::default(),
            marks: BTreeMap::new(),
            open: BTreeMap::new(),
            life: None,
            drain: None,
            arrived: BTreeMap::new(),
            healed: None,
        };
        for (line, place) in run.lines.iter().zip(&places) {
            lines.about[*place] = ties.about(line, &names);
            lines.attempt[*place] = attempt(&line.what);
            seen.see(line, *place);
        }
        let healed = seen.healed;
        let (rows, marks) = seen.rows();
        Self {
            rows,
            marks,
            lines,
            who: WHO,
            healed,
            places,
        }
    }

    /// Where a line of the trace stands in the report. What breaks at the end, after all lines,
    /// stands at the last one.
    pub(super) fn place_of(&self, run: &Run, number: u64) -> Option<usize> {
        let known = run.lines.partition_point(|line| line.number < number);
        self.places.get(known).or(self.places.last()).copied()
    }
}

impl Seen<'_> {
    fn see(&mut self, line: &Line, place: usize) {
        self.deliveries.see(line, place);
        self.commits.see(line, place);
        let at = line.at_ms;
        match &line.what {
            What::Started { life } => {
                let mark = self.mark("life", at, place, format!("life {life}"));
                self.life = Some(self.put(Place::Sender, mark));
            }
            What::Stopped(stop) => self.stopped(*stop, at, place),
            What::Called {
                wish: Wish::Drain { .. },
                ..
            } => {
                let mark = self.mark("drain", at, place, "drain".to_owned());
                self.drain = Some(self.put(Place::Sender, mark));
            }
            What::Fault { index, kind } => self.struck(*index, kind, at, place),
            What::FaultOver { index } => {
                if let Some(mark) = self.open.remove(&Place::Fault(*index)) {
                    self.close(&Place::Fault(*index), mark, at, place);
                }
            }
            What::Healed => self.healed = Some(at),
            What::Arrived { receiver, wire } => {
                let label = format!("{} #{}", self.delivery(wire.delivery), wire.number);
                let mut mark = self.mark("silent", at, place, label);
                mark.to = at;
                mark.about = self.delivery(wire.delivery);
                mark.attempt = wire.number;
                mark.note = "no answer".to_owned();
                let key = (*receiver, wire.delivery, wire.number);
                let mark = self.put(Place::Receiver(*receiver), mark);
                self.arrived.insert(key, mark);
            }
            What::Responded {
                receiver,
                delivery,
                number,
                answer,
            } => {
                let arrived = self.arrived.remove(&(*receiver, *delivery, *number));
                let row = self.marks.get_mut(&Place::Receiver(*receiver));
                if let Some(mark) = row.zip(arrived).and_then(|(row, mark)| row.get_mut(mark)) {
                    mark.to = at;
                    mark.lines[1] = place;
                    mark.note = format!("{answer:?}");
                    mark.kind = match answer.name() {
                        "ok" => "answered",
                        _ => "refusing",
                    };
                }
            }
            What::Fact(fact) => self.fact(fact, at, place),
            _ => (),
        }
    }

    fn stopped(&mut self, stop: Stop, at: u64, place: usize) {
        for mark in [self.life.take(), self.drain.take()].into_iter().flatten() {
            self.close(&Place::Sender, mark, at, place);
        }
        let (kind, label) = match stop {
            Stop::Killed => ("crash", "killed"),
            Stop::PowerLost => ("crash", "power lost"),
            Stop::StoreFailed => ("crash", "its store failed"),
            Stop::Drained => ("stop", "drained"),
            Stop::End => ("stop", "the run is over"),
        };
        let mut mark = self.mark(kind, at, place, label.to_owned());
        mark.to = at;
        self.put(Place::Sender, mark);
    }

    fn struck(&mut self, index: usize, kind: &FaultKind, at: u64, place: usize) {
        let mut mark = self.mark("fault", at, place, kind.name().replace('_', " "));
        mark.note = format!("{kind:?}");
        mark.about = format!("f{index}");
        // If nothing says that it is over, it was over when it should have been.
        mark.to = at.saturating_add(lasts_ms(kind)).min(self.end);
        let number = self.put(Place::Fault(index), mark);
        self.open.insert(Place::Fault(index), number);
    }

    fn fact(&mut self, fact: &Fact, at: u64, place: usize) {
        let (endpoint, state) = match fact {
            Fact::EndpointChanged { endpoint, status } => match status {
                EndpointStatus::Active => (endpoint, None),
                EndpointStatus::Paused => (endpoint, Some(("held", "paused".to_owned()))),
                EndpointStatus::Disabled(_) => (endpoint, Some(("off", "disabled".to_owned()))),
            },
            Fact::EndpointDisabled { endpoint, reason } => {
                (endpoint, Some(("off", format!("disabled: {reason:?}"))))
            }
            Fact::EndpointDeleted { endpoint, .. } => {
                (endpoint, Some(("off", "deleted".to_owned())))
            }
            Fact::BreakerOpened { endpoint, .. } => {
                (endpoint, Some(("breaker", "breaker open".to_owned())))
            }
            Fact::BreakerClosed { endpoint } => (endpoint, None),
            _ => return,
        };
        let Some(place_of) = self.endpoint(*endpoint) else {
            return;
        };
        if let Some(mark) = self.open.remove(&place_of) {
            self.close(&place_of, mark, at, place);
        }
        if let Some((kind, label)) = state {
            let mut mark = self.mark(kind, at, place, label);
            mark.about = about(&place_of);
            let mark = self.put(place_of.clone(), mark);
            self.open.insert(place_of, mark);
        }
    }

    /// A mark that lasts until something closes it, or to the end.
    fn mark(&self, kind: &'static str, at: u64, place: usize, label: String) -> Mark {
        Mark {
            kind,
            from: at,
            to: self.end,
            label,
            lines: [place, place],
            ..Mark::default()
        }
    }

    fn put(&mut self, place: Place, mark: Mark) -> usize {
        let row = self.marks.entry(place).or_default();
        row.push(mark);
        row.len() - 1
    }

    fn close(&mut self, row: &Place, mark: usize, at: u64, place: usize) {
        if let Some(mark) = self.marks.get_mut(row).and_then(|row| row.get_mut(mark)) {
            mark.to = at;
            mark.lines[1] = place;
        }
    }

    fn delivery(&self, id: DeliveryId) -> String {
        let number = self.names.number_of_delivery(id);
        number.map_or_else(|| id.to_string(), |number| format!("d{number}"))
    }

    fn endpoint(&self, id: EndpointId) -> Option<Place> {
        Some(Place::Endpoint(self.names.number_of_endpoint(id)?, None))
    }

    fn lane(&self, lane: &LaneId) -> Option<Place> {
        let endpoint = self.names.number_of_endpoint(lane.endpoint)?;
        let key = lane.key.get().unwrap_or_default().to_owned();
        Some(Place::Endpoint(endpoint, Some((key.len(), key))))
    }

    /// All rows in order, and all marks on them.
    fn rows(mut self) -> (Vec<Row>, Vec<Mark>) {
        let mut tracks: BTreeMap<Place, usize> = BTreeMap::new();
        self.place_deliveries(&mut tracks);
        let (commits, count) = std::mem::take(&mut self.commits).marks(self.end, self.line_last);
        tracks.insert(Place::Disk, count);
        self.marks.insert(Place::Disk, commits);
        self.marks.entry(Place::Sender).or_default();
        for fault in 0..self.plan.faults.len() {
            self.marks.entry(Place::Fault(fault)).or_default();
        }
        for receiver in 0..self.plan.receivers.len() {
            self.marks.entry(Place::Receiver(receiver)).or_default();
        }
        for id in self.ties.url.keys() {
            if let Some(place) = self.endpoint(*id) {
                self.marks.entry(place).or_default();
            }
        }
        self.shade();
        let mut placed = std::mem::take(&mut self.marks);
        for (place, marks) in &mut placed {
            if let Place::Receiver(_) = place {
                tracks.insert(place.clone(), stack(marks));
            }
        }
        let mut rows = Vec::new();
        let mut all = Vec::new();
        for (place, mut marks) in placed {
            for mark in &mut marks {
                mark.row = rows.len();
            }
            all.append(&mut marks);
            rows.push(self.row(&place, tracks.get(&place).copied().unwrap_or(1)));
        }
        (rows, all)
    }

    /// Puts every delivery on a track of its lane.
    fn place_deliveries(&mut self, counts: &mut BTreeMap<Place, usize>) {
        let deliveries = std::mem::take(&mut self.deliveries);
        let mut lanes: BTreeMap<Place, Vec<_>> = BTreeMap::new();
        for (id, story) in &deliveries.all {
            let lane = self.ties.lane.get(id).and_then(|lane| self.lane(lane));
            // What is in no lane that the trace knows of has a row of its own at the end.
            let lane = lane.unwrap_or(Place::Endpoint(usize::MAX, Some((0, String::new()))));
            lanes.entry(lane).or_default().push((*id, story));
        }
        for (place, mut stories) in lanes {
            stories.sort_by_key(|(_, story)| story.span(self.end));
            let mut tracks = Tracks::default();
            for (id, story) in stories {
                let span = story.span(self.end);
                let track = span.map_or(0, |(from, to)| tracks.take(from, to));
                let of = self.ties.resend_of.get(&id).map(|of| self.delivery(*of));
                let marks = story.marks(&self.delivery(id), of.as_deref(), self.end, track);
                self.marks.entry(place.clone()).or_default().extend(marks);
            }
            counts.insert(place, tracks.count());
        }
    }

    /// Faults of the disk and of receivers are seen on their rows, too.
    fn shade(&mut self) {
        for index in 0..self.plan.faults.len() {
            let struck = self.marks.get(&Place::Fault(index)).cloned();
            let Some(on) = hits(&self.plan.faults[index].kind) else {
                continue;
            };
            for mut mark in struck.unwrap_or_default() {
                mark.kind = "shade";
                self.put(on.clone(), mark);
            }
        }
    }

    fn row(&self, place: &Place, tracks: usize) -> Row {
        let (kind, name, note) = match place {
            Place::Sender => ("sender", "sender".to_owned(), String::new()),
            Place::Disk => ("disk", "its disk".to_owned(), String::new()),
            Place::Fault(index) => {
                let fault = self.plan.faults.get(*index);
                let name = fault.map_or("unplanned", |fault| fault.kind.name());
                let note = fault.map_or_else(String::new, |fault| when(fault.when));
                (
                    "fault",
                    format!("f{index} {}", name.replace('_', " ")),
                    note,
                )
            }
            Place::Receiver(index) => {
                let is_dead = self.plan.end.dead.contains(index);
                let note = if is_dead { "stays dead" } else { "" };
                ("receiver", format!("r{index}"), note.to_owned())
            }
            Place::Endpoint(usize::MAX, _) => ("lane", "no known lane".to_owned(), String::new()),
            Place::Endpoint(number, None) => {
                let is_it = |id: &&EndpointId| self.names.number_of_endpoint(**id) == Some(*number);
                let id = self.ties.url.keys().find(is_it);
                let url = id.and_then(|id| self.ties.url.get(id));
                let url = url.map_or_else(String::new, |url| url.to_string());
                ("endpoint", format!("m{number}"), url)
            }
            Place::Endpoint(number, Some((_, key))) => {
                let name = if key.is_empty() { "no key" } else { key };
                ("lane", name.to_owned(), format!("m{number}"))
            }
        };
        Row {
            kind,
            name,
            note,
            about: about(place),
            tracks,
        }
    }
}

fn about(place: &Place) -> String {
    match place {
        Place::Sender | Place::Disk => String::new(),
        Place::Fault(index) => format!("f{index}"),
        Place::Receiver(index) => format!("r{index}"),
        Place::Endpoint(number, _) => format!("m{number}"),
    }
}

fn stack(marks: &mut [Mark]) -> usize {
    let mut tracks = Tracks::default();
    for mark in marks.iter_mut().filter(|mark| mark.kind != "shade") {
        mark.track = tracks.take(mark.from, mark.to);
    }
    tracks.count()
}

fn when(when: When) -> String {
    match when {
        When::At(_) => String::new(),
        When::Commit(nth) => format!("at commit {nth}"),
        When::Load(nth) => format!("at load {nth}"),
        When::Request(nth) => format!("at request {nth}"),
        When::Response(nth) => format!("at response {nth}"),
    }
}

/// How long a fault lasts.
fn lasts_ms(kind: &FaultKind) -> u64 {
    match *kind {
        FaultKind::Kill { down_ms }
        | FaultKind::PowerLoss { down_ms }
        | FaultKind::WriteError { down_ms }
        | FaultKind::ReadError { down_ms }
        | FaultKind::ReceiverCrash { down_ms, .. } => down_ms,
        FaultKind::DiskFull { for_ms, .. }
        | FaultKind::SlowDisk { for_ms, .. }
        | FaultKind::Storm { for_ms, .. }
        | FaultKind::Latency { for_ms, .. }
        | FaultKind::ClientWay { for_ms, .. } => for_ms,
        _ => 0,
    }
}

/// The row that a fault falls on.
fn hits(kind: &FaultKind) -> Option<Place> {
    match kind {
        FaultKind::DiskFull { .. }
        | FaultKind::SlowDisk { .. }
        | FaultKind::WriteError { .. }
        | FaultKind::ReadError { .. } => Some(Place::Disk),
        FaultKind::Storm { receiver, .. }
        | FaultKind::Latency { receiver, .. }
        | FaultKind::ReceiverCrash { receiver, .. } => Some(Place::Receiver(*receiver)),
        _ => None,
    }
}
