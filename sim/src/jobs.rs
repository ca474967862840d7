//! Runs spread over worker processes: the same program, told what to run through its standard
//! input. A run that aborts, overflows its stack or never ends takes its worker with it, and is
//! found out; the others go on.

mod tally;
mod worker;

pub(crate) use tally::{Broken, Tally};
pub(crate) use worker::{Worker, serve};

use postrider_sim::{Bug, Plan, Tier};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::io;
use std::num::NonZero;
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

/// A run may take so long. Most take milliseconds; the machine may be busy.
const RUN_TIME_MAX: Duration = Duration::from_secs(60);

/// Something to run.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Job {
    /// What is generated from a seed.
    Seed(Tier, u64),
    /// A scenario, by its name, with a seed.
    Scenario(String, u64),
    /// A plan from a file.
    Plan(Box<Plan>),
}

/// How to spread them.
#[derive(Clone, Debug)]
pub(crate) struct Jobs {
    /// Worker processes.
    pub(crate) workers: usize,
    /// Runs that are handed over at a time.
    pub(crate) chunk: usize,
    /// The planted bug, if any.
    pub(crate) bug: Option<Bug>,
}

/// Why the jobs could not be done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JobsError {
    #[error("a worker process could not be started: {0}")]
    Start(io::Error),
    #[error("{0}")]
    Plan(String),
}

/// Jobs with their numbers.
type Chunk = Vec<(u64, Job)>;

/// Jobs that no worker has been given.
struct Queue<'a> {
    rest: Box<dyn Iterator<Item = (u64, Job)> + Send + 'a>,
    /// Those of a chunk that was the end of its worker: one by one, to see which it was.
    again: Chunk,
}

impl Job {
    /// The plan that it runs.
    pub(crate) fn plan(&self) -> Result<Cow<'_, Plan>, JobsError> {
        match self {
            Self::Seed(tier, seed) => Ok(Cow::Owned(Plan::generate(*seed, *tier))),
            Self::Scenario(name, seed) => crate::command::scenario(name)
                .map(|scenario| Cow::Owned((scenario.plan)(*seed)))
                .ok_or_else(|| JobsError::Plan(format!("no scenario is called {name}"))),
            Self::Plan(plan) => Ok(Cow::Borrowed(plan)),
        }
    }
}

/// As many workers as the machine has cores.
pub(crate) fn cores() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get)
}

impl Jobs {
    /// For runs of this tier.
    pub(crate) fn of(tier: Tier, workers: Option<usize>, bug: Option<Bug>) -> Self {
        let chunk = match tier {
            Tier::World => 16,
            Tier::Turmoil => 1,
        };
        Self {
            workers: workers.unwrap_or_else(cores),
            chunk,
            bug,
        }
    }

    /// Runs them all; `shown` is told how far it is.
    pub(crate) fn run(
        &self,
        jobs: impl Iterator<Item = Job> + Send,
        mut shown: impl FnMut(&Tally),
    ) -> Result<Tally, JobsError> {
        let queue = Mutex::new(Queue {
            rest: Box::new((0..).zip(jobs)),
            again: Vec::new(),
        });
        let (done, results) = mpsc::channel();
        let mut tally = Tally::default();
        thread::scope(|scope| {
            for _ in 0..self.workers.max(1) {
                let (done, queue) = (done.clone(), &queue);
                scope.spawn(move || self.work(queue, &done));
            }
            drop(done);
            for result in results {
                // The receiver goes with an error, and with it the threads end.
                tally.add(result?);
                shown(&tally);
            }
            Ok(())
        })?;
        tally.broken.sort_by_key(|broken| broken.number);
        Ok(tally)
    }

    /// What a thread does: keeps a worker process busy.
    fn work(&self, queue: &Mutex<Queue<'_>>, done: &mpsc::Sender<Result<Tally, JobsError>>) {
        let mut worker = None;
        loop {
            // A thread that panicked has not left the queue in between.
            let chunk = queue
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take(self.chunk);
            if chunk.is_empty() {
                return;
            }
            let result = match self.ask(&mut worker, &chunk) {
                Ok(Ok(tally)) => Ok(tally),
                Ok(Err(_)) if chunk.len() > 1 => {
                    let mut queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
                    queue.again.extend(chunk);
                    continue;
                }
                Ok(Err(death)) => Ok(Tally::of_death(&chunk[0], death)),
                Err(error) => Err(error),
            };
            let is_over = result.is_err();
            if done.send(result).is_err() || is_over {
                return;
            }
        }
    }

    /// Gives a chunk to a worker, to a new one if the one before has ended.
    fn ask(
        &self,
        worker: &mut Option<Worker>,
        chunk: &Chunk,
    ) -> Result<Result<Tally, worker::Death>, JobsError> {
        let mut alive = match worker.take() {
            Some(alive) => alive,
            None => Worker::start(self.bug).map_err(JobsError::Start)?,
        };
        let jobs: Vec<&Job> = chunk.iter().map(|(_, job)| job).collect();
        let answer = alive.ask(&jobs, RUN_TIME_MAX);
        Ok(answer.map(|mut tally| {
            *worker = Some(alive);
            for broken in &mut tally.broken {
                // Within a chunk a job is known by its place.
                let place = usize::try_from(broken.number).unwrap_or(usize::MAX);
                if let Some((number, job)) = chunk.get(place) {
                    broken.number = *number;
                    broken.job = Some(job.clone());
                }
            }
            tally
        }))
    }
}

impl Queue<'_> {
    fn take(&mut self, chunk: usize) -> Chunk {
        match self.again.pop() {
            Some(alone) => vec![alone],
            None => self.rest.by_ref().take(chunk).collect(),
        }
    }
}
