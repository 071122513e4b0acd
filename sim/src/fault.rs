//! Faults as data: what befalls a world, when, and to whom.
//!
//! In JSON a fault is one object: `{"at_ms":1000,"until_ms":5000,"kind":"partition",
//! "sides":[["n1","n2"],["n3"]]}`. A target is a host's name, `leader`, `follower:2`, or
//! `learner+30`, or `mark:log-unsynced#3@leader`; all but the first are looked up at the moment when
//! the fault strikes. A fault may also strike when a server hits a mark, whomever it strikes:
//! `"when":"mark:learner-truncates@n2"`; then `here` is that server.

mod family;
mod marked;
mod schedule;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::clock::Clock;
use crate::disk::OpKind;
use crate::simulation::EngineKind;

pub use family::FaultFamily;
pub use marked::{MarkTarget, Snares, Sprung, Whose};
pub use schedule::{Applied, Forgot, Roles, Schedule, ServerSettings, Upgrades};

/// A fault and its time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TimedFault {
    /// When it strikes, in milliseconds since the start of the run.
    pub at_ms: u64,
    /// When it ends; none if it lasts until [`Schedule::finish`]. A single event (a failing fsync)
    /// that has not happened by then does not happen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until_ms: Option<u64>,
    /// The mark that it waits for from `at_ms` on; none if it waits for none, or is aimed at who hits
    /// one ([`Target::Mark`]).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<MarkTarget>,
    /// What it is.
    #[serde(flatten)]
    pub fault: Fault,
}

