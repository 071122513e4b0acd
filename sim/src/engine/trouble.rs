//! What may be wrong with a link besides being cut: segments get lost, SYNs are dropped, little gets
//! through, and firewalls forget the connections that they let through.
//!
//! TCP sends again what was lost, so programs see delays and time-outs, never missing bytes.

use std::collections::BTreeMap;

use super::agenda::Event;
use super::network::{CONNECTION_RESET, ConnKey, Phase};
use super::state::State;
use super::world::EngineWorld;
use crate::host::HostId;
use crate::seed::Draws;
use crate::streams;
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

impl Severed {
    /// Part of the trace's hash: frozen.
    pub(super) fn label(self) -> &'static str {
        match self {
            Severed::Rejects => "Rejects",
            Severed::Drops => "Drops",
        }
    }
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

impl Troubles {
    /// With what probability a segment of a direction gets lost.
    pub(crate) fn loss(&self, direction: Direction) -> f64 {
        let losses = self.losses.get(&direction).map_or(&[][..], Vec::as_slice);
        1.0 - losses.iter().fold(1.0, |arrives, loss| arrives * (1.0 - loss))
    }
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
        let fresh = || Draws::for_host(seed, streams::FLAKY_LINK, from.0, to.0.into());
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
    pub(super) fn sever(&mut self, a: HostId, b: HostId, how: Severed) {
        for key in self.net.conns.between(a, b) {
            let conn = self.net.conns.get_mut(key).expect("it was found above");
            if a != b && conn.phase != Phase::Connecting {
                conn.severed = Some(how);
            }
        }
    }
}

impl EngineWorld {
    /// Changes each link that leads from one of `from` to one of `to`, and records it.
    pub(super) fn for_links(
        &mut self,
        from: &[HostId],
        to: &[HostId],
        what: &[u8],
        change: impl Fn(&mut State, HostId, HostId),
    ) {
        let mut state = self.state.borrow_mut();
        for &from in from {
            for &to in to {
                change(&mut state, from, to);
                state.record(Some(from), Kind::Fault, &[what, &to.0.to_le_bytes()].concat());
            }
        }
    }

    /// Changes both directions of a link, and records it.
    pub(super) fn for_directions(
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

    /// Changes how many faults drop SYNs, and records it.
    pub(super) fn change_syns(
        &mut self,
        from: HostId,
        to: HostId,
        what: &str,
        change: fn(u32) -> u32,
    ) {
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
}

impl State {
    /// Segments in that direction get lost with a probability of `loss`, besides other losses.
    pub(super) fn add_loss(&mut self, direction: Direction, loss: f64) {
        self.net.troubles.losses.entry(direction).or_default().push(loss);
    }

    /// Takes back one loss.
    pub(super) fn end_loss(&mut self, direction: Direction, loss: f64) {
        let is_it = |other: &f64| other.to_bits() == loss.to_bits();
        take_one(&mut self.net.troubles.losses, direction, is_it);
    }

    /// That direction carries no more than so many bytes per second.
    pub(super) fn add_limit(&mut self, direction: Direction, bytes_per_s: u64) {
        self.net.troubles.limits.entry(direction).or_default().push(bytes_per_s);
        self.hold_lowest_limit(direction);
    }

    /// Takes back one limit.
    pub(super) fn end_limit(&mut self, direction: Direction, bytes_per_s: u64) {
        take_one(&mut self.net.troubles.limits, direction, |other| *other == bytes_per_s);
        self.hold_lowest_limit(direction);
    }

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

#[cfg(test)]
mod tests {
    use super::Severed;

    #[test]
    fn labels_of_firewalls_are_frozen() {
        assert_eq!([Severed::Rejects, Severed::Drops].map(Severed::label), ["Rejects", "Drops"]);
    }
}
