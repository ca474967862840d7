//! A store from one start of its process to the end of it, which may be a crash.

use super::Cheat;
use super::script::Script;
use super::side::{Answers, Deed, Placing, difference, model};
use crate::chance::Chance;
use crate::disk::{Disk, Image};
use postrider::store::sqlite::SqliteFile;
use postrider_engine::{CommitError, Recovered};
use std::sync::{Arc, OnceLock};

/// What is known of a store that is about to be started.
#[derive(Clone, Debug)]
pub(super) struct Known {
    /// This has been acknowledged, or been seen after a start.
    pub(super) sure: Vec<Deed>,
    /// This may be there, as a whole.
    pub(super) maybe: Option<Deed>,
    /// The group that comes next, if it is not this one.
    pub(super) next: usize,
    /// What the store in memory says after a start with what is sure, if somebody has asked it.
    pub(super) told: Option<Arc<str>>,
}

/// How a life ended.
pub(super) enum End {
    /// The script is over.
    Over,
    /// The disk stopped working, with this to be known of what is left.
    Crashed(Known),
}

/// What a life is about.
pub(super) struct Life<'a> {
    pub(super) script: &'a Script,
    pub(super) cheat: Option<Cheat>,
    pub(super) disk: &'a Disk,
    pub(super) known: Known,
    /// Whether the script goes on after the start.
    pub(super) goes_on: bool,
    /// Whether SQLite is asked to look at every page.
    pub(super) looks_closely: bool,
}

/// A store that was started.
pub(super) struct Started {
    pub(super) file: Placing<SqliteFile>,
    pub(super) recovered: Recovered,
}

/// Why there is no store.
pub(super) enum Unstarted {
    /// The disk has stopped working.
    Crashed,
    Failed(String),
}

/// Opens the store on this disk, and recovers it.
pub(super) fn start(
    disk: &Disk,
    script: &Script,
    cheat: Option<Cheat>,
) -> Result<Started, Unstarted> {
    let failed = |text: String| {
        if disk.has_crashed() {
            Unstarted::Crashed
        } else {
            Unstarted::Failed(text)
        }
    };
    let opened = disk.open_store();
    let mut file = opened.map_err(|error| failed(error.to_string()))?;
    let set = |name: &str, value: &str| {
        let set = file.connection().pragma_update(None, name, value);
        set.map_err(|error| failed(error.to_string()))
    };
    if cheat == Some(Cheat::SyncLess) {
        set("synchronous", "NORMAL")?;
    }
    set("wal_autocheckpoint", &script.log_pages_max.to_string())?;
    let recovered = file.recover().map_err(|error| failed(error.to_string()))?;
    Ok(Started {
        file: Placing::new(file),
        recovered,
    })
}

