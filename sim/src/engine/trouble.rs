//! What may be wrong with a link besides being cut: segments get lost, SYNs are dropped, little gets
//! through, and firewalls forget the connections that they let through.
//!
//! TCP sends again what was lost, so programs see delays and time-outs, never missing bytes.

use std::collections::BTreeMap;

use super::agenda::Event;
use super::current;
use super::network::{CONNECTION_RESET, ConnKey, Phase};
use super::state::State;
use super::world::EngineWorld;
use crate::seed::Draws;
use crate::shared::HostId;
use crate::trace::Kind;

/// One direction of a link.
type Direction = (HostId, HostId);

/// What a firewall that has forgotten a connection does with a segment of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Severed {
    /// It answers with a reset.
    Rejects,
    /// It drops it.
    Drops,
}

/// What is wrong with links. Faults of one kind add up.
#[derive(Debug, Default)]
pub(crate) struct Troubles {
    /// With what probabilities segments get lost.
    losses: BTreeMap<Direction, Vec<f64>>,
    /// Decides which; a link keeps its stream from one fault to the next.
    draws: BTreeMap<Direction, Draws>,
    /// How many faults drop SYNs.
    dropped_syns: BTreeMap<Direction, u32>,
    /// Limits in bytes per second, of which the lowest holds.
    limits: BTreeMap<Direction, Vec<u64>>,
}

impl State {
    /// Whether the next segment of a link gets lost.
    pub(crate) fn is_next_lost(&mut self, from: HostId, to: HostId) -> bool {
        let troubles = &mut self.net.troubles;
        if troubles.losses.is_empty() || from == to {
            return false;
        }
        let Some(losses) = troubles.losses.get(&(from, to)) else { return false };
        let arrives = losses.iter().fold(1.0, |arrives, loss| arrives * (1.0 - loss));
        let seed = self.seed;
        let fresh = || Draws::for_host(seed, "flaky link", from.0, to.0.into());
        troubles.draws.entry((from, to)).or_insert_with(fresh).chance(1.0 - arrives)
    }

    /// Whether a SYN is dropped because it is one.
    pub(crate) fn drops_syns(&self, from: HostId, to: HostId) -> bool {
        self.net.troubles.dropped_syns.contains_key(&(from, to))
    }

    /// Whether segments of a connection come through, as far as firewalls are concerned; one that
    /// answers for the receiver does so now.
    pub(crate) fn passes_firewall(&mut self, key: ConnKey, side: u8) -> bool {
        let now_ns = self.now_ns;
        let Some(conn) = self.net.conns.get_mut(key) else { return true };
        let Some(severed) = conn.severed else { return true };
        if severed == Severed::Rejects {
            let back = &mut conn.lanes[usize::from(1 - side)];
            let arrival_ns = self.net.links.arrival_ns(back, now_ns, 0);
            self.agenda.push(arrival_ns, Event::Rejected { conn: key, side });
        }
        false
    }

    /// A firewall's reset arrives at the sender of what it answers.
    pub(crate) fn rejected(&mut self, key: ConnKey, side: u8) {
        let Some(conn) = self.net.conns.get(key) else { return };
        let (host, peer) =
            (conn.ends[usize::from(side)].host, conn.ends[usize::from(1 - side)].host);
        if self.net.links.is_open(peer, host) && self.host(host).powered {
            self.fail_end(key, side, CONNECTION_RESET);
        }
    }

    /// What stands between two hosts forgets their connections.
    fn sever(&mut self, a: HostId, b: HostId, how: Severed) {
        for key in self.net.conns.between(a, b) {
            let conn = self.net.conns.get_mut(key).expect("it was found above");
            if a != b && conn.phase != Phase::Connecting {
                conn.severed = Some(how);
            }
        }
    }
}

impl EngineWorld {
    /// Each segment between two hosts, in either direction and SYNs included, gets lost with a
    /// probability of `loss`, and is sent again as if it had been held up. Losses add up.
    pub fn flaky_link(&mut self, a: HostId, b: HostId, loss: f64) {
        self.for_directions(a, b, format!("flaky {loss}"), |state, direction| {
            state.net.troubles.losses.entry(direction).or_default().push(loss);
        });
    }

    /// Takes back one [`EngineWorld::flaky_link`] of the same loss.
    pub fn end_flaky_link(&mut self, a: HostId, b: HostId, loss: f64) {
        self.for_directions(a, b, format!("flaky no more {loss}"), |state, direction| {
            take_one(&mut state.net.troubles.losses, direction, |other| {
                other.to_bits() == loss.to_bits()
            });
        });
    }

