//! Tasks: who is ready, in what order the ready are polled, and what ends them.
//!
//! The ready tasks of a host are polled in an order drawn from the host's own stream, so that seeds
//! explore interleavings, and what another host does moves none of them. A task's waker is made once
//! and is safe to call from anywhere; but only the world's own thread may wake its tasks, because
//! anything else would depend on the machine's timing: such a wake fails the run.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::ThreadId;

use super::current::{self, Waiter, WorldId};
use super::here;
use super::state::State;
use crate::host::HostId;
use crate::panics::{RunPanic, catching};

/// A task's work.
pub(crate) type Work = Pin<Box<dyn Future<Output = ()>>>;

/// Names a task of one world. Never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TaskKey {
    slot: u32,
    generation: u32,
}

/// Where wakes go while the world does not run.
#[derive(Debug)]
pub(crate) struct Home {
    thread: ThreadId,
    late: Mutex<Vec<TaskKey>>,
    has_late: AtomicBool,
    is_disturbed: AtomicBool,
}

impl Home {
    /// This thread is the world's.
    pub(crate) fn new() -> Arc<Home> {
        Arc::new(Home {
            thread: std::thread::current().id(),
            late: Mutex::new(Vec::new()),
            has_late: AtomicBool::new(false),
            is_disturbed: AtomicBool::new(false),
        })
    }

    fn wake_from_outside(&self, task: TaskKey) {
        if std::thread::current().id() != self.thread {
            self.is_disturbed.store(true, Ordering::SeqCst);
            return;
        }
        self.late.lock().unwrap_or_else(PoisonError::into_inner).push(task);
        self.has_late.store(true, Ordering::Relaxed);
    }
}

/// The waker of a task.
struct TaskWaker {
    world: WorldId,
    key: TaskKey,
    /// The task is in line to be polled. Only the world's thread, while the world runs, looks at it.
    queued: AtomicBool,
    home: Arc<Home>,
}

impl TaskWaker {
    /// Puts the task in line; false if it is there already.
    fn queue(&self) -> bool {
        let is_new = !self.queued.load(Ordering::Relaxed);
        self.queued.store(true, Ordering::Relaxed);
        is_new
    }
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !current::wake(self.world, self.key) {
            self.home.wake_from_outside(self.key);
        }
    }
}

/// What the executor takes out of the table to poll it.
pub(crate) struct Body {
    work: Work,
    waker: Waker,
}

struct Slot {
    generation: u32,
    task: Option<TaskState>,
}

struct TaskState {
    host: HostId,
    /// Tasks die in the order of their birth.
    birth: u64,
    waker: Arc<TaskWaker>,
    /// None while it is being polled.
    body: Option<Body>,
    is_aborted: bool,
}

/// All tasks of a world.
#[derive(Default)]
pub(crate) struct Tasks {
    slots: Vec<Slot>,
    free: Vec<u32>,
    births: u64,
}

impl Tasks {
    /// How many tasks exist.
    pub(crate) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    fn get_mut(&mut self, key: TaskKey) -> Option<&mut TaskState> {
        let slot = self.slots.get_mut(key.slot as usize)?;
        slot.task.as_mut().filter(|_| slot.generation == key.generation)
    }

    /// Forgets a task; its body is for the caller to drop.
    fn remove(&mut self, key: TaskKey) -> Option<Body> {
        self.get_mut(key)?;
        let slot = &mut self.slots[key.slot as usize];
        slot.generation = slot.generation.checked_add(1).expect("fewer than 2^32 tasks in a slot");
        self.free.push(key.slot);
        slot.task.take().and_then(|task| task.body)
    }
}

/// What to do next.
enum Turn {
    Poll(TaskKey, HostId, Body),
    /// An aborted task.
    Drop(HostId, Body),
}

