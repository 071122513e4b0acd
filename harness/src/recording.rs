//! What everybody in a run writes down, in one place and in one order.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard};

use probe::{MarkId, PlantId, Probe};
use sim::HostId;
use sim::fault::{Hit, Triggers};
use sim::pulse::{self, Pulse};
use sim::{Attention, Host};

use crate::mark_notes::BrokenClaim;
use crate::record::{Observed, PlantReached, Record, Refusal};
use crate::sabotage::{PANICS_AT, Sabotage};
use crate::system::{Seen, System};

/// The tag of observations in the trace: each [`Observed`] is one such event. Tags from 2 on are the
/// system's.
pub const TAG_OBSERVATION: u32 = 1;

/// The run's notebook: everybody who takes part holds it. The world is single-threaded; the lock is for
/// the compiler.
pub struct Recording<S: System> {
    system: &'static S,
    /// The bug that the system carries.
    plant: Option<PlantId>,
    sabotage: Option<Sabotage>,
    /// Where marks show for those who watch the run.
    pulse: Arc<Pulse>,
    notes: Arc<Mutex<Notes<S>>>,
}

impl<S: System> Clone for Recording<S> {
    fn clone(&self) -> Recording<S> {
        let (pulse, notes) = (Arc::clone(&self.pulse), Arc::clone(&self.notes));
        Recording { pulse, notes, ..*self }
    }
}

/// What is noted, and what follows from it at any moment.
pub struct Notes<S: System> {
    /// What the run will leave behind.
    pub record: Record<S>,
    /// What is known of the servers.
    pub state: S::State,
    /// The lives of each server, from server 1 on.
    lives: Vec<Lives>,
    /// Faults that wait for marks.
    pub(crate) triggers: Triggers,
    /// How the harness is told that one of them was hit.
    pub(crate) attention: Attention,
    /// About how much memory the record takes: what each entry is made of and, for what hangs on
    /// it, the length of its text. Nothing else of a run grows without limit: disks hold what is
    /// written down here too, and the network what fits into its windows.
    pub(crate) held_bytes: u64,
    text: String,
}

/// The lives of a server so far.
#[derive(Default)]
struct Lives {
    count: u32,
    /// The program that runs has taken no probe yet.
    has_no_probe: bool,
}

impl<S: System> Recording<S> {
    pub(crate) fn new(
        system: &'static S,
        plant: Option<PlantId>,
        sabotage: Option<Sabotage>,
    ) -> Recording<S> {
        let notes = Notes {
            record: Record::default(),
            state: S::State::default(),
            lives: Vec::new(),
            triggers: Triggers::default(),
            attention: Attention::default(),
            held_bytes: 0,
            text: String::new(),
        };
        let (pulse, notes) = (pulse::current(), Arc::new(Mutex::new(notes)));
        Recording { system, plant, sabotage, pulse, notes }
    }

    /// Looks at the notes or adds to them. Let the guard go before anything is awaited or written to the
    /// trace by another method of this type.
    ///
    /// # Panics
    /// If somebody panicked while the lock was held: the run is over then.
    pub fn notes(&self) -> MutexGuard<'_, Notes<S>> {
        self.notes.lock().expect("a panic under the lock ends the run")
    }

    /// The bug that the run's plan plants into the system.
    pub fn plant(&self) -> Option<PlantId> {
        self.plant
    }

    /// A server's probe. The first one that a program takes belongs to its start; each further one begins
    /// another life of the server within the same start, which is told as [`Seen::Starts`], too. Protocol
    /// state does not outlive a life.
    pub fn probe<H: Host>(&self, platform: &H, server: u32) -> Recorder<H, S> {
        let mut notes = self.notes();
        let is_first = std::mem::take(&mut notes.of_server(server).has_no_probe);
        if !is_first {
            notes.begin_life(self.system, server, platform.world_ns());
        }
        let incarnation = notes.of_server(server).count;
        drop(notes);
        let (recording, platform) = (self.clone(), platform.clone());
        Recorder { recording, platform, server, incarnation }
    }

    /// A server's program starts, whether it takes a probe or not.
    pub(crate) fn starts(&self, server: u32, at_ns: u64) {
        let mut notes = self.notes();
        notes.begin_life(self.system, server, at_ns);
        notes.of_server(server).has_no_probe = true;
    }

    /// A server is down: whatever it was is no more.
    pub(crate) fn server_down(&self, server: u32, at_ns: u64) {
        self.notes().follow(self.system, server, at_ns, Seen::GoesDown);
    }

    /// A server's program gives up.
    pub(crate) fn give_up(&self, server: u32, at_ns: u64, reason: String) {
        let mut notes = self.notes();
        notes.follow(self.system, server, at_ns, Seen::GivesUp);
        notes.record.fatal.push(Refusal { server, at_ns, reason });
    }

    /// Writes an event of the system's own into the trace: its tag, from 2 on, and its text are part of
    /// the run's hash.
    pub fn event(&self, platform: &impl Host, tag: u32, text: &str) {
        platform.record(tag, text.as_bytes());
    }

    /// A planted bug takes effect, on a server or, as 0, elsewhere.
    pub fn reach_plant(&self, platform: &impl Host, server: u32, site: &'static str) {
        let at_ns = platform.world_ns();
        let reached = PlantReached { at_ns, server, site };
        self.notes().record.plant_reached.get_or_insert(reached);
    }
}