/// What befalls a world.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Fault {
    /// The sides cannot reach each other; hosts that are on no side reach everyone.
    Partition {
        /// The sides, two or more.
        sides: Vec<Vec<Target>>,
        /// The probability that a connection across it is reset as it ends.
        #[serde(default)]
        reset_on_heal: f64,
    },
    /// What `from` sends does not arrive at `to`.
    OneWay {
        /// The senders.
        from: Vec<Target>,
        /// The receivers.
        to: Vec<Target>,
        /// The probability that a connection across it is reset as it ends.
        #[serde(default)]
        reset_on_heal: f64,
    },
    /// The leader at the time is cut off from all other hosts.
    IsolateLeader {
        /// The probability that a connection across it is reset as it ends.
        #[serde(default)]
        reset_on_heal: f64,
    },
    /// A program is killed, and started again at the end.
    Crash {
        /// Whose.
        target: Target,
    },
    /// A machine loses power, and is started again at the end.
    PowerLoss {
        /// Whose.
        target: Target,
    },
    /// A program stands still.
    Pause {
        /// Whose.
        target: Target,
    },
    /// Programs are killed and started again one after another.
    Restart {
        /// Whose, in this order; each is looked up when its turn comes.
        targets: Vec<Target>,
        /// For how long each stays down, in milliseconds.
        down_ms: u64,
        /// How long after a start the next one is killed, in milliseconds.
        gap_ms: u64,
        /// With which `snapCount` each comes back; none: as before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        snap_count: Option<u64>,
        /// With which `commitLogCount` each comes back; none: as before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        commit_log_count: Option<usize>,
    },
    /// A disk is slow, or does not answer at all.
    SlowDisk {
        /// Whose.
        target: Target,
        /// By how much its latencies are multiplied; 0 is a stall until the end.
        factor: u64,
    },
    /// Operations of a disk fail with EIO.
    Eio {
        /// Whose.
        target: Target,
        /// Which kind of operation.
        op: OpKind,
        /// Only the n-th such operation, counted from 1; none for all until the end.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        nth: Option<u64>,
    },
    /// A disk is full: what needs space fails with ENOSPC.
    Enospc {
        /// Whose.
        target: Target,
    },
    /// The next sync of a file fails with EIO and loses what it was to write; later ones succeed.
    FsyncFail {
        /// Whose.
        target: Target,
    },
    /// A server's writes are acknowledged, and its syncs too, but do not reach the disk: at the end
    /// the power goes, and what was there before is there again.
    LostWrite {
        /// Whose; see [`Fault::is_amnesia`].
        target: Target,
        /// Only the n-th append, counted from 1; none for all until the end.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        nth: Option<u64>,
        /// How long it stays down at the end, in milliseconds.
        down_ms: u64,
    },
    /// As a lost write, but each sector has taken the place of another, in a file whose path contains
    /// `onto`.
    MisdirectedWrite {
        /// Whose; see [`Fault::is_amnesia`].
        target: Target,
        /// Only the n-th append, counted from 1; none for all until the end.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        nth: Option<u64>,
        /// A part of the path.
        onto: String,
        /// How long it stays down at the end, in milliseconds.
        down_ms: u64,
    },
    /// The power goes, and bits of a file have flipped when it is back at the end.
    Rot {
        /// Whose; see [`Fault::is_amnesia`].
        target: Target,
        /// A part of the path of the file.
        file: String,
        /// In how many of its sectors.
        sectors: u64,
    },
    /// A machine is replaced by another with an empty disk, which starts at the end.
    Wipe {
        /// Whose; see [`Fault::is_amnesia`].
        target: Target,
    },
    /// A machine is lost, and set up again from an old backup, which starts at the end: a stale node
    /// returns.
    Restore {
        /// Whose; see [`Fault::is_amnesia`].
        target: Target,
        /// When the backup was taken, in milliseconds since the start of the run.
        taken_ms: u64,
    },
    /// Segments between hosts get lost; TCP sends them again.
    FlakyLink {
        /// One end of each link.
        from: Vec<Target>,
        /// The other end.
        to: Vec<Target>,
        /// With what probability, in each direction.
        loss: f64,
    },
    /// Links carry little.
    Bandwidth {
        /// One end of each.
        from: Vec<Target>,
        /// The other end.
        to: Vec<Target>,
        /// How much, in each direction.
        bytes_per_s: u64,
    },
    /// Connections cannot be made, because SYNs are dropped; those that are open go on.
    ConnectHang {
        /// Who tries to connect.
        from: Vec<Target>,
        /// To whom.
        to: Vec<Target>,
    },
    /// A firewall between hosts forgets their connections: an end learns of it when it writes.
    HalfOpen {
        /// One end of each.
        from: Vec<Target>,
        /// The other end.
        to: Vec<Target>,
        /// Whether the firewall answers nothing, so that TCP has to time out.
        #[serde(default)]
        silent: bool,
    },
    /// Connections between hosts are reset.
    Reset {
        /// One end of each.
        from: Vec<Target>,
        /// The other end.
        to: Vec<Target>,
    },
    /// Links are slower.
    SlowLink {
        /// One end of each.
        from: Vec<Target>,
        /// The other end.
        to: Vec<Target>,
        /// How much longer bytes are under way, in milliseconds.
        extra_ms: u32,
    },
    /// A wall clock is set wrong.
    ClockOffset {
        /// Whose.
        target: Target,
        /// By how much, in milliseconds; positive is ahead.
        offset_ms: i64,
    },
    /// A clock runs at a wrong rate. At the end the rate is right again and the wall clock is set
    /// right; the monotonic clock, which nobody can set, keeps what it has gained or lost.
    ClockDrift {
        /// Whose.
        target: Target,
        /// How much faster, in millionths of the true rate; negative is slower.
        ppm: i64,
        /// Which clock.
        #[serde(default)]
        of: Clock,
    },
    /// A wall clock jumps. At the end it jumps to where it would be without.
    ClockJump {
        /// Whose.
        target: Target,
        /// By how much, in milliseconds; negative is back.
        by_ms: i64,
        /// How often it jumps after that, back and forth by as much, in milliseconds (Jepsen calls
        /// it a strobe); none if the first jump is the only one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        every_ms: Option<u64>,
    },
}

impl Fault {
    /// The one host that it strikes, if it is a fault of one host.
    pub fn target(&self) -> Option<&Target> {
        match self {
            Fault::Crash { target }
            | Fault::PowerLoss { target }
            | Fault::Pause { target }
            | Fault::SlowDisk { target, .. }
            | Fault::Eio { target, .. }
            | Fault::Enospc { target }
            | Fault::FsyncFail { target }
            | Fault::LostWrite { target, .. }
            | Fault::MisdirectedWrite { target, .. }
            | Fault::Rot { target, .. }
            | Fault::Wipe { target }
            | Fault::Restore { target, .. }
            | Fault::ClockOffset { target, .. }
            | Fault::ClockDrift { target, .. }
            | Fault::ClockJump { target, .. } => Some(target),
            Fault::Partition { .. }
            | Fault::OneWay { .. }
            | Fault::IsolateLeader { .. }
            | Fault::Restart { .. }
            | Fault::SlowLink { .. }
            | Fault::FlakyLink { .. }
            | Fault::Bandwidth { .. }
            | Fault::ConnectHang { .. }
            | Fault::HalfOpen { .. }
            | Fault::Reset { .. } => None,
        }
    }