impl State {
    /// Begins a task of a host.
    pub(crate) fn spawn(&mut self, host: HostId, work: Work) -> TaskKey {
        let tasks = &mut self.tasks;
        let slot = tasks.free.pop().unwrap_or_else(|| {
            tasks.slots.push(Slot { generation: 0, task: None });
            u32::try_from(tasks.slots.len() - 1).expect("fewer than 2^32 tasks")
        });
        let key = TaskKey { slot, generation: tasks.slots[slot as usize].generation };
        let waker = Arc::new(TaskWaker {
            world: self.world,
            key,
            queued: AtomicBool::new(false),
            home: Arc::clone(&self.home),
        });
        tasks.births += 1;
        tasks.slots[slot as usize].task = Some(TaskState {
            host,
            birth: tasks.births,
            body: Some(Body { work, waker: Waker::from(Arc::clone(&waker)) }),
            waker,
            is_aborted: false,
        });
        self.make_ready(key);
        key
    }

    /// A task is to end when its turn comes.
    pub(crate) fn abort(&mut self, key: TaskKey) {
        if let Some(task) = self.tasks.get_mut(key) {
            task.is_aborted = true;
            self.make_ready(key);
        }
    }

    /// Puts a task in line to be polled.
    pub(crate) fn make_ready(&mut self, key: TaskKey) {
        let Some(task) = self.tasks.get_mut(key) else { return };
        if !task.waker.queue() {
            return;
        }
        let number = task.host.0;
        let host = &mut self.hosts[number as usize];
        if host.pauses > 0 {
            host.frozen.push(key);
            return;
        }
        host.ready.push(key);
        if !std::mem::replace(&mut host.is_busy, true) {
            self.busy.push(number);
        }
    }

    /// The host goes on: what was to run meanwhile is in line.
    pub(crate) fn thaw(&mut self, host: HostId) {
        let host_state = &mut self.hosts[host.0 as usize];
        let frozen = std::mem::take(&mut host_state.frozen);
        host_state.ready.extend(frozen);
        if !std::mem::replace(&mut host_state.is_busy, true) {
            self.busy.push(host.0);
        }
    }

    /// The host stands still: what is in line waits.
    pub(crate) fn freeze(&mut self, host: HostId) {
        let host_state = &mut self.hosts[host.0 as usize];
        let ready = std::mem::take(&mut host_state.ready);
        host_state.frozen.extend(ready);
    }

    /// Puts those in line for whom something happened; the wakers that are not ours are returned, to
    /// be called when the state is not borrowed.
    #[inline]
    pub(crate) fn wake_all(&mut self) -> Vec<Waker> {
        if self.wakes.is_empty() { Vec::new() } else { self.wake_some() }
    }

    fn wake_some(&mut self) -> Vec<Waker> {
        let mut foreign = Vec::new();
        let mut wakes = std::mem::take(&mut self.wakes);
        for waiter in wakes.drain(..) {
            match waiter {
                Waiter::Nobody => {}
                Waiter::Task(task) => self.make_ready(task),
                Waiter::Foreign(waker) => foreign.push(waker),
            }
        }
        self.wakes = wakes;
        foreign
    }

    /// Wakes that came while the world did not run, or ran another world.
    #[inline]
    pub(crate) fn take_late_wakes(&mut self) {
        if self.home.is_disturbed.load(Ordering::SeqCst) {
            let message = "a task was woken from another thread: the run would depend on the \
                           machine's timing";
            self.fail(None, message.to_owned());
        }
        if self.home.has_late.load(Ordering::Relaxed) {
            self.home.has_late.store(false, Ordering::Relaxed);
            let home = Arc::clone(&self.home);
            let late =
                std::mem::take(&mut *home.late.lock().unwrap_or_else(PoisonError::into_inner));
            late.into_iter().for_each(|task| self.make_ready(task));
        }
    }

    /// The run has failed, for the first reason that is given.
    pub(crate) fn fail(&mut self, host: Option<HostId>, message: String) {
        let host_name = host.map(|host| self.host(host).name.clone());
        let at_ns = self.now_ns;
        self.panic.get_or_insert(RunPanic { host, host_name, at_ns, message });
    }