impl<S: System> Notes<S> {
    /// An entry more of the history, with so many bytes of text: a run may have a limit.
    pub fn hold<T>(&mut self, text_bytes: usize) {
        self.held_bytes += (size_of::<T>() + text_bytes) as u64;
    }

    /// What the system's clients write down.
    pub fn history(&mut self) -> &mut S::History {
        &mut self.record.history
    }

    /// A text in memory that is used again and again.
    pub fn scratch(&mut self, write: impl FnOnce(&mut String)) -> String {
        let mut text = std::mem::take(&mut self.text);
        text.clear();
        write(&mut text);
        text
    }

    /// Gives back what [`Notes::scratch`] lent.
    pub fn give_back(&mut self, text: String) {
        self.text = text;
    }

    fn of_server(&mut self, server: u32) -> &mut Lives {
        let index = server as usize - 1;
        if self.lives.len() <= index {
            self.lives.resize_with(index + 1, Lives::default);
        }
        &mut self.lives[index]
    }

    fn begin_life(&mut self, system: &S, server: u32, at_ns: u64) {
        self.of_server(server).count += 1;
        self.follow(system, server, at_ns, Seen::Starts);
    }

    fn follow(&mut self, system: &S, server: u32, at_ns: u64, seen: Seen<'_, S::Observation>) {
        if let Some(state) = system.follow(&mut self.state, server, at_ns, seen) {
            self.record.states.insert(state);
        }
    }

    fn host(&self, server: u32) -> Option<HostId> {
        let mut servers = self.record.hosts.iter().filter(|host| !host.is_client);
        servers.find(|host| host.number == server).map(|host| host.host)
    }
}

/// A server's probe: it writes everything down, and holds the planted bug.
pub struct Recorder<H, S: System> {
    recording: Recording<S>,
    platform: H,
    server: u32,
    incarnation: u32,
}

impl<H: Clone, S: System> Clone for Recorder<H, S> {
    fn clone(&self) -> Recorder<H, S> {
        Recorder {
            recording: self.recording.clone(),
            platform: self.platform.clone(),
            server: self.server,
            incarnation: self.incarnation,
        }
    }
}

impl<H: Host, S: System> Probe<S::Observation> for Recorder<H, S> {
    const PLANTS: bool = true;
    const EVENTS: bool = true;

    fn has(&self, plant: PlantId, site: &'static str) -> bool {
        let has = self.recording.plant == Some(plant);
        if has {
            self.recording.reach_plant(&self.platform, self.server, site);
        }
        has
    }

    fn observe(&mut self, observation: S::Observation) {
        if self.recording.sabotage == Some(Sabotage::Panic)
            && self.recording.notes().record.observations.len() == PANICS_AT
        {
            // Before the lock is taken: the record outlives the panic.
            self.recording.reach_plant(&self.platform, self.server, "Panic at the probe");
            panic!("the planted panic");
        }
        if self.recording.sabotage == Some(Sabotage::Spin)
            && self.recording.notes().record.observations.len() == PANICS_AT
        {
            loop {
                std::hint::spin_loop();
            }
        }
        let mut notes = self.recording.notes();
        let text = notes.scratch(|text| {
            let _ = write!(text, "{observation:?}");
        });
        self.platform.record(TAG_OBSERVATION, text.as_bytes());
        notes.hold::<Observed<S::Observation>>(text.len());
        notes.give_back(text);
        let at_ns = self.platform.world_ns();
        let (server, incarnation) = (self.server, self.incarnation);
        notes.follow(self.recording.system, server, at_ns, Seen::Observes(&observation));
        notes.record.observations.push(Observed { at_ns, server, incarnation, observation });
    }

    fn mark(&self, mark: MarkId, site: &'static str) {
        self.recording.pulse.marked(mark.0);
        let at_ns = self.platform.world_ns();
        let mut guard = self.recording.notes();
        let notes = &mut *guard;
        notes.record.marks.hit(mark, site, self.server, at_ns);
        if !notes.triggers.is_any_waiting() {
            return;
        }
        let (system, server) = (self.recording.system, self.server);
        let Some(host) = notes.host(server) else { return };
        let Notes { record, state, triggers, attention, .. } = notes;
        let plays = |role: &str| system.plays(state, server, role);
        let name = record.server_name(server);
        let is_struck = triggers.hit(&Hit { mark, host, name, plays: &plays, at_ns });
        if triggers.is_any_fired() {
            attention.ask();
        }
        drop(guard);
        if is_struck {
            self.platform.doom();
        }
    }

    fn broken(&self, mark: MarkId, message: String) {
        let (server, at_ns) = (self.server, self.platform.world_ns());
        let declared = self.recording.system.marks()[mark.index()];
        let (name, about) = (declared.name, declared.about);
        let claim = BrokenClaim { name, about, server, at_ns, message };
        self.recording.notes().record.marks.broken(claim);
    }
}
