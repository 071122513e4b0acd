//! The abstract states of an ensemble that a run went through: what each server is, how far it has
//! come with it, and how its epoch lies to the highest, whichever server it is.
//!
//! They say how much of the protocol's space a run saw, where times, positions and names would make
//! every run a new one. Two ensembles whose servers have only changed places are in one state.

use std::collections::BTreeMap;

use keeper_core::ids::Epoch;
use keeper_core::observation::{Observation, SyncKind};
use probe::hash_bytes;

/// What a server is at a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Down,
    Looking,
    /// Elected, without a quorum of promises.
    Elected,
    /// Its epoch is established; it does not serve yet.
    Established,
    Leads,
    /// Not yet synchronised.
    Follows,
    Learns(SyncKind),
    /// Serves as a follower.
    Serves,
}

impl Phase {
    fn code(self) -> u8 {
        match self {
            Phase::Down => 0,
            Phase::Looking => 1,
            Phase::Elected => 2,
            Phase::Established => 3,
            Phase::Leads => 4,
            Phase::Follows => 5,
            Phase::Learns(SyncKind::Diff) => 6,
            Phase::Learns(SyncKind::Trunc) => 7,
            Phase::Learns(SyncKind::Snap) => 8,
            Phase::Serves => 9,
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct ServerState {
    phase: Phase,
    epoch: Epoch,
}

/// The state of the moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct States {
    servers: BTreeMap<u32, ServerState>,
}

impl States {
    /// A server took a step of the protocol. Returns the state if it is another one now.
    pub(crate) fn observe(&mut self, server: u32, observation: &Observation) -> Option<u64> {
        let entry = self.servers.entry(server).or_default();
        let before = *entry;
        match observation {
            Observation::Recovered { .. } | Observation::Looking => entry.phase = Phase::Looking,
            Observation::Leading => entry.phase = Phase::Elected,
            Observation::EpochEstablished { epoch, .. } => {
                *entry = ServerState { phase: Phase::Established, epoch: *epoch };
            }
            Observation::Serving { epoch } => {
                *entry = ServerState { phase: Phase::Leads, epoch: *epoch };
            }
            Observation::Following { .. } => entry.phase = Phase::Follows,
            Observation::SyncBegun { kind } => entry.phase = Phase::Learns(*kind),
            Observation::SyncEnded => entry.phase = Phase::Serves,
            Observation::Epochs { current, .. } => entry.epoch = *current,
            _ => return None,
        }
        (*entry != before).then(|| self.code())
    }

    /// A server is down. Returns the state if it is another one now.
    pub(crate) fn down(&mut self, server: u32) -> Option<u64> {
        let entry = self.servers.entry(server).or_default();
        let was_up = entry.phase != Phase::Down;
        entry.phase = Phase::Down;
        was_up.then(|| self.code())
    }

    /// The state as a hash that is the same in every run and build.
    fn code(&self) -> u64 {
        let highest = self.servers.values().map(|server| server.epoch.0).max().unwrap_or(0);
        let code = |server: &ServerState| {
            // Of a server that is down nobody knows the epoch.
            let behind = match server.phase {
                Phase::Down => 0,
                _ => (highest - server.epoch.0).min(2) as u8,
            };
            server.phase.code() * 3 + behind
        };
        let mut codes: Vec<u8> = self.servers.values().map(code).collect();
        codes.sort_unstable();
        hash_bytes(&codes)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use keeper_core::ids::Zxid;

    use super::*;

    /// An ensemble, and every state that it has gone through.
    #[derive(Default)]
    struct Watched {
        states: States,
        reached: BTreeSet<u64>,
    }

    impl Watched {
        fn observe(&mut self, server: u32, observation: &Observation) {
            self.reached.extend(self.states.observe(server, observation));
        }

        fn down(&mut self, server: u32) {
            self.reached.extend(self.states.down(server));
        }
    }

    fn elects(leader: u32, follower: u32, epoch: u32) -> Watched {
        let mut states = Watched::default();
        let (accepted, current) = (Epoch(epoch - 1), Epoch(epoch - 1));
        for server in [1, 2] {
            let last_logged = Zxid::ZERO;
            states.observe(server, &Observation::Epochs { accepted, current, last_logged });
        }
        for server in [1, 2] {
            states.observe(server, &Observation::Looking);
        }
        states.observe(leader, &Observation::Leading);
        let (epoch, history) = (Epoch(epoch), Zxid::ZERO);
        states.observe(leader, &Observation::EpochEstablished { epoch, history });
        states.observe(follower, &Observation::SyncBegun { kind: SyncKind::Diff });
        states
    }

    #[test]
    fn who_and_how_late_does_not_matter() {
        assert_eq!(elects(1, 2, 3).reached, elects(2, 1, 7).reached);
        assert_eq!(elects(1, 2, 3).reached.len(), 7);
    }

    #[test]
    fn what_each_is_does_matter() {
        let mut states = elects(1, 2, 3);
        let before = states.reached.len();
        states.observe(2, &Observation::SyncBegun { kind: SyncKind::Snap });
        states.down(1);
        states.down(1);
        assert_eq!(states.reached.len(), before + 2);
        states.observe(
            2,
            &Observation::Orphaned { session: keeper_core::ids::SessionId(1), ephemerals: 1 },
        );
        assert_eq!(states.reached.len(), before + 2, "that is no state of the protocol");
    }
}