    #[inline]
    fn next_turn(&mut self) -> Option<Turn> {
        self.take_late_wakes();
        current::take_woken(|task| self.make_ready(task));
        if self.panic.is_some() {
            return None;
        }
        loop {
            let number = *self.busy.last()?;
            let host = &mut self.hosts[number as usize];
            let key = match host.ready.len() {
                0 => {
                    host.is_busy = false;
                    self.busy.pop();
                    continue;
                }
                1 => host.ready.swap_remove(0),
                len if self.settings.common.random_order => {
                    host.ready.swap_remove(host.order.below(len as u64) as usize)
                }
                _ => host.ready.remove(0),
            };
            let Some(task) = self.tasks.get_mut(key) else { continue };
            let (host, birth) = (task.host, task.birth);
            task.waker.queued.store(false, Ordering::Relaxed);
            let body = task.body.take().expect("a task in line is not being polled");
            if task.is_aborted {
                self.tasks.remove(key);
                return Some(Turn::Drop(host, body));
            }
            self.polls += 1;
            self.polls_at_instant += 1;
            if self.polls_at_instant > self.settings.polls_per_instant_max {
                task.body = Some(body);
                let polls = self.settings.polls_per_instant_max;
                self.fail(Some(host), format!("livelock: more than {polls} polls at one instant"));
                return None;
            }
            self.pulse.polled(host, birth);
            return Some(Turn::Poll(key, host, body));
        }
    }

    /// Takes all tasks of a host, or of all, out of the table, the oldest first.
    pub(crate) fn take_tasks(&mut self, of: Option<HostId>) -> Vec<(HostId, Body)> {
        let mut keys: Vec<(u64, HostId, TaskKey)> = Vec::new();
        for (slot, entry) in self.tasks.slots.iter().enumerate() {
            if let Some(task) = entry.task.as_ref().filter(|task| of.is_none_or(|h| h == task.host))
            {
                let key = TaskKey { slot: slot as u32, generation: entry.generation };
                keys.push((task.birth, task.host, key));
            }
        }
        keys.sort_unstable_by_key(|(birth, ..)| *birth);
        let bodies = keys.into_iter();
        bodies.filter_map(|(_, host, key)| Some((host, self.tasks.remove(key)?))).collect()
    }
}

/// Polls until nobody is ready, or the run has failed. The world must be the current one.
pub(crate) fn run_ready(state: &Rc<RefCell<State>>) {
    loop {
        // The state is not borrowed while a task runs or is dropped.
        let turn = state.borrow_mut().next_turn();
        match turn {
            None => return,
            Some(Turn::Drop(host, body)) => drop_body(state, host, body),
            Some(Turn::Poll(key, host, body)) => poll(state, key, host, body),
        }
    }
}

fn poll(state: &Rc<RefCell<State>>, key: TaskKey, host: HostId, mut body: Body) {
    current::set_polled(key, &body.waker);
    here::set(Some(host));
    let polled = catching(|| body.work.as_mut().poll(&mut Context::from_waker(&body.waker)));
    match polled {
        Ok(Poll::Pending) => {
            let mut state = state.borrow_mut();
            let task = state.tasks.get_mut(key).expect("a task stays while it is polled");
            task.body = Some(body);
        }
        Ok(Poll::Ready(())) => {
            state.borrow_mut().tasks.remove(key);
            drop_body(state, host, body);
        }
        Err(message) => {
            let mut failed = state.borrow_mut();
            failed.tasks.remove(key);
            failed.fail(Some(host), message);
            drop(failed);
            drop_body(state, host, body);
        }
    }
}

/// Drops a task's work, whose panic fails the run.
pub(crate) fn drop_body(state: &Rc<RefCell<State>>, host: HostId, body: Body) {
    let before = here::set(Some(host));
    if let Err(message) = catching(|| drop(body)) {
        state.borrow_mut().fail(Some(host), message);
    }
    here::set(before);
}