    /// The same fault of another host; none if it is not a fault of one host. It is changed as JSON: a
    /// new kind of fault needs nothing here as long as it names its host as the others do.
    pub fn with_target(&self, target: &Target) -> Option<Fault> {
        let mut json = serde_json::to_value(self).ok()?;
        *json.get_mut("target")? = serde_json::Value::String(target.to_string());
        serde_json::from_value(json).ok()
    }

    /// Whether it makes a server forget what it had acknowledged. No protocol survives that at any
    /// moment, so the schedule lets it strike a follower only, and only when nothing is lost with
    /// it; see the module `amnesia` of the schedule.
    pub fn is_amnesia(&self) -> bool {
        self.damages() || matches!(self, Fault::Wipe { .. } | Fault::Restore { .. })
    }

    /// Whether it leaves on a disk what nobody wrote there. A server that finds it may refuse to
    /// start.
    pub fn damages(&self) -> bool {
        matches!(self, Fault::LostWrite { .. } | Fault::MisdirectedWrite { .. } | Fault::Rot { .. })
    }

    /// The worlds that have it. Turmoil sends nothing again and does not count bytes.
    pub fn engines(&self) -> &'static [EngineKind] {
        match self {
            Fault::FlakyLink { .. } | Fault::Bandwidth { .. } => &[EngineKind::Engine],
            _ => &EngineKind::ALL,
        }
    }
}

impl TimedFault {
    /// A fault that waits for no mark, unless it is aimed at one.
    pub fn new(at_ms: u64, until_ms: Option<u64>, fault: Fault) -> TimedFault {
        TimedFault { at_ms, until_ms, when: None, fault }
    }

    /// The mark that it waits for, if it waits for one.
    pub fn mark(&self) -> Option<&MarkTarget> {
        match (&self.when, self.fault.target()) {
            (Some(target), _) | (None, Some(Target::Mark(target))) => Some(target),
            (None, _) => None,
        }
    }

    /// Whether it kills who hits the mark that it waits for.
    fn kills_here(&self) -> bool {
        let is_here = matches!(self.fault.target(), Some(Target::Mark(_) | Target::Here));
        is_here && matches!(self.fault, Fault::Crash { .. } | Fault::PowerLoss { .. })
    }
}

/// Whom a fault strikes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum Target {
    /// The host of that name. A host named `leader` or `follower:1` cannot be named.
    Host(String),
    /// The leader of the moment.
    Leader,
    /// One of the followers of the moment: this number, modulo how many there are.
    RandomFollower(u64),
    /// The first server that a leader has been synchronising for so many milliseconds. A fault of
    /// one host waits for it until its end.
    Learner(u64),
    /// The server that hits a mark in its code. A fault of one host waits for it until its end.
    Mark(MarkTarget),
    /// The server that hit the mark which the fault waited for.
    Here,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Host(name) => f.write_str(name),
            Target::Leader => f.write_str("leader"),
            Target::RandomFollower(index) => write!(f, "follower:{index}"),
            Target::Learner(after_ms) => write!(f, "learner+{after_ms}"),
            Target::Mark(target) => target.fmt(f),
            Target::Here => f.write_str("here"),
        }
    }
}

impl From<String> for Target {
    fn from(text: String) -> Target {
        match text.as_str() {
            "leader" => return Target::Leader,
            "here" => return Target::Here,
            _ => {}
        }
        if let Some(target) = MarkTarget::parse(&text) {
            return Target::Mark(target);
        }
        let number = |prefix| text.strip_prefix(prefix).and_then(|number| number.parse().ok());
        if let Some(index) = number("follower:") {
            return Target::RandomFollower(index);
        }
        match number("learner+") {
            Some(after_ms) => Target::Learner(after_ms),
            None => Target::Host(text),
        }
    }
}

