//! Threads for the work that a tenant can order, apart from those that serve requests.
//!
//! Each piece of work is bounded by itself; here it is bounded how much of it there is. Tenants take
//! turns, and one has at most half of the threads, so that the others wait for little more than the
//! piece that is being done. The threads are detached: a shutdown does not wait for them.

use super::problem::{Code, Problem};
use postrider::TenantId;
use std::collections::{BTreeMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use tokio::sync::oneshot;

/// The most threads.
const THREADS_MAX: usize = 8;

/// The stack of each, which is touched only as far as the work goes.
const STACK_BYTES: usize = 64 << 20;

/// Pieces of work of one tenant that wait.
const WAITING_PER_TENANT_MAX: usize = 64;

/// Pieces of work that wait altogether.
const WAITING_MAX: usize = 512;

type Job = Box<dyn FnOnce() + Send>;

/// The threads, and what waits for one. Threads are made when they are needed.
pub(super) struct Workers(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    threads_max: usize,
}

#[derive(Default)]
struct State {
    queues: BTreeMap<TenantId, Queue>,
    /// The tenants with work that waits; the first one's turn is next.
    turns: VecDeque<TenantId>,
    waiting: usize,
    threads: usize,
    idle: usize,
    closed: bool,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    running: usize,
}

impl Default for Workers {
    fn default() -> Self {
        let cores = thread::available_parallelism().map_or(2, usize::from);
        Self::new(cores.clamp(2, THREADS_MAX))
    }
}

impl Workers {
    fn new(threads_max: usize) -> Self {
        Self(Arc::new(Shared {
            state: Mutex::default(),
            changed: Condvar::new(),
            threads_max,
        }))
    }

    /// Does this on a thread, when it is the tenant's turn.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        tenant: &TenantId,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let (tell, told) = oneshot::channel();
        self.0.add(
            tenant,
            Box::new(move || {
                // Nobody waits any more: the request has been given up.
                if !tell.is_closed() {
                    let _ = tell.send(work());
                }
            }),
        )?;
        told.await
            .map_err(|_| Problem::new(Code::Internal, "the work panicked"))
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.0.lock().closed = true;
        self.0.changed.notify_all();
    }
}

impl Shared {
    fn add(self: &Arc<Self>, tenant: &TenantId, job: Job) -> Result<(), Problem> {
        let mut state = self.lock();
        let own = state.queues.get(tenant).map_or(0, |it| it.jobs.len());
        if own >= WAITING_PER_TENANT_MAX || state.waiting >= WAITING_MAX {
            let whose = match own >= WAITING_PER_TENANT_MAX {
                true => format!("{WAITING_PER_TENANT_MAX} checks of this tenant"),
                false => format!("{WAITING_MAX} checks"),
            };
            return Err(Problem::new(Code::Busy, format!("{whose} wait already")));
        }
        if state.idle == 0 && state.threads < self.threads_max {
            let shared = Arc::clone(self);
            let thread = thread::Builder::new()
                .name("postrider-check".to_owned())
                .stack_size(STACK_BYTES)
                .spawn(move || shared.work());
            match thread {
                Ok(_) => state.threads += 1,
                Err(error) if state.threads == 0 => {
                    return Err(Problem::new(Code::Busy, format!("no thread: {error}")));
                }
                Err(_) => {}
            }
        }
        if own == 0 {
            state.turns.push_back(tenant.clone());
        }
        let queue = state.queues.entry(tenant.clone()).or_default();
        queue.jobs.push_back(job);
        state.waiting += 1;
        drop(state);
        self.changed.notify_one();
        Ok(())
    }

    /// What a thread does, until the last handle is gone.
    fn work(&self) {
        let mut state = self.lock();
        while !state.closed {
            let Some((tenant, job)) = state.next(self.share()) else {
                state.idle += 1;
                let waited = self.changed.wait(state);
                state = waited.unwrap_or_else(PoisonError::into_inner);
                state.idle -= 1;
                continue;
            };
            drop(state);
            // Whoever waits for it is told by the end of the channel.
            let _ = catch_unwind(AssertUnwindSafe(job));
            state = self.lock();
            state.end(&tenant);
            // The tenant may have been held back.
            self.changed.notify_one();
        }
    }

