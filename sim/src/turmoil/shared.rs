//! What the hosts of one world share: one lock around plain data, and no more.
//!
//! A world runs on one thread, so the lock is never contended; it is there because platforms are
//! `Send`. Wakers run after the lock is let go, because waking may run foreign code.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use super::network::Network;
use crate::clock::Clocks;
use crate::disk::{Disk, OpId};
use crate::host::HostId;
use crate::panics::RunPanic;
use crate::seed::Draws;
use crate::settings::Settings;
use crate::tap::{Change, Moment, Tap};
use crate::trace::{Kind, Trace};

/// One host as the world knows it.
pub(crate) struct HostState {
    pub(crate) name: String,
    /// Whether its program runs.
    pub(crate) running: bool,
    /// Whether its machine has power: without, its kernel answers nobody.
    pub(crate) powered: bool,
    /// Counts the kills of its program.
    pub(crate) incarnation: u32,
    /// Counts its power losses.
    pub(crate) boot: u32,
    pub(crate) paused: Arc<AtomicBool>,
    pub(crate) pauses: u32,
    /// Tasks that were to run while the host was paused.
    pub(crate) frozen: Vec<Waker>,
    pub(crate) clock: Clocks,
    /// Counts the changes of its monotonic clock's rate.
    pub(crate) clock_changes: Arc<AtomicU32>,
    /// Whom to wake when that rate changes, by alarm.
    pub(crate) alarms: BTreeMap<u64, Waker>,
    /// Counts its alarms.
    pub(crate) last_alarm: u64,
    pub(crate) entropy: Draws,
    pub(crate) disk: Disk,
    pub(crate) disk_waiters: BTreeMap<OpId, Waker>,
}

pub(crate) struct State {
    pub(crate) seed: u64,
    pub(crate) settings: Settings,
    /// TurmoilWorld time at the start of the current step.
    pub(crate) now_ns: u64,
    pub(crate) trace: Trace,
    /// Only when the whole trace is kept.
    pub(crate) tap: Option<Box<Tap>>,
    pub(crate) hosts: Vec<HostState>,
    pub(crate) by_name: BTreeMap<String, HostId>,
    pub(crate) by_ip: BTreeMap<IpAddr, HostId>,
    pub(crate) net: Network,
    pub(crate) panic: Option<RunPanic>,
    /// Wakers to call once the lock is free.
    pub(crate) wakes: VecDeque<Waker>,
}

impl State {
    pub(crate) fn host(&self, host: HostId) -> &HostState {
        &self.hosts[host.0 as usize]
    }

    pub(crate) fn host_mut(&mut self, host: HostId) -> &mut HostState {
        &mut self.hosts[host.0 as usize]
    }

    pub(crate) fn record(&mut self, host: Option<HostId>, kind: Kind, content: &[u8]) {
        self.trace.record(self.now_ns, host, kind, content);
        if let Kind::Own(tag) = kind {
            self.overhear(|tap, moment| tap.own(moment, tag));
        }
    }

    /// Tells the tap, if there is one, of the event that was recorded last.
    pub(crate) fn overhear(&mut self, tell: impl FnOnce(&mut Tap, Moment)) {
        if let Some(tap) = &mut self.tap {
            tell(tap, Moment { at_ns: self.now_ns, order: self.trace.count() });
        }
    }

    pub(crate) fn overhear_change(&mut self, host: HostId, change: Change) {
        self.overhear(|tap, moment| tap.change(moment, host, change));
    }
}

/// The lock.
pub(crate) struct Shared {
    state: Mutex<State>,
    /// Whether the engine is running a step: only then may a host's clock be asked.
    stepping: AtomicBool,
}

impl Shared {
    pub(crate) fn new(state: State) -> Arc<Shared> {
        Arc::new(Shared { state: Mutex::new(state), stepping: AtomicBool::new(false) })
    }

    /// Looks at the state or changes it, then wakes whom the change concerns.
    pub(crate) fn with<R>(&self, work: impl FnOnce(&mut State) -> R) -> R {
        let mut state = self.lock();
        let result = work(&mut state);
        if state.wakes.is_empty() {
            return result;
        }
        let wakes = std::mem::take(&mut state.wakes);
        drop(state);
        wakes.into_iter().for_each(Waker::wake);
        result
    }

    /// A panic while the lock was held fails the run; until it ends, the state is still readable.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set_stepping(&self, stepping: bool) {
        self.stepping.store(stepping, Ordering::Relaxed);
    }

    /// TurmoilWorld time, in nanoseconds since the start of the run. Inside a step it is the time of the
    /// running host; a host that is being killed has no clock, so then it is the step's time.
    pub(crate) fn now_ns(&self) -> u64 {
        let elapsed = match self.stepping.load(Ordering::Relaxed) {
            true => turmoil::sim_elapsed(),
            false => None,
        };
        match elapsed {
            Some(elapsed) => {
                u64::try_from(elapsed.as_nanos()).expect("a run ends within centuries")
            }
            None => self.lock().now_ns,
        }
    }
}
