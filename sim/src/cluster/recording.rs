//! What everybody in a run writes down, in one place and in one order.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard};

use keeper_core::ids::{Epoch, Zxid};
use keeper_core::instruments::{Instruments, Observation, Plant};
use keeper_core::marks::Mark;

use super::claims::Resources;
use super::mark_notes::BrokenClaim;
use super::record::{
    ClientOperation, ClientOutcome, ClientSessionEvent, ClientWatchEvent, FinalState, Observed,
    PlantReached, Refusal, RunRecord,
};
use crate::fault::Snares;
use crate::simulation::{Attention, SimHandle};

/// The tag of observations in the trace: each [`super::record::Observed`] is one such event.
pub const TAG_OBSERVATION: u32 = 1;
/// Tags of this module's other events.
const TAG_OPERATION: u32 = 2;
const TAG_EVENT: u32 = 3;

/// The run's notebook. The world is single-threaded; the lock is for the compiler.
#[derive(Clone, Default)]
pub(crate) struct Recording(Arc<Mutex<Notes>>);

/// What is noted, and what follows from it at any moment.
#[derive(Default)]
pub(crate) struct Notes {
    pub(crate) record: RunRecord,
    pub(crate) servers: BTreeMap<u32, ServerNotes>,
    /// Clients that have come to the end of their part.
    pub(crate) clients_done: u32,
    /// A write made after chaos was acknowledged.
    pub(crate) probe_served: bool,
    /// Faults that wait for marks.
    pub(crate) snares: Snares,
    /// How the harness is told that one of them was hit.
    pub(crate) attention: Attention,
    /// What locks and elections protect.
    pub(crate) resources: Resources,
    /// About how much memory the record takes: what each entry is made of and, for what hangs on
    /// it, the length of its text. Nothing else of a run grows without limit: disks hold what is
    /// written down here too, and the network what fits into its windows.
    pub(crate) held_bytes: u64,
    text: String,
}

/// A server as its observations show it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ServerNotes {
    pub(crate) incarnation: u32,
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
}

impl Recording {
    pub(crate) fn notes(&self) -> MutexGuard<'_, Notes> {
        self.0.lock().expect("a panic under the lock ends the run")
    }

    /// A server's machine starts: its instruments.
    pub(crate) fn instruments<H: SimHandle>(
        &self,
        platform: &H,
        server: u32,
        plant: Option<Plant>,
    ) -> Recorder<H> {
        let incarnation = {
            let mut notes = self.notes();
            let entry = notes.servers.entry(server).or_default();
            entry.incarnation += 1;
            entry.refuses = false;
            entry.incarnation
        };
        Recorder { recording: self.clone(), platform: platform.clone(), server, incarnation, plant }
    }

    /// A server is down: whatever it was is no more. True if it was being synchronised.
    pub(crate) fn server_down(&self, server: u32) -> bool {
        let mut notes = self.notes();
        let entry = notes.servers.entry(server).or_default();
        let synchronising = entry.synchronising_since_ns.is_some();
        entry.stop();
        entry.refuses = false;
        notes.record.states.down(server);
        synchronising
    }

    /// A server's program gives up.
    pub(crate) fn refuse(&self, server: u32, at_ns: u64, reason: String) {
        self.server_down(server);
        let mut notes = self.notes();
        notes.servers.entry(server).or_default().refuses = true;
        notes.record.fatal.push(Refusal { server, at_ns, reason });
    }

    /// A request was made. The returned position names it.
    pub(crate) fn begin(&self, operation: ClientOperation) -> usize {
        let mut notes = self.notes();
        notes.hold::<ClientOperation>(0);
        notes.record.operations.push(operation);
        notes.record.operations.len() - 1
    }

    /// A request's end is known.
    pub(crate) fn end(
        &self,
        platform: &impl SimHandle,
        position: usize,
        end: impl FnOnce(&mut ClientOperation),
    ) -> ClientOutcome {
        let mut notes = self.notes();
        let operation = &mut notes.record.operations[position];
        operation.complete_ns = Some(platform.world_ns());
        end(operation);
        let outcome = operation.outcome.clone();
        let mut text = std::mem::take(&mut notes.text);
        text.clear();
        let _ = write!(text, "{position} {outcome:?}");
        platform.record(TAG_OPERATION, text.as_bytes());
        notes.hold::<ClientOutcome>(text.len());
        notes.text = text;
        outcome
    }

    /// A planted bug takes effect, on a server or, as 0, elsewhere.
    pub(crate) fn reach_plant(&self, platform: &impl SimHandle, server: u32, site: &'static str) {
        let at_ns = platform.world_ns();
        let reached = PlantReached { at_ns, server, site };
        self.notes().record.plant_reached.get_or_insert(reached);
    }

    pub(crate) fn session(&self, platform: &impl SimHandle, event: ClientSessionEvent) {
        platform.record(TAG_EVENT, format!("{event:?}").as_bytes());
        let mut notes = self.notes();
        notes.hold::<ClientSessionEvent>(0);
        notes.record.sessions.push(event);
    }

    pub(crate) fn watch(&self, platform: &impl SimHandle, event: ClientWatchEvent) {
        platform.record(TAG_EVENT, format!("{event:?}").as_bytes());
        let mut notes = self.notes();
        notes.hold::<ClientWatchEvent>(event.path.len());
        notes.record.watches.push(event);
    }
}