impl From<Target> for String {
    fn from(target: Target) -> String {
        target.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip(json: &str) -> TimedFault {
        let fault: TimedFault = serde_json::from_str(json).unwrap();
        assert_eq!(serde_json::to_string(&fault).unwrap(), json);
        fault
    }

    #[test]
    fn every_kind_is_read_and_written_the_same() {
        for json in [
            r#"{"at_ms":1,"until_ms":5,"kind":"partition","sides":[["a","leader"],["follower:2"]],"reset_on_heal":0.5}"#,
            r#"{"at_ms":1,"kind":"one_way","from":["a"],"to":["b"],"reset_on_heal":0.0}"#,
            r#"{"at_ms":1,"until_ms":5,"kind":"isolate_leader","reset_on_heal":0.0}"#,
            r#"{"at_ms":1,"until_ms":5,"kind":"crash","target":"leader"}"#,
            r#"{"at_ms":1,"until_ms":5,"kind":"power_loss","target":"a"}"#,
            r#"{"at_ms":1,"until_ms":5,"kind":"pause","target":"a"}"#,
            r#"{"at_ms":1,"until_ms":5,"kind":"pause","target":"learner+30"}"#,
            r#"{"at_ms":1,"until_ms":5,"kind":"crash","target":"mark:log-unsynced#3@leader+20us"}"#,
            r#"{"at_ms":1,"until_ms":5,"when":"mark:log-unsynced#2@n1","kind":"crash","target":"leader"}"#,
            r#"{"at_ms":1,"until_ms":5,"when":"mark:log-unsynced@leader-of-epoch-3+5us","kind":"partition","sides":[["here"],["a"]],"reset_on_heal":0.5}"#,
            r#"{"at_ms":1,"kind":"restart","targets":["a","b"],"down_ms":10,"gap_ms":20}"#,
            r#"{"at_ms":1,"until_ms":5,"kind":"slow_disk","target":"a","factor":0}"#,
            r#"{"at_ms":1,"until_ms":5,"kind":"eio","target":"a","op":"sync_dir","nth":3}"#,
            r#"{"at_ms":1,"until_ms":5,"kind":"enospc","target":"a"}"#,
            r#"{"at_ms":1,"kind":"fsync_fail","target":"a"}"#,
            r#"{"at_ms":1,"kind":"restart","targets":["a"],"down_ms":1,"gap_ms":2,"snap_count":50,"commit_log_count":9}"#,
            r#"{"at_ms":1,"until_ms":5,"kind":"lost_write","target":"a","nth":3,"down_ms":9}"#,
            r#"{"at_ms":1,"until_ms":5,"kind":"misdirected_write","target":"a","onto":"log.","down_ms":9}"#,
            r#"{"at_ms":1,"until_ms":5,"kind":"rot","target":"follower:1","file":"snapshot.","sectors":2}"#,
            r#"{"at_ms":1,"until_ms":5,"kind":"wipe","target":"a"}"#,
            r#"{"at_ms":9,"until_ms":15,"kind":"restore","target":"a","taken_ms":4}"#,
            r#"{"at_ms":1,"until_ms":5,"kind":"flaky_link","from":["a"],"to":["b"],"loss":0.25}"#,
            r#"{"at_ms":1,"until_ms":5,"kind":"bandwidth","from":["a"],"to":["b"],"bytes_per_s":9000}"#,
            r#"{"at_ms":1,"until_ms":5,"kind":"connect_hang","from":["a"],"to":["b"]}"#,
            r#"{"at_ms":1,"until_ms":5,"kind":"half_open","from":["a"],"to":["b"],"silent":true}"#,
            r#"{"at_ms":1,"until_ms":5,"kind":"reset","from":["a"],"to":["b"]}"#,
            r#"{"at_ms":1,"until_ms":5,"kind":"slow_link","from":["a"],"to":["b"],"extra_ms":40}"#,
            r#"{"at_ms":1,"until_ms":5,"kind":"clock_offset","target":"a","offset_ms":-7}"#,
            r#"{"at_ms":1,"until_ms":5,"kind":"clock_drift","target":"a","ppm":-200,"of":"wall"}"#,
            r#"{"at_ms":1,"until_ms":5,"kind":"clock_jump","target":"a","by_ms":-7}"#,
            r#"{"at_ms":1,"until_ms":5,"kind":"clock_jump","target":"a","by_ms":7,"every_ms":20}"#,
        ] {
            round_trip(json);
        }
    }

    #[test]
    fn what_may_be_left_out_may() {
        let json = r#"{"at_ms":1,"kind":"partition","sides":[["a"],["b"]]}"#;
        let fault: TimedFault = serde_json::from_str(json).unwrap();
        assert_eq!(fault.until_ms, None);
        assert!(serde_json::from_str::<TimedFault>(r#"{"at_ms":1,"kind":"nonsense"}"#).is_err());
    }

    #[test]
    fn a_target_that_only_looks_like_a_follower_is_a_host() {
        let target = Target::from("follower:x".to_owned());
        assert_eq!(target, Target::Host("follower:x".to_owned()));
        assert_eq!(Target::from("learner+30".to_owned()), Target::Learner(30));
        let target = Target::from("learner+".to_owned());
        assert_eq!(target, Target::Host("learner+".to_owned()));
    }
}
