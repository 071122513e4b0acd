//! What befalls links and clocks on turmoil: the parts that several faults have in common.

use std::sync::atomic::Ordering;

use super::shared::State;
use super::world::TurmoilWorld;
use crate::clock::Clocks;
use crate::host::HostId;
use crate::trace::Kind;

impl TurmoilWorld {
    /// Changes each link that leads from one of `from` to one of `to`, and records it.
    pub(super) fn for_links(
        &mut self,
        from: &[HostId],
        to: &[HostId],
        what: &[u8],
        change: impl Fn(&mut State, HostId, HostId),
    ) {
        self.shared.with(|state| {
            for &from in from {
                for &to in to {
                    change(state, from, to);
                    state.record(Some(from), Kind::Fault, &[what, &to.0.to_le_bytes()].concat());
                }
            }
        });
    }

    /// Changes how many faults drop SYNs, and records it.
    pub(super) fn change_syns(
        &mut self,
        from: HostId,
        to: HostId,
        what: &str,
        change: fn(u32) -> u32,
    ) {
        self.shared.with(|state| {
            if from != to {
                state.net.change_dropped_syns(from, to, change);
            }
            state.record(Some(from), Kind::Fault, format!("{what} {to}").as_bytes());
        });
    }

    /// Changes the clocks of a host, and records it.
    pub(super) fn change_clock(
        &mut self,
        host: HostId,
        what: &[u8],
        change: impl FnOnce(&mut Clocks, u64),
    ) {
        self.shared.with(|state| {
            let now_ns = state.now_ns;
            self.wall_history.change(host, &mut state.host_mut(host).clock, now_ns, change);
            state.record(Some(host), Kind::Fault, what);
        });
    }

    /// Whoever waits for an alarm asks again when it is due.
    pub(super) fn rearm_alarms(&mut self, host: HostId) {
        self.shared.with(|state| {
            let host_state = state.host_mut(host);
            host_state.clock_changes.fetch_add(1, Ordering::Relaxed);
            let waiting: Vec<_> = host_state.alarms.values().cloned().collect();
            state.wakes.extend(waiting);
        });
    }
}