impl Life<'_> {
    /// Starts the store, asks whether it is as it must be, and goes on with the script.
    pub(super) fn live(&self) -> Result<End, String> {
        let started = match start(self.disk, self.script, self.cheat) {
            Ok(started) => started,
            Err(Unstarted::Crashed) => return Ok(End::Crashed(self.known.clone())),
            Err(Unstarted::Failed(text)) => return Err(format!("it does not start: {text}")),
        };
        let mut file = started.file;
        let Some((mut deeds, next)) = self.settle(&mut file, &started.recovered)? else {
            return Ok(End::Crashed(self.known.clone()));
        };
        if self.goes_on
            && let Some(known) = self.go_on(&mut file, &mut deeds, next)?
        {
            // What a dead process does is nothing to the disk.
            drop(file);
            return Ok(End::Crashed(known));
        }
        if self.looks_closely {
            check_integrity(&file.store, self.disk)?;
        }
        Ok(End::Over)
    }

    /// What is there must be what was acknowledged, with what was under way or without it.
    fn settle(
        &self,
        file: &mut Placing<SqliteFile>,
        recovered: &Recovered,
    ) -> Result<Option<(Vec<Deed>, usize)>, String> {
        let found = match file.tell(self.script, recovered) {
            Ok(found) => found,
            Err(_) if self.disk.has_crashed() => return Ok(None),
            Err(error) => return Err(format!("it cannot be read: {error}")),
        };
        let Known {
            sure,
            maybe,
            next,
            told,
        } = &self.known;
        let mut without = sure.clone();
        without.push(Deed::Recovered);
        let expected = match told {
            Some(told) => Arc::clone(told),
            None => tell_model(self.script, &without)?.into(),
        };
        if *expected == *found {
            return Ok(Some((without, *next)));
        }
        if let Some(maybe) = maybe {
            let with = [&sure[..], &[maybe.clone(), Deed::Recovered]].concat();
            if tell_model(self.script, &with)? == found {
                return Ok(Some((with, *next + 1)));
            }
        }
        let under_way = if maybe.is_some() { "one" } else { "none" };
        let difference = difference(&expected, &found);
        let earlier = (0..sure.len()).rev().find(|deeds| {
            let earlier = [&sure[..*deeds], &[Deed::Recovered]].concat();
            tell_model(self.script, &earlier).is_ok_and(|earlier| earlier == found)
        });
        let lost = earlier.map_or(String::new(), |deeds| {
            format!(
                "all that was recorded after deed {deeds} of {} is lost: ",
                sure.len()
            )
        });
        Err(format!(
            "after {next} acknowledged groups, and {under_way} under way: {lost}{difference}"
        ))
    }

    /// The rest of the script. What is known if the disk stops working meanwhile.
    fn go_on(
        &self,
        file: &mut Placing<SqliteFile>,
        deeds: &mut Vec<Deed>,
        next: usize,
    ) -> Result<Option<Known>, String> {
        let mut model = model(self.script, deeds);
        for (group, steps) in self.script.groups.iter().enumerate().skip(next) {
            let found = file.commit(steps);
            let is_acknowledged = self.cheat == Some(Cheat::AcknowledgeFirst);
            if self.disk.has_crashed() && (is_failed(&found) || is_acknowledged) {
                let mut known = Known {
                    sure: std::mem::take(deeds),
                    maybe: Some(Deed::Group(group)),
                    next: group,
                    told: None,
                };
                if is_acknowledged {
                    known.sure.extend(known.maybe.take());
                    known.next += 1;
                }
                return Ok(Some(known));
            }
            let expected = model.commit(steps);
            if expected != found {
                return Err(format!(
                    "group {group} is answered {found:?} instead of {expected:?}"
                ));
            }
            deeds.push(Deed::Group(group));
        }
        let loads = |error| format!("at the end it cannot be read: {error}");
        let recovered = match file.store.recover() {
            Ok(recovered) => recovered,
            Err(_) if self.disk.has_crashed() => return Ok(Some(self.at_the_end(deeds))),
            Err(error) => return Err(loads(error)),
        };
        deeds.push(Deed::Recovered);
        match file.tell(self.script, &recovered) {
            Ok(found) => {
                let expected = tell_model(self.script, deeds)?;
                if expected == found {
                    return Ok(self.disk.has_crashed().then(|| self.at_the_end(deeds)));
                }
                let difference = difference(&expected, &found);
                Err(format!("at the end of the script, {difference}"))
            }
            Err(_) if self.disk.has_crashed() => Ok(Some(self.at_the_end(deeds))),
            Err(error) => Err(loads(error)),
        }
    }

    fn at_the_end(&self, deeds: &mut Vec<Deed>) -> Known {
        Known {
            sure: std::mem::take(deeds),
            maybe: None,
            next: self.script.groups.len(),
            told: None,
        }
    }
}

/// What a store in memory says that has lived through this.
pub(super) fn tell_model(script: &Script, deeds: &[Deed]) -> Result<String, String> {
    let mut model = model(script, deeds);
    let recovered = model.store.recover();
    model
        .tell(script, &recovered)
        .map_err(|error| error.to_string())
}

/// Whether nothing of a group was acknowledged.
pub(super) fn is_failed(answers: &Answers) -> bool {
    let is_failed = |answer: &Result<_, _>| matches!(answer, Err(CommitError::Failed(_)));
    answers.iter().all(is_failed)
}

