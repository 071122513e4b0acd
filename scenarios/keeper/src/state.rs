//! What is known of an ensemble at a moment, as the servers' own observations and its clients tell it.

use std::collections::BTreeMap;

use harness::system::Seen;
use keeper_core::ids::{Epoch, Zxid};
use keeper_core::observation::Observation;

use crate::claims::Resources;
use crate::record::FinalState;
use crate::states::States;

/// The ensemble and its clients.
#[derive(Debug, Default)]
pub struct KeeperState {
    pub(crate) servers: BTreeMap<u32, ServerNotes>,
    /// Clients that have come to the end of their part.
    pub(crate) clients_done: u32,
    /// The newest transaction that any server has applied: all that clients were told of, and more.
    committed: Zxid,
    /// A write made after chaos was acknowledged.
    pub(crate) probe_served: bool,
    /// What locks and elections protect.
    pub(crate) resources: Resources,
    states: States,
}

/// A server as its observations show it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ServerNotes {
    pub(crate) serving: bool,
    pub(crate) leading: bool,
    /// Since when a leader has been synchronising it.
    pub(crate) synchronising_since_ns: Option<u64>,
    pub(crate) epoch: Epoch,
    pub(crate) applied: Zxid,
    pub(crate) digest: u64,
    /// The last transaction in its log, durable or not.
    pub(crate) logged: Zxid,
    /// Its program has given up.
    pub(crate) refuses: bool,
    /// The last transaction that it holds durably for certain.
    pub(crate) durable: Zxid,
    /// Its data were damaged, and no leader has brought it up to its history since.
    pub(crate) is_voiceless: bool,
}

impl KeeperState {
    /// Something was seen of a server. Returns the ensemble's abstract state if that is another one now.
    pub(crate) fn follow(
        &mut self,
        server: u32,
        at_ns: u64,
        seen: Seen<'_, Observation>,
    ) -> Option<u64> {
        let entry = self.servers.entry(server).or_default();
        match seen {
            Seen::Starts => {
                entry.refuses = false;
                None
            }
            Seen::Observes(observation) => {
                entry.observe(at_ns, observation);
                if let Observation::Delivered { zxid, .. } = observation {
                    self.committed = self.committed.max(*zxid);
                }
                self.states.observe(server, observation)
            }
            Seen::GoesDown => {
                entry.stop();
                entry.refuses = false;
                self.states.down(server)
            }
            Seen::GivesUp => {
                entry.stop();
                entry.refuses = true;
                self.states.down(server)
            }
        }
    }

    /// Whether a server's disk holds all that was ever acknowledged: what is committed is in every history that
    /// reaches as far.
    pub(crate) fn holds_everything(&self, server: u32) -> bool {
        let notes = self.servers.get(&server).copied().unwrap_or_default();
        notes.durable >= self.committed && !notes.is_voiceless
    }

    /// Whether so many servers have no voice that the others are no majority: then nothing need move.
    pub(crate) fn may_stand_still(&self, servers: u32) -> bool {
        let voiceless = self.servers.values().filter(|notes| notes.is_voiceless).count() as u32;
        2 * (servers - voiceless.min(servers)) <= servers
    }

    /// The server that leads and serves, in the highest epoch if several believe so.
    pub(crate) fn leader(&self) -> Option<u32> {
        self.servers
            .iter()
            .filter(|(_, notes)| notes.leading && notes.serving)
            .max_by_key(|(_, notes)| notes.epoch)
            .map(|(server, _)| *server)
    }

    /// What is still missing until the ensemble has healed; `None` if nothing.
    pub(crate) fn missing(&self, servers: u32, clients: u32) -> Option<String> {
        if self.may_stand_still(servers) {
            return None;
        }
        let Some(leader) = self.leader() else { return Some("no leader serves".to_owned()) };
        let first = self.servers[&leader];
        for server in 1..=servers {
            let notes = self.servers.get(&server).copied().unwrap_or_default();
            if !notes.serving {
                return Some(format!("server {server} does not serve"));
            }
            if (notes.applied, notes.digest) != (first.applied, first.digest) {
                return Some(format!(
                    "server {server} is at {} with digest {:x}, the leader at {} with {:x}",
                    notes.applied, notes.digest, first.applied, first.digest
                ));
            }
        }
        if !self.probe_served {
            return Some("no write made after the faults was acknowledged".to_owned());
        }
        if self.clients_done < clients {
            return Some(format!("{} of {clients} clients are done", self.clients_done));
        }
        None
    }

    pub(crate) fn finals(&self) -> Vec<FinalState> {
        let state = |(server, notes): (&u32, &ServerNotes)| FinalState {
            server: *server,
            serving: notes.serving,
            leading: notes.leading,
            epoch: notes.epoch,
            applied: notes.applied,
            digest: notes.digest,
        };
        self.servers.iter().map(state).collect()
    }
}

impl ServerNotes {
    fn stop(&mut self) {
        self.serving = false;
        self.leading = false;
        self.synchronising_since_ns = None;
    }

    fn observe(&mut self, at_ns: u64, observation: &Observation) {
        match observation {
            Observation::Looking => self.stop(),
            Observation::Leading => self.leading = true,
            Observation::SyncBegun { .. } => self.synchronising_since_ns = Some(at_ns),
            Observation::SyncEnded => {
                self.synchronising_since_ns = None;
                self.serving = true;
            }
            Observation::Serving { epoch } => {
                self.serving = true;
                self.epoch = *epoch;
            }
            Observation::Epochs { current, .. } => self.epoch = *current,
            Observation::Delivered { zxid, digest, .. }
            | Observation::Replaced { zxid, digest } => {
                self.applied = *zxid;
                self.digest = *digest;
                if let Observation::Replaced { .. } = observation {
                    self.logged = *zxid;
                }
            }
            Observation::Logged { zxid, .. } => self.logged = *zxid,
            Observation::Truncated { zxid } => {
                self.logged = *zxid;
                self.durable = self.durable.min(*zxid);
            }
            Observation::Acknowledged { durable, .. } => self.durable = *durable,
            Observation::Voiceless => self.is_voiceless = true,
            Observation::VoiceRegained => self.is_voiceless = false,
            Observation::Recovered { snapshot, last, digest } => {
                self.stop();
                (self.logged, self.durable) = (*last, *last);
                self.is_voiceless = false;
                self.applied = *snapshot;
                self.digest = *digest;
            }
            _ => {}
        }
    }
}
