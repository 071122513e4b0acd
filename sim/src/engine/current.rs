//! The world that runs on this thread.
//!
//! Handles that programs hold are plain numbers with the name of their world. While a world runs it
//! is the thread's current one, and only then do its handles reach it; a handle that is dropped
//! outside of its world's run does nothing, and any other use of it there is a mistake that panics.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Waker;

use super::executor::TaskKey;
use super::here;
use super::state::State;
use crate::host::HostId;

/// Names a world within this process. It tells worlds apart and is visible in no run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WorldId(u64);

impl WorldId {
    pub(crate) fn fresh() -> WorldId {
        static LAST: AtomicU64 = AtomicU64::new(0);
        WorldId(LAST.fetch_add(1, Ordering::Relaxed) + 1)
    }
}

/// What stands for no world.
const NO_WORLD: WorldId = WorldId(0);

thread_local! {
    static RUNNING: Cell<WorldId> = const { Cell::new(NO_WORLD) };
    /// The task that is being polled, with the address of its waker.
    static POLLED: Cell<Option<(usize, TaskKey)>> = const { Cell::new(None) };
    static STATE: RefCell<Option<Rc<RefCell<State>>>> = const { RefCell::new(None) };
    /// Tasks woken by wakers, which must not touch the state: it may be borrowed.
    static WOKEN: RefCell<Vec<TaskKey>> = const { RefCell::new(Vec::new()) };
}

/// A world is current until this is dropped. Worlds may nest: a program may run a world of its own.
pub(crate) struct Entered {
    running: WorldId,
    polled: Option<(usize, TaskKey)>,
    here: Option<HostId>,
    state: Option<Rc<RefCell<State>>>,
    woken: Vec<TaskKey>,
}

/// Makes a world the current one.
pub(crate) fn enter(world: WorldId, state: &Rc<RefCell<State>>) -> Entered {
    Entered {
        running: RUNNING.replace(world),
        polled: POLLED.take(),
        here: here::set(None),
        state: STATE.replace(Some(Rc::clone(state))),
        woken: WOKEN.take(),
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        RUNNING.set(self.running);
        POLLED.set(self.polled.take());
        here::set(self.here.take());
        let left = STATE.replace(self.state.take());
        let woken = WOKEN.replace(std::mem::take(&mut self.woken));
        if let Some(left) = left {
            let mut state = left.borrow_mut();
            woken.into_iter().for_each(|task| state.make_ready(task));
        }
    }
}

/// The state of `world`, if that runs on this thread.
#[inline]
fn running(world: WorldId) -> Option<Rc<RefCell<State>>> {
    if RUNNING.get() != world {
        return None;
    }
    STATE.with_borrow(Option::clone)
}

/// Looks at the state of `world` or changes it, then wakes whom that concerns. None if the world
/// does not run on this thread.
// A handle's every use comes through here, millions of times in a campaign: hence the hints, here and in
// what this calls, which do not leave it to the compiler's partition of the crate what becomes one function.
#[inline]
pub(crate) fn try_with<R>(world: WorldId, work: impl FnOnce(&mut State) -> R) -> Option<R> {
    let state = running(world)?;
    let (result, foreign) = {
        let mut state = state.borrow_mut();
        (work(&mut state), state.wake_all())
    };
    foreign.into_iter().for_each(Waker::wake);
    Some(result)
}

/// As [`try_with`].
///
/// # Panics
/// If the world does not run on this thread.
#[inline]
pub(crate) fn with<R>(world: WorldId, work: impl FnOnce(&mut State) -> R) -> R {
    try_with(world, work).expect("a host's handles are for its own tasks, while its world runs")
}

/// Looks at the state of the world that runs on this thread, whichever it is. None if there is none,
/// or if it is in use: then it is the world itself that asks.
pub(crate) fn glimpse<R>(look: impl FnOnce(&mut State) -> R) -> Option<R> {
    let looked = STATE.try_with(|state| {
        let state = state.try_borrow().ok()?;
        let mut state = state.as_ref()?.try_borrow_mut().ok()?;
        Some(look(&mut state))
    });
    // A thread that ends has no world any more.
    looked.ok().flatten()
}

/// Notes that a task is to be polled. False if `world` does not run on this thread.
pub(crate) fn wake(world: WorldId, task: TaskKey) -> bool {
    if RUNNING.get() != world {
        return false;
    }
    WOKEN.with_borrow_mut(|woken| woken.push(task));
    true
}

/// Takes the tasks that wakers have woken.
#[inline]
pub(crate) fn take_woken(mut take: impl FnMut(TaskKey)) {
    WOKEN.with_borrow_mut(|woken| {
        if !woken.is_empty() {
            woken.drain(..).for_each(&mut take);
        }
    });
}

/// Says which task is being polled, and by what waker.
pub(crate) fn set_polled(task: TaskKey, waker: &Waker) {
    POLLED.set(Some((waker.data() as usize, task)));
}

/// The task that is being polled, if `waker` is its own.
fn polled_by(waker: &Waker) -> Option<TaskKey> {
    // No two live wakers of tasks share an address, and the polled task's waker lives.
    POLLED.get().filter(|(address, _)| *address == waker.data() as usize).map(|(_, task)| task)
}

/// Who waits for something.
#[derive(Debug, Default)]
pub(crate) enum Waiter {
    #[default]
    Nobody,
    /// A task, which needs no waker of its own.
    Task(TaskKey),
    /// A waker that a combinator made.
    Foreign(Waker),
}

impl Waiter {
    /// From now on it is the owner of `waker` who waits.
    #[inline]
    pub(crate) fn remember(&mut self, waker: &Waker) {
        match (polled_by(waker), &*self) {
            (Some(task), _) => *self = Waiter::Task(task),
            (None, Waiter::Foreign(kept)) if kept.will_wake(waker) => {}
            (None, _) => *self = Waiter::Foreign(waker.clone()),
        }
    }

    /// Nobody waits any more; who did is returned.
    pub(crate) fn take(&mut self) -> Waiter {
        std::mem::take(self)
    }
}