impl Notes {
    /// An entry more, with so many bytes of text.
    fn hold<T>(&mut self, text_bytes: usize) {
        self.held_bytes += (size_of::<T>() + text_bytes) as u64;
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
            Observation::Logged { zxid, .. } | Observation::Truncated { zxid } => {
                self.logged = *zxid;
            }
            Observation::Recovered { snapshot, last, digest } => {
                self.stop();
                self.logged = *last;
                self.applied = *snapshot;
                self.digest = *digest;
            }
            _ => {}
        }
    }
}

/// A server's instruments: they write everything down, and hold the planted bug.
#[derive(Clone)]
pub(crate) struct Recorder<H> {
    recording: Recording,
    platform: H,
    server: u32,
    incarnation: u32,
    plant: Option<Plant>,
}

impl<H: SimHandle> Instruments for Recorder<H> {
    const ANY: bool = true;

    fn has(&self, plant: Plant, site: &'static str) -> bool {
        let has = self.plant == Some(plant);
        if has {
            self.recording.reach_plant(&self.platform, self.server, site);
        }
        has
    }

    fn observe(&mut self, observation: Observation) {
        if self.plant == Some(Plant::Panic) && observation == Observation::Leading {
            // Before the lock is taken: the record outlives the panic.
            self.recording.reach_plant(&self.platform, self.server, "Panic at the instruments");
            panic!("the planted panic");
        }
        let mut notes = self.recording.notes();
        let mut text = std::mem::take(&mut notes.text);
        text.clear();
        let _ = write!(text, "{observation:?}");
        self.platform.record(TAG_OBSERVATION, text.as_bytes());
        notes.hold::<Observed>(text.len());
        notes.text = text;
        let at_ns = self.platform.world_ns();
        notes.servers.entry(self.server).or_default().observe(at_ns, &observation);
        let (server, incarnation) = (self.server, self.incarnation);
        notes.record.states.observe(server, &observation);
        notes.record.observations.push(Observed { at_ns, server, incarnation, observation });
    }

    fn mark(&self, mark: Mark, site: &'static str) {
        let at_ns = self.platform.world_ns();
        let mut notes = self.recording.notes();
        notes.record.marks.hit(mark, site, self.server, at_ns);
        let leading = notes.servers.get(&self.server).filter(|notes| notes.leading);
        let leads = leading.map(|notes| notes.epoch);
        let is_struck = notes.snares.hit(mark, self.server, leads, at_ns);
        if notes.snares.is_any_sprung() {
            notes.attention.ask();
        }
        drop(notes);
        if is_struck {
            self.platform.doom();
        }
    }

    fn broken(&self, mark: Mark, message: String) {
        let (server, at_ns) = (self.server, self.platform.world_ns());
        let claim = BrokenClaim { mark, server, at_ns, message };
        self.recording.notes().record.marks.broken(claim);
    }
}
