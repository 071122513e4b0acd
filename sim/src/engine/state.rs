//! Everything that a world consists of, but for what its programs are.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;
use std::sync::Arc;
use std::task::Waker;

use super::agenda::{Agenda, Event};
use super::current::{Waiter, WorldId};
use super::datagrams::Datagrams;
use super::executor::{Home, TaskKey, Tasks};
use super::guests::Guests;
use super::network::Network;
use super::settings::EngineSettings;
use super::timers::Timers;
use crate::clock::Clocks;
use crate::disk::{Disk, OpId};
use crate::host::HostId;
use crate::panics::RunPanic;
use crate::pulse::{self, Pulse};
use crate::seed::Draws;
use crate::streams;
use crate::tap::{Change, Moment, Tap};
use crate::trace::{Kind, Trace};

/// The address of the first host; the others follow.
const FIRST_ADDRESS: u32 = u32::from_be_bytes([10, 0, 0, 1]);

/// How far a step goes if nothing is to happen at all.
const IDLE_STEP_NS: u64 = 1_000_000;

/// One host as the world knows it.
pub(crate) struct HostState {
    pub(crate) name: String,
    pub(crate) ip: IpAddr,
    /// Whether its program runs.
    pub(crate) running: bool,
    /// Whether its machine has power: without, its kernel answers nobody.
    pub(crate) powered: bool,
    /// Counts the kills of its program.
    pub(crate) incarnation: u32,
    /// It is about to be killed: what it does from now on has no effect.
    pub(crate) is_doomed: bool,
    /// How many pauses hold its program.
    pub(crate) pauses: u32,
    /// Tasks in line to be polled.
    pub(crate) ready: Vec<TaskKey>,
    /// Whether the host is in [`State::busy`].
    pub(crate) is_busy: bool,
    /// Tasks that were to run while the host was paused.
    pub(crate) frozen: Vec<TaskKey>,
    /// Decides in what order ready tasks are polled.
    pub(crate) order: Draws,
    /// Decides which reads and writes are cut short.
    pub(crate) whim: Draws,
    pub(crate) clock: Clocks,
    pub(crate) entropy: Draws,
    pub(crate) disk: Disk,
    pub(crate) disk_waiters: BTreeMap<OpId, Waiter>,
}

/// A world's state. It is plain data; time passes in [`State::next_instant`].
pub(crate) struct State {
    pub(crate) world: WorldId,
    pub(crate) home: Arc<Home>,
    pub(crate) seed: u64,
    pub(crate) settings: EngineSettings,
    pub(crate) now_ns: u64,
    pub(crate) trace: Trace,
    /// Only when the whole trace is kept.
    pub(crate) tap: Option<Box<Tap>>,
    pub(crate) hosts: Vec<HostState>,
    pub(crate) by_name: BTreeMap<String, HostId>,
    pub(crate) agenda: Agenda,
    pub(crate) timers: Timers,
    pub(crate) tasks: Tasks,
    pub(crate) net: Network,
    pub(crate) datagrams: Datagrams,
    pub(crate) guests: Guests,
    /// Hosts with tasks in line.
    pub(crate) busy: Vec<u32>,
    /// For whom something happened.
    pub(crate) wakes: Vec<Waiter>,
    pub(crate) polls: u64,
    pub(crate) polls_at_instant: u64,
    pub(crate) panic: Option<RunPanic>,
    /// What somebody outside may see of all this.
    pub(crate) pulse: Arc<Pulse>,
}

impl State {
    pub(crate) fn new(world: WorldId, seed: u64, settings: EngineSettings) -> State {
        let trace = Trace::of(&settings.common);
        let tap = settings.common.tap.then(Box::default);
        State {
            world,
            home: Home::new(),
            seed,
            net: Network::new(seed, &settings),
            datagrams: Datagrams::default(),
            guests: Guests::default(),
            settings,
            now_ns: 0,
            trace,
            tap,
            hosts: Vec::new(),
            by_name: BTreeMap::new(),
            agenda: Agenda::default(),
            timers: Timers::default(),
            tasks: Tasks::default(),
            busy: Vec::new(),
            wakes: Vec::new(),
            polls: 0,
            polls_at_instant: 0,
            panic: None,
            pulse: pulse::current(),
        }
    }

