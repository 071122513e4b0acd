//! What a run leaves behind for its judges.

use std::collections::BTreeMap;

use keeper_core::error::Code;
use keeper_core::ids::{Epoch, SessionId, Zxid};
use keeper_core::instruments::Observation;
use keeper_core::wire::client::EventType;
use keeper_core::wire::client::{Request, Response};

use super::claims::{Claim, GuardedWrite};
use super::mark_notes::MarkNotes;
use super::states::States;
use crate::fault::Forgot;

/// Everything that was seen of one run.
#[derive(Clone, Debug, Default)]
pub struct RunRecord {
    /// Steps of the servers' protocol, in the order in which they happened.
    pub observations: Vec<Observed>,
    /// Requests of clients, in the order in which they were made.
    pub operations: Vec<ClientOperation>,
    /// Births and ends of sessions, as clients saw them.
    pub sessions: Vec<ClientSessionEvent>,
    /// Watch events, as clients received them.
    pub watches: Vec<ClientWatchEvent>,
    /// Locks and elections, as clients saw them, in the order in which they were asked for.
    pub claims: Vec<Claim>,
    /// Writes of what locks and elections protect, in the order in which they arrived.
    pub guarded_writes: Vec<GuardedWrite>,
    /// When each fault that struck somebody began and ended; a rolling restart has one window for
    /// each server that it took down.
    pub faults: Vec<FaultWindow>,
    /// How far wall clocks were off: two points, before and after, for each change of one, and one
    /// at the end, in order of time. Between two points of one host the error changes evenly.
    pub clock_points: Vec<ClockPoint>,
    /// Monotonic clocks that ran at a wrong rate.
    pub monotonic_drifts: Vec<MonotonicDrift>,
    /// The servers at the end.
    pub finals: Vec<FinalState>,
    /// From the end of chaos until a leader served and a quorum's trees were equal; `None` if that
    /// did not come within the plan's limit.
    pub healed_after_ms: Option<u64>,
    /// Why healing failed, for the explanation.
    pub healing_missing: Option<String>,
    /// Simulated time at the end.
    pub end_ns: u64,
    /// When chaos ended.
    pub chaos_end_ns: u64,
    /// The rolling hash over everything that happened.
    pub trace_hash: u64,
    /// How many events it covers.
    pub trace_events: u64,
    /// The code under test panicked: where and with what.
    pub panic: Option<String>,
    /// Servers that refused to go on, in order of time.
    pub fatal: Vec<Refusal>,
    /// Servers that faults made forget what they had acknowledged, in order of time.
    pub amnesias: Vec<Amnesia>,
    /// The run was cut off (event, memory or wall limit): why.
    pub cut_off: Option<String>,
    /// Where the planted bug first took effect.
    pub plant_reached: Option<PlantReached>,
    /// The marks that the servers' code was seen to hit.
    pub marks: MarkNotes,
    /// The abstract states that the ensemble went through.
    pub states: States,
    /// Counters of faults by kind, of crashes during synchronisation and the like.
    pub counters: BTreeMap<String, u64>,
}

/// A server refused to go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Which, from 1.
    pub server: u32,
    /// When.
    pub at_ns: u64,
    /// Why.
    pub reason: String,
}

/// A server lost power, and what it had acknowledged with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Amnesia {
    /// Which, from 1.
    pub server: u32,
    /// When. It was down from then on.
    pub at_ns: u64,
    /// What became of its disk.
    pub how: Forgot,
}

/// The first effect of a planted bug.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlantReached {
    /// When, simulated.
    pub at_ns: u64,
    /// On which server, from 1; 0 for a bug of clients or of what they protect.
    pub server: u32,
    /// The mark of the place in the code.
    pub site: &'static str,
}

/// A step of one server's protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observed {
    /// When, simulated.
    pub at_ns: u64,
    /// The server, from 1.
    pub server: u32,
    /// How often the server has started; protocol state does not outlive a start.
    pub incarnation: u32,
    /// The step.
    pub observation: Observation,
}

