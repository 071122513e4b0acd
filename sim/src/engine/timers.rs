//! Alarms on hosts' monotonic clocks.
//!
//! An alarm that is moved to a later time keeps its entry in the agenda, which finds out when it
//! comes that it is too early: deadlines that every message moves cost nothing. An entry that has
//! become useless stays until such entries are the greater part of the agenda.

use super::agenda::Event;
use super::current::Waiter;
use super::state::State;
use crate::host::HostId;

/// Below so many useless entries nothing is swept.
const SWEEP_MIN: usize = 256;

#[derive(Debug)]
struct Alarm {
    host: HostId,
    /// When it is to fire, on its host's clock; none while disarmed.
    at_local_ns: Option<u64>,
    /// World time of its entry in the agenda.
    entered_ns: Option<u64>,
    /// Which entry is the valid one. It survives the alarm.
    generation: u32,
    waiter: Waiter,
}

/// All alarms.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    alarms: Vec<Alarm>,
    free: Vec<u32>,
    /// Entries in the agenda that mean nothing any more.
    stale: usize,
}

impl Timers {
    /// How many alarms exist.
    pub(crate) fn len(&self) -> usize {
        self.alarms.len() - self.free.len()
    }
}

impl State {
    /// A new disarmed alarm.
    pub(crate) fn add_timer(&mut self, host: HostId) -> u32 {
        let timers = &mut self.timers;
        if let Some(slot) = timers.free.pop() {
            timers.alarms[slot as usize].host = host;
            return slot;
        }
        let slot = u32::try_from(timers.alarms.len()).expect("fewer than 2^32 alarms");
        timers.alarms.push(Alarm {
            host,
            at_local_ns: None,
            entered_ns: None,
            generation: 0,
            waiter: Waiter::Nobody,
        });
        slot
    }

    /// Forgets an alarm.
    pub(crate) fn remove_timer(&mut self, slot: u32) {
        let alarm = &mut self.timers.alarms[slot as usize];
        alarm.at_local_ns = None;
        alarm.waiter = Waiter::Nobody;
        if alarm.entered_ns.take().is_some() {
            alarm.generation = alarm.generation.wrapping_add(1);
            self.timers.stale += 1;
        }
        self.timers.free.push(slot);
        self.sweep();
    }

    /// Arms an alarm for a time of its host's clock, or disarms it.
    pub(crate) fn set_timer(&mut self, slot: u32, at_local_ns: Option<u64>) {
        let alarm = &mut self.timers.alarms[slot as usize];
        alarm.at_local_ns = at_local_ns;
        let Some(at_local_ns) = at_local_ns else { return };
        let clock = &self.hosts[alarm.host.0 as usize].clock;
        let due_ns = clock.world_ns_at(at_local_ns).max(self.now_ns);
        if alarm.entered_ns.is_none_or(|entered_ns| entered_ns > due_ns) {
            self.enter_timer(slot, due_ns);
        }
    }

    /// Whether the armed time has come; then the alarm is disarmed. Remembers who waits otherwise.
    pub(crate) fn take_fired(&mut self, slot: u32, waker: &std::task::Waker) -> bool {
        let alarm = &mut self.timers.alarms[slot as usize];
        let Some(at_local_ns) = alarm.at_local_ns else { return false };
        if self.hosts[alarm.host.0 as usize].clock.monotonic_ns(self.now_ns) < at_local_ns {
            alarm.waiter.remember(waker);
            return false;
        }
        alarm.at_local_ns = None;
        true
    }

    /// An entry comes: wakes who waits if the alarm is due.
    pub(crate) fn timer_entry(&mut self, slot: u32, generation: u32) {
        let alarm = &mut self.timers.alarms[slot as usize];
        if alarm.generation != generation {
            self.timers.stale -= 1;
            return;
        }
        alarm.entered_ns = None;
        let Some(at_local_ns) = alarm.at_local_ns else { return };
        let due_ns = self.hosts[alarm.host.0 as usize].clock.world_ns_at(at_local_ns);
        if due_ns <= self.now_ns {
            self.wakes.push(alarm.waiter.take());
        } else {
            self.enter_timer(slot, due_ns);
        }
    }

    /// A host's monotonic clock has changed: its alarms are due at other times.
    pub(crate) fn reenter_timers(&mut self, host: HostId) {
        for slot in 0..self.timers.alarms.len() as u32 {
            let alarm = &self.timers.alarms[slot as usize];
            if alarm.host != host {
                continue;
            }
            let Some(at_local_ns) = alarm.at_local_ns else { continue };
            let clock = &self.hosts[host.0 as usize].clock;
            let due_ns = clock.world_ns_at(at_local_ns).max(self.now_ns);
            self.enter_timer(slot, due_ns);
        }
    }

    fn enter_timer(&mut self, slot: u32, due_ns: u64) {
        let alarm = &mut self.timers.alarms[slot as usize];
        if alarm.entered_ns.replace(due_ns).is_some() {
            alarm.generation = alarm.generation.wrapping_add(1);
            self.timers.stale += 1;
        }
        self.agenda.push(due_ns, Event::Timer { slot, generation: alarm.generation });
        self.sweep();
    }

    fn sweep(&mut self) {
        if self.timers.stale <= SWEEP_MIN || self.timers.stale <= self.agenda.len() / 2 {
            return;
        }
        let alarms = &self.timers.alarms;
        self.agenda.retain(|event| match event {
            Event::Timer { slot, generation } => alarms[*slot as usize].generation == *generation,
            _ => true,
        });
        self.timers.stale = 0;
    }
}
