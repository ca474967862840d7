//! What runs came to, summed up.

use super::worker::Death;
use super::{Job, JobsError};
use postrider_sim::coverage::Coverage;
use postrider_sim::{Run, Violation};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What runs came to, summed up.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Tally {
    pub(crate) runs: u64,
    pub(crate) simulated_ms: u64,
    pub(crate) attempts: u64,
    pub(crate) delivered: u64,
    pub(crate) failed: u64,
    pub(crate) events: u64,
    /// What the worker's processor has spent on them.
    pub(crate) cpu: Duration,
    /// Faults that met states.
    pub(crate) coverage: Coverage,
    /// Those that broke a promise, in order.
    pub(crate) broken: Vec<Broken>,
}

/// A run that broke a promise.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Broken {
    /// Its place among the jobs.
    pub(crate) number: u64,
    /// What was run; a worker leaves it out.
    #[serde(skip)]
    pub(crate) job: Option<Job>,
    pub(crate) seed: u64,
    pub(crate) violation: Violation,
}

impl Tally {
    /// Adds a run, the job at this place of a chunk.
    pub(crate) fn add_run(&mut self, number: u64, run: Run) {
        self.runs += 1;
        self.simulated_ms += run.simulated_ms;
        self.attempts += run.attempts;
        self.delivered += run.delivered;
        self.failed += run.failed;
        self.events += run.events;
        self.coverage.add(&run.coverage);
        if let Some(violation) = run.violation {
            self.broken.push(Broken {
                number,
                job: None,
                seed: run.seed,
                violation,
            });
        }
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.runs += other.runs;
        self.simulated_ms += other.simulated_ms;
        self.attempts += other.attempts;
        self.delivered += other.delivered;
        self.failed += other.failed;
        self.events += other.events;
        self.cpu += other.cpu;
        self.coverage.add(&other.coverage);
        self.broken.extend(other.broken);
    }

    /// One run, which was the end of its worker.
    pub(super) fn of_death((number, job): &(u64, Job), death: Death) -> Self {
        let broken = Broken {
            number: *number,
            seed: job.seed(),
            job: Some(job.clone()),
            violation: death.violation(),
        };
        Self {
            runs: 1,
            broken: vec![broken],
            ..Self::default()
        }
    }
}

impl Job {
    fn seed(&self) -> u64 {
        match self {
            Self::Seed(_, seed) | Self::Scenario(_, seed) => *seed,
            Self::Plan(plan) => plan.seed,
        }
    }
}

impl Broken {
    /// The job; it is there once the jobs are done.
    pub(crate) fn job(&self) -> Result<&Job, JobsError> {
        let missing = || JobsError::Plan(format!("job {} is gone", self.number));
        self.job.as_ref().ok_or_else(missing)
    }
}