    /// Each direction of the link between two hosts carries no more than so many bytes per second.
    /// Of several limits the lowest holds.
    ///
    /// # Panics
    /// If the limit is zero, which is a partition.
    pub fn narrow_link(&mut self, a: HostId, b: HostId, bytes_per_s: u64) {
        assert!(bytes_per_s > 0, "a link that carries nothing is a partition");
        self.for_directions(a, b, format!("narrow {bytes_per_s}"), |state, direction| {
            state.net.troubles.limits.entry(direction).or_default().push(bytes_per_s);
            state.hold_lowest_limit(direction);
        });
    }

    /// Takes back one [`EngineWorld::narrow_link`] of the same limit.
    pub fn end_narrow_link(&mut self, a: HostId, b: HostId, bytes_per_s: u64) {
        self.for_directions(a, b, format!("narrow no more {bytes_per_s}"), |state, direction| {
            take_one(&mut state.net.troubles.limits, direction, |other| *other == bytes_per_s);
            state.hold_lowest_limit(direction);
        });
    }

    /// SYNs from one to the other are dropped, so that connection attempts hang; connections that
    /// are open go on.
    pub fn hang_connects(&mut self, from: HostId, to: HostId) {
        self.change_syns(from, to, "drop SYNs", |count| count + 1);
    }

    /// Takes back one [`EngineWorld::hang_connects`] of the same hosts.
    pub fn end_hang_connects(&mut self, from: HostId, to: HostId) {
        self.change_syns(from, to, "let SYNs pass", |count| count.saturating_sub(1));
    }

    /// What stands between two hosts forgets the connections that they have, as a firewall or a
    /// translator of addresses that lost its table. Neither end is told. Whoever writes is answered
    /// by a reset, or, if it is `silent`, by nothing until TCP gives up; the other end is left
    /// half-open (RFC 9293, 3.5.1).
    pub fn half_open(&mut self, a: HostId, b: HostId, silent: bool) {
        let how = if silent { Severed::Drops } else { Severed::Rejects };
        let mut state = self.state.borrow_mut();
        state.sever(a, b, how);
        state.record(Some(a), Kind::Fault, format!("forget {b} {how:?}").as_bytes());
    }

    /// Ends all connections between two hosts for both at once, as an operator's `ss --kill` does.
    pub fn reset_all(&mut self, a: HostId, b: HostId) {
        let _entered = current::enter(self.id, &self.state);
        current::with(self.id, |state| {
            let certain = &mut Draws::new(state.seed, "reset", 0);
            state.reset_between(a, b, 1.0, certain);
            state.record(Some(a), Kind::Fault, format!("reset {b}").as_bytes());
        });
    }

    fn change_syns(&mut self, from: HostId, to: HostId, what: &str, change: fn(u32) -> u32) {
        let mut state = self.state.borrow_mut();
        if from != to {
            let counts = &mut state.net.troubles.dropped_syns;
            let count = change(counts.remove(&(from, to)).unwrap_or(0));
            if count > 0 {
                counts.insert((from, to), count);
            }
        }
        state.record(Some(from), Kind::Fault, format!("{what} {to}").as_bytes());
    }

    fn for_directions(
        &mut self,
        a: HostId,
        b: HostId,
        what: String,
        change: impl Fn(&mut State, Direction),
    ) {
        let mut state = self.state.borrow_mut();
        if a != b {
            change(&mut state, (a, b));
            change(&mut state, (b, a));
        }
        state.record(Some(a), Kind::Fault, format!("{what} {b}").as_bytes());
    }
}

impl State {
    fn hold_lowest_limit(&mut self, (from, to): Direction) {
        let limits = self.net.troubles.limits.get(&(from, to));
        let lowest = limits.and_then(|limits| limits.iter().min()).copied();
        self.limit_bandwidth(from, to, lowest);
    }
}

/// Takes away one of the values of a direction.
fn take_one<T>(
    all: &mut BTreeMap<Direction, Vec<T>>,
    direction: Direction,
    is_it: impl Fn(&T) -> bool,
) {
    let Some(values) = all.get_mut(&direction) else { return };
    if let Some(at) = values.iter().position(is_it) {
        values.remove(at);
    }
    if values.is_empty() {
        all.remove(&direction);
    }
}