/// What SQLite thinks of the file.
fn check_integrity(file: &SqliteFile, disk: &Disk) -> Result<(), String> {
    let asked = file
        .connection()
        .pragma_query_value(None, "integrity_check", |row| row.get::<_, String>(0));
    match asked {
        Ok(said) if said == "ok" => Ok(()),
        Err(_) if disk.has_crashed() => Ok(()),
        Ok(said) => Err(format!("SQLite finds the file damaged: {said}")),
        Err(error) => Err(format!("SQLite cannot check the file: {error}")),
    }
}

/// A script that was run once, with what was on its disk before each operation.
pub(super) struct Reference {
    pub(super) script: Script,
    pub(super) disk: Disk,
    pub(super) images: Vec<Image>,
    /// The number of operations before each group, and when it was acknowledged.
    spans: Vec<(u64, u64)>,
    /// What has become of the store before each group, and at the end.
    deeds: Vec<Vec<Deed>>,
    /// What the store in memory says after a start with these.
    told: Vec<OnceLock<Arc<str>>>,
}

impl Reference {
    /// Runs the script of this seed on a fresh disk.
    pub(super) fn run(seed: u64, cheat: Option<Cheat>) -> Result<Self, String> {
        let script = Script::of(seed).map_err(|error| error.to_string())?;
        let disk = Disk::new(Chance::new(seed));
        if cheat == Some(Cheat::LyingDisk) {
            disk.set(crate::disk::Trouble::Lies);
        }
        disk.keep_images();
        let begin = |disk: &Disk| match start(disk, &script, cheat) {
            Ok(Started {
                mut file,
                recovered,
            }) => {
                // It must know where everything stands.
                let told = file.tell(&script, &recovered);
                told.map_err(|error| error.to_string())?;
                Ok(file)
            }
            Err(Unstarted::Crashed) => Err("a disk without trouble crashed".to_owned()),
            Err(Unstarted::Failed(text)) => Err(format!("it does not start: {text}")),
        };
        let mut file = begin(&disk)?;
        let mut lived = vec![Deed::Recovered];
        let (mut spans, mut deeds) = (Vec::new(), Vec::new());
        for (group, steps) in script.groups.iter().enumerate() {
            if script.restarts.contains(&group) {
                drop(file);
                file = begin(&disk)?;
                lived.push(Deed::Recovered);
            }
            deeds.push(lived.clone());
            let begun = disk.operations();
            let answers = file.commit(steps);
            if answers.iter().any(Result::is_err) {
                return Err(format!("group {group} is answered {answers:?}"));
            }
            spans.push((begun, disk.operations()));
            lived.push(Deed::Group(group));
        }
        deeds.push(lived);
        drop(file);
        let mut images = disk.take_images();
        images.push(disk.image());
        Ok(Self {
            script,
            disk,
            images,
            spans,
            told: deeds.iter().map(|_| OnceLock::new()).collect(),
            deeds,
        })
    }

    /// What is known when the process ends after so many operations.
    pub(super) fn known(&self, operations: u64, cheat: Option<Cheat>) -> Known {
        let done = |(begun, acknowledged): &&(u64, u64)| match cheat {
            Some(Cheat::AcknowledgeFirst) => *begun < operations,
            _ => *acknowledged <= operations,
        };
        let next = self.spans.iter().take_while(done).count();
        let under_way = self.spans.get(next).filter(|span| span.0 < operations);
        Known {
            sure: self.deeds[next].clone(),
            maybe: under_way.map(|_| Deed::Group(next)),
            next,
            told: self.told(next),
        }
    }

    fn told(&self, next: usize) -> Option<Arc<str>> {
        let deeds = self.deeds.get(next)?;
        let told = || {
            let deeds = [&deeds[..], &[Deed::Recovered]].concat();
            tell_model(&self.script, &deeds).unwrap_or_default().into()
        };
        Some(Arc::clone(self.told.get(next)?.get_or_init(told)))
    }
}
