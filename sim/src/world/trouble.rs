//! What may be wrong with a link besides being cut, as far as turmoil can have it: it sends nothing
//! again, so that links cannot lose segments, and does not count bytes, so that they cannot be narrow.

use super::World;
use crate::seed::Draws;
use crate::shared::HostId;
use crate::trace::Kind;

impl World {
    /// SYNs from one to the other are dropped, so that connection attempts hang; connections that
    /// are open go on. Such faults add up.
    pub fn hang_connects(&mut self, from: HostId, to: HostId) {
        self.change_syns(from, to, "drop SYNs", |count| count + 1);
    }

    /// Takes back one [`World::hang_connects`] of the same hosts.
    pub fn end_hang_connects(&mut self, from: HostId, to: HostId) {
        self.change_syns(from, to, "let SYNs pass", |count| count.saturating_sub(1));
    }

    fn change_syns(&mut self, from: HostId, to: HostId, what: &str, change: fn(u32) -> u32) {
        self.shared.with(|state| {
            if from != to {
                state.net.change_dropped_syns(from, to, change);
            }
            state.record(Some(from), Kind::Fault, format!("{what} {to}").as_bytes());
        });
    }

    /// What stands between two hosts forgets the connections that they have, as a firewall or a
    /// translator of addresses that lost its table. Neither end is told. Whoever writes is answered
    /// by a reset, or, if it is `silent`, by nothing; the other end is left half-open (RFC 9293,
    /// 3.5.1).
    pub fn half_open(&mut self, a: HostId, b: HostId, silent: bool) {
        self.shared.with(|state| {
            state.sever(a, b, silent);
            state.record(Some(a), Kind::Fault, format!("forget {b} {silent}").as_bytes());
        });
    }

    /// Ends all connections between two hosts for both at once, as an operator's `ss --kill` does.
    pub fn reset_all(&mut self, a: HostId, b: HostId) {
        self.shared.with(|state| {
            let certain = &mut Draws::new(state.seed, "reset", 0);
            state.reset_between(a, b, 1.0, certain);
            state.record(Some(a), Kind::Fault, format!("reset {b}").as_bytes());
        });
    }
}