/// One request of a client and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientOperation {
    /// The client, from 1.
    pub client: u32,
    /// Its position among the plan's operations.
    pub planned: usize,
    /// The session on which it was sent; 0 if it never was.
    pub session: SessionId,
    /// The request's xid; 0 if it was never sent.
    pub xid: i32,
    /// The request as it was sent.
    pub request: Request,
    /// When it was made.
    pub invoke_ns: u64,
    /// When its end was known; `None` if the run ended first.
    pub complete_ns: Option<u64>,
    /// Its end.
    pub outcome: ClientOutcome,
    /// The client's counter when it was made.
    pub invoke_sequence: u64,
    /// The client's counter when its end was known.
    pub sequence: u64,
}

/// What a client learned of its request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientOutcome {
    /// An answer without error.
    Ok {
        /// The reply header's position.
        zxid: Zxid,
        /// The answer.
        response: Response,
    },
    /// An answer with an error.
    Error {
        /// The reply header's position.
        zxid: Zxid,
        /// The error.
        code: Code,
    },
    /// No answer came; it may have happened.
    Unknown,
    /// It was never sent, so it did not happen.
    NotSent,
}

/// A change of a client's session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientSessionEvent {
    /// The client, from 1.
    pub client: u32,
    /// The session.
    pub session: SessionId,
    /// What happened.
    pub kind: SessionChange,
    /// The server spoken to, if any.
    pub server: Option<String>,
    /// When.
    pub at_ns: u64,
    /// The client's counter.
    pub sequence: u64,
}

/// Kinds of session events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionChange {
    /// A new session.
    Created {
        /// Its time-out.
        timeout_ms: u64,
    },
    /// The connection ended.
    Disconnected,
    /// A server took the session again.
    Reconnected,
    /// A server said that the session is no more.
    Expired,
    /// The client closed it and was answered.
    Closed {
        /// The reply header's position.
        zxid: Zxid,
    },
    /// The client closed it and was not answered.
    CloseUnknown,
}

/// A watch event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientWatchEvent {
    /// The client, from 1.
    pub client: u32,
    /// Its session.
    pub session: SessionId,
    /// What happened.
    pub kind: EventType,
    /// To which node.
    pub path: String,
    /// The position in the event's header, if it has one.
    pub zxid: Option<Zxid>,
    /// When.
    pub at_ns: u64,
    /// The client's counter.
    pub sequence: u64,
}

/// A fault's time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaultWindow {
    /// Its position in the plan.
    pub planned: usize,
    /// Its kind, as in the plan.
    pub kind: String,
    /// Whom it struck, in words.
    pub what: String,
    /// When it began.
    pub from_ns: u64,
    /// When it ended; `None` at the end of the run.
    pub to_ns: Option<u64>,
}

/// How far a wall clock was off at a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClockPoint {
    /// Whose: a host's name.
    pub host: String,
    /// When.
    pub at_ns: u64,
    /// By how much, in microseconds; positive is ahead.
    pub offset_us: i64,
}

/// A monotonic clock's wrong rate, and for how long. Several of one host add up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MonotonicDrift {
    /// The fault's position in the plan.
    pub planned: usize,
    /// Whose: a host's name.
    pub host: String,
    /// How much faster, in millionths of the true rate; negative is slower.
    pub ppm: i64,
    /// When it began.
    pub from_ns: u64,
    /// When it ended; `None` at the end of the run.
    pub to_ns: Option<u64>,
}

/// A server at the end of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FinalState {
    /// The server, from 1.
    pub server: u32,
    /// Whether it serves clients.
    pub serving: bool,
    /// Whether it leads.
    pub leading: bool,
    /// Its epoch.
    pub epoch: Epoch,
    /// The last transaction applied.
    pub applied: Zxid,
    /// The tree's digest.
    pub digest: u64,
}