    /// The most threads that work for one tenant.
    fn share(&self) -> usize {
        (self.threads_max / 2).max(1)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic while it was held left no change half made: there is none that can panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The next piece of work, of the tenant whose turn it is.
    fn next(&mut self, share: usize) -> Option<(TenantId, Job)> {
        let at = self.turns.iter().position(|tenant| {
            let running = self.queues.get(tenant).map_or(0, |queue| queue.running);
            running < share
        })?;
        let tenant = self.turns.remove(at)?;
        let queue = self.queues.get_mut(&tenant)?;
        let job = queue.jobs.pop_front()?;
        queue.running += 1;
        self.waiting -= 1;
        if !queue.jobs.is_empty() {
            self.turns.push_back(tenant.clone());
        }
        Some((tenant, job))
    }

    fn end(&mut self, tenant: &TenantId) {
        if let Some(queue) = self.queues.get_mut(tenant) {
            queue.running -= 1;
            if queue.running == 0 && queue.jobs.is_empty() {
                self.queues.remove(tenant);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;
    use std::time::Duration;

    fn tenant(name: &str) -> TenantId {
        name.parse().unwrap()
    }

    /// Work that does not end before it is let go.
    fn held(workers: &Workers, owner: &str) -> mpsc::Sender<()> {
        let (go, held) = mpsc::channel::<()>();
        let job = Box::new(move || {
            let _ = held.recv();
        });
        workers.0.add(&tenant(owner), job).unwrap();
        go
    }

    #[tokio::test]
    async fn work_is_done_and_what_it_gives_is_given_back() {
        let workers = Workers::new(2);
        assert_eq!(workers.run(&tenant("a"), || 7).await.unwrap(), 7);
    }

    #[tokio::test]
    async fn a_panic_is_an_answer_and_the_thread_works_on() {
        let (workers, a) = (Workers::new(1), tenant("a"));
        for _ in 0..3 {
            let panicked = workers.run(&a, || assert!(std::hint::black_box(false)));
            assert!(panicked.await.is_err());
        }
        assert_eq!(workers.run(&a, || 7).await.unwrap(), 7);
        assert_eq!(workers.0.lock().threads, 1);
    }

    #[tokio::test]
    async fn a_tenant_whose_work_never_ends_leaves_threads_to_the_others() {
        let workers = Workers::new(4);
        let stuck: Vec<_> = (0..10).map(|_| held(&workers, "a")).collect();
        assert_eq!(workers.run(&tenant("b"), || 7).await.unwrap(), 7);
        assert_eq!(workers.0.lock().queues[&tenant("a")].running, 2);
        drop(stuck);
        assert_eq!(workers.run(&tenant("a"), || 7).await.unwrap(), 7);
    }

    #[tokio::test]
    async fn tenants_take_turns() {
        let workers = Workers::new(1);
        let stuck = held(&workers, "a");
        while workers.0.lock().waiting > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let order = Arc::new(Mutex::new(Vec::new()));
        let add = |owner: &'static str| {
            let order = Arc::clone(&order);
            let job = Box::new(move || order.lock().unwrap().push(owner));
            workers.0.add(&tenant(owner), job).unwrap();
        };
        for owner in ["a", "a", "a", "b", "c", "b"] {
            add(owner);
        }
        drop(stuck);
        workers.run(&tenant("z"), || ()).await.unwrap();
        while order.lock().unwrap().len() < 6 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(*order.lock().unwrap(), ["a", "b", "c", "a", "b", "a"]);
    }

    #[tokio::test]
    async fn what_waits_is_bounded_for_each_tenant_and_for_all() {
        let workers = Workers::new(1);
        let mut stuck = vec![held(&workers, "a")];
        let done = Arc::new(AtomicUsize::new(0));
        let add = |owner: &str| {
            let done = Arc::clone(&done);
            let job = Box::new(move || {
                done.fetch_add(1, Ordering::Relaxed);
            });
            workers.0.add(&tenant(owner), job)
        };
        while workers.0.lock().waiting > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        for _ in 0..WAITING_PER_TENANT_MAX {
            add("a").unwrap();
        }
        let refused = serde_json::to_value(add("a").unwrap_err()).unwrap();
        assert_eq!(refused["code"], "busy");
        let mut added = WAITING_PER_TENANT_MAX;
        for other in 0.. {
            if add(&format!("t{}", other / 32)).is_err() {
                break;
            }
            added += 1;
        }
        assert_eq!(added, WAITING_MAX);
        stuck.clear();
        while done.load(Ordering::Relaxed) < added {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        add("a").unwrap();
    }
}
