//! Several tasks, awaited in the order in which they end.

use std::collections::BTreeMap;
use std::fmt;
use std::future::{Future, poll_fn};
use std::task::{Context, Poll, ready};

use sim::engine::platform::EnginePlatform;
use tokio::sync::mpsc;

use super::handle::{AbortHandle, JoinError, spawn_on};
use crate::simulated::{here, mixed};

/// Tasks of one result type. Dropping it aborts them.
pub struct JoinSet<T>(Tasks<T>);

enum Tasks<T> {
    /// Nothing was spawned yet: nobody knows where.
    None,
    Simulated(Simulated<T>),
    Real(tokio::task::JoinSet<T>),
}

struct Simulated<T> {
    running: BTreeMap<u64, AbortHandle>,
    spawned: u64,
    sender: mpsc::UnboundedSender<(u64, Option<T>)>,
    ended: mpsc::UnboundedReceiver<(u64, Option<T>)>,
}

/// Sends a task's result, or when it is dropped without one, that there is none.
struct Report<T> {
    number: u64,
    sender: mpsc::UnboundedSender<(u64, Option<T>)>,
    is_sent: bool,
}

impl<T> Report<T> {
    fn send(&mut self, output: Option<T>) {
        self.is_sent = true;
        // A set that was dropped wants no results.
        let _ = self.sender.send((self.number, output));
    }
}

impl<T> Drop for Report<T> {
    fn drop(&mut self) {
        if !self.is_sent {
            self.send(None);
        }
    }
}

impl<T: Send + 'static> Simulated<T> {
    fn new() -> Simulated<T> {
        let (sender, ended) = mpsc::unbounded_channel();
        Simulated { running: BTreeMap::new(), spawned: 0, sender, ended }
    }

    fn spawn<F>(&mut self, here: EnginePlatform, work: F) -> AbortHandle
    where
        F: Future<Output = T> + Send + 'static,
    {
        self.spawned += 1;
        let number = self.spawned;
        let mut report = Report { number, sender: self.sender.clone(), is_sent: false };
        let handle = spawn_on(here, async move {
            let output = work.await;
            report.send(Some(output));
        });
        let abort = handle.abort_handle();
        self.running.insert(number, abort.clone());
        abort
    }
}

impl<T> Simulated<T> {
    fn joined(&mut self, (number, output): (u64, Option<T>)) -> Result<T, JoinError> {
        self.running.remove(&number);
        output.ok_or_else(JoinError::cancelled)
    }

    fn abort_all(&self) {
        self.running.values().for_each(AbortHandle::abort);
    }
}

impl<T> JoinSet<T> {
    /// A set without tasks.
    pub fn new() -> JoinSet<T> {
        JoinSet(Tasks::None)
    }

    /// How many tasks were spawned whose results were not taken.
    pub fn len(&self) -> usize {
        match &self.0 {
            Tasks::None => 0,
            Tasks::Simulated(set) => set.running.len(),
            Tasks::Real(set) => set.len(),
        }
    }

    /// Whether there are no such tasks.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<T: 'static> JoinSet<T> {
    /// Starts a task.
    ///
    /// # Panics
    /// If other tasks of the set run elsewhere: some in a world, some outside.
    pub fn spawn<F>(&mut self, work: F) -> AbortHandle
    where
        F: Future<Output = T> + Send + 'static,
        T: Send,
    {
        match (here(), &mut self.0) {
            (Some(here), Tasks::Simulated(set)) => set.spawn(here, work),
            (None, Tasks::Real(set)) => AbortHandle::real(set.spawn(work)),
            (Some(here), tasks @ Tasks::None) => {
                let mut set = Simulated::new();
                let abort = set.spawn(here, work);
                *tasks = Tasks::Simulated(set);
                abort
            }
            (None, tasks @ Tasks::None) => {
                let mut set = tokio::task::JoinSet::new();
                let abort = AbortHandle::real(set.spawn(work));
                *tasks = Tasks::Real(set);
                abort
            }
            _ => mixed("tasks"),
        }
    }

    /// The result of the next task that ends; none if there are no tasks. Cancel safe.
    pub async fn join_next(&mut self) -> Option<Result<T, JoinError>> {
        poll_fn(|cx| self.poll_join_next(cx)).await
    }

    /// [`JoinSet::join_next`] as a poll; ready with none when the set is empty.
    pub fn poll_join_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<T, JoinError>>> {
        match &mut self.0 {
            Tasks::None => Poll::Ready(None),
            Tasks::Simulated(set) if set.running.is_empty() => Poll::Ready(None),
            Tasks::Simulated(set) => {
                let ended = ready!(set.ended.poll_recv(cx)).expect("the set itself holds a sender");
                Poll::Ready(Some(set.joined(ended)))
            }
            Tasks::Real(set) => {
                set.poll_join_next(cx).map(|next| next.map(|r| r.map_err(JoinError::real)))
            }
        }
    }

    /// The result of a task that has ended already.
    pub fn try_join_next(&mut self) -> Option<Result<T, JoinError>> {
        match &mut self.0 {
            Tasks::None => None,
            Tasks::Simulated(set) => {
                let ended = set.ended.try_recv().ok()?;
                Some(set.joined(ended))
            }
            Tasks::Real(set) => set.try_join_next().map(|r| r.map_err(JoinError::real)),
        }
    }

    /// Aborts all tasks; their results, that they have none, can still be taken.
    pub fn abort_all(&mut self) {
        match &mut self.0 {
            Tasks::None => {}
            Tasks::Simulated(set) => set.abort_all(),
            Tasks::Real(set) => set.abort_all(),
        }
    }

    /// Aborts all tasks and waits until they have ended.
    pub async fn shutdown(&mut self) {
        self.abort_all();
        while self.join_next().await.is_some() {}
    }

    /// Lets all tasks go on without the set.
    pub fn detach_all(&mut self) {
        match &mut self.0 {
            Tasks::None => {}
            Tasks::Simulated(set) => set.running.clear(),
            Tasks::Real(set) => set.detach_all(),
        }
        self.0 = Tasks::None;
    }

    /// The results of all tasks, in the order in which they end.
    ///
    /// # Panics
    /// If a task was aborted or panicked.
    pub async fn join_all(mut self) -> Vec<T> {
        let mut outputs = Vec::with_capacity(self.len());
        while let Some(joined) = self.join_next().await {
            match joined {
                Ok(output) => outputs.push(output),
                Err(error) => match error.try_into_panic() {
                    Ok(panic) => std::panic::resume_unwind(panic),
                    Err(error) => panic!("{error}"),
                },
            }
        }
        outputs
    }
}

impl<T> Drop for JoinSet<T> {
    fn drop(&mut self) {
        if let Tasks::Simulated(set) = &self.0 {
            set.abort_all();
        }
    }
}

impl<T> Default for JoinSet<T> {
    fn default() -> JoinSet<T> {
        JoinSet::new()
    }
}

impl<T> fmt::Debug for JoinSet<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinSet").field("len", &self.len()).finish()
    }
}