    pub(crate) fn add_host(&mut self, name: &str) -> HostId {
        let number = u16::try_from(self.hosts.len()).expect("fewer than 2^16 hosts");
        let host = HostId(u32::from(number));
        let previous = self.by_name.insert(name.to_owned(), host);
        assert!(previous.is_none(), "there is a host {name} already");
        self.pulse.add_host(name);
        let common = &self.settings.common;
        self.hosts.push(HostState {
            name: name.to_owned(),
            ip: Ipv4Addr::from(FIRST_ADDRESS + host.0).into(),
            running: true,
            powered: true,
            incarnation: 0,
            is_doomed: false,
            pauses: 0,
            ready: Vec::new(),
            is_busy: false,
            frozen: Vec::new(),
            order: Draws::for_host(self.seed, streams::TASK_ORDER, host.0, 0),
            whim: Draws::for_host(self.seed, streams::SPURIOUS, host.0, 0),
            clock: Clocks::new(common.epoch_ms),
            entropy: Draws::for_host(self.seed, streams::ENTROPY, host.0, 0),
            disk: Disk::new(self.seed, host.0, common.disk).exact(),
            disk_waiters: BTreeMap::new(),
        });
        host
    }

    pub(crate) fn host(&self, host: HostId) -> &HostState {
        &self.hosts[host.0 as usize]
    }

    pub(crate) fn host_mut(&mut self, host: HostId) -> &mut HostState {
        &mut self.hosts[host.0 as usize]
    }

    /// The host of an address.
    pub(crate) fn host_at(&self, ip: IpAddr) -> Option<HostId> {
        let IpAddr::V4(ip) = ip else { return None };
        let number = u32::from(ip).checked_sub(FIRST_ADDRESS)?;
        ((number as usize) < self.hosts.len()).then_some(HostId(number))
    }

    /// Whether that life of a host's program goes on.
    pub(crate) fn is_alive(&self, host: HostId, incarnation: u32) -> bool {
        let host = self.host(host);
        host.running && !host.is_doomed && host.incarnation == incarnation
    }

    pub(crate) fn record(&mut self, host: Option<HostId>, kind: Kind, content: &[u8]) {
        self.pulse.happened(kind);
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

    /// Just after the next event.
    pub(crate) fn next_ns(&self) -> u64 {
        let next_ns = self.agenda.next_ns().map(|next_ns| next_ns.max(self.now_ns) + 1);
        next_ns.unwrap_or(self.now_ns + IDLE_STEP_NS)
    }

    /// Goes to the next instant before `limit_ns` at which something happens, and lets all of it
    /// happen; nobody runs yet. Without such an instant it goes to `limit_ns` and says false.
    fn next_instant(&mut self, limit_ns: u64) -> (bool, Vec<Waker>) {
        let Some(at_ns) = self.agenda.next_ns().filter(|at_ns| *at_ns < limit_ns) else {
            self.go_to(limit_ns);
            return (false, Vec::new());
        };
        self.go_to(at_ns.max(self.now_ns));
        while let Some(event) = self.agenda.pop_due(self.now_ns) {
            self.happen(event);
        }
        (true, self.wake_all())
    }

    fn go_to(&mut self, at_ns: u64) {
        if at_ns > self.now_ns {
            self.now_ns = at_ns;
            self.polls_at_instant = 0;
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Timer { slot, generation } => self.timer_entry(slot, generation),
            Event::Arrive { conn, side } => self.arrive(conn, side),
            Event::Retransmit { conn, side, epoch } => self.retransmit(conn, side, epoch),
            Event::Retransmitted { conn, side, epoch } => self.retransmitted(conn, side, epoch),
            Event::Rejected { conn, side } => self.rejected(conn, side),
            Event::Room { conn, side } => self.room(conn, side),
            Event::Syn { conn, attempt } => self.syn(conn, attempt),
            Event::SynArrive { conn } => self.syn_arrives(conn),
            Event::SynAnswer { conn, refused } => self.syn_answered(conn, refused),
            Event::Datagram { number } => self.datagram_arrives(number),
            Event::Disk { host, operation } => self.disk_is_due(host, operation),
        }
    }
}

/// See [`State::next_instant`]. Calls foreign wakers after the state is let go.
pub(crate) fn next_instant(state: &Rc<RefCell<State>>, limit_ns: u64) -> bool {
    let (happened, foreign) = {
        let mut state = state.borrow_mut();
        state.next_instant(limit_ns)
    };
    foreign.into_iter().for_each(Waker::wake);
    happened
}
