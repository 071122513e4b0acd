//! Faults as data: what befalls a world, when, and to whom.
//!
//! In JSON a fault is one object: `{"at_ms":1000,"until_ms":5000,"kind":"partition",
//! "sides":[["n1","n2"],["n3"]]}`. A target is a host's name, a role (`leader`, `follower:2`,
//! `learner+30`) or a place in the code (`mark:log-unsynced#3@leader`); all but the first are looked up
//! at the moment when the fault strikes. A fault may also strike when a host hits a mark, whomever it
//! strikes: `"when":"mark:learner-truncates@n2"`; then `here` is that host.
//!
//! Each kind is declared once, below: tag, family, fields with their bounds (the numbers have theirs in the
//! table of `range`), and the worlds that lack it. What else is known of a kind follows from its declaration.

#[macro_use]
mod declare;
mod family;
mod field;
mod range;
mod schedule;
mod target;
mod trigger;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::EngineKind;
use crate::clock::Clock;
use crate::disk::OpKind;
use field::Field;

pub use family::FaultFamily;
pub use schedule::{
    Applied, Casting, Forgot, HostOwnFaults, OwnFaults, Schedule, Standing, Upgrades,
};
pub use target::Target;
pub use trigger::{Fired, Hit, MarkTarget, Triggers};

/// Settings of a program that a restart changes, by the names that its system gives them.
pub type Settings = BTreeMap<String, u64>;

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

faults! {
    /// The sides cannot reach each other; hosts that are on no side reach everyone. A bridge is one with
    /// a host on neither side.
    Partition = "partition", Network, every world {
        /// The sides, two or more.
        sides: Vec<Vec<Target>> = sides,
        /// The probability that a connection across it is reset as it ends.
        #[serde(default)]
        reset_on_heal: f64 = probability,
    }
    /// What `from` sends does not arrive at `to`. A ring of majorities is one for each server.
    OneWay = "one_way", Network, every world {
        /// The hosts whose bytes do not arrive.
        from: Vec<Target> = hosts,
        /// The hosts that hear nothing of them.
        to: Vec<Target> = hosts,
        /// The probability that a connection across it is reset as it ends.
        #[serde(default)]
        reset_on_heal: f64 = probability,
    }
    /// A host is cut off from all others.
    Isolate = "isolate", Network, every world {
        /// The host or role that is cut off.
        who: Target = whom,
        /// The probability that a connection across it is reset as it ends.
        #[serde(default)]
        reset_on_heal: f64 = probability,
    }
    /// A program is killed, and started again at the end.
    Crash = "crash", Process, every world {
        /// The host or role whose program is killed.
        target: Target = whom,
    }
    /// A machine loses power, and what was not synced with it, and is started again at the end.
    PowerLoss = "power_loss", Process, every world {
        /// The host or role whose machine loses power.
        target: Target = whom,
    }
    /// A program stands still, as in a long collection of garbage or after a SIGSTOP.
    Pause = "pause", Process, every world {
        /// The host or role whose program stands still.
        target: Target = whom,
    }
    /// Programs are killed and started again one after another, in an upgrade with other settings.
    Restart = "restart", Process, every world {
        /// Whose, in this order; each is looked up when its turn comes.
        targets: Vec<Target> = hosts,
        /// For how long each stays down, in milliseconds.
        down_ms: u64 = day,
        /// How long after a start the next one is killed, in milliseconds.
        gap_ms: u64 = day,
        /// With which settings each comes back; those that are not named are as before.
        #[serde(flatten)]
        settings: Settings = any,
    }
    /// A disk is slow, or does not answer at all.
    SlowDisk = "slow_disk", Disk, every world {
        /// The host or role whose disk it is.
        target: Target = whom,
        /// By how much its latencies are multiplied; 0 is a stall until the end.
        factor: u64 = slowness,
    }
    /// Operations of a disk fail with EIO.
    Eio = "eio", Disk, every world {
        /// The host or role whose disk it is.
        target: Target = whom,
        /// Which kind of operation.
        op: OpKind = any,
        /// Only the n-th such operation, counted from 1; none for all until the end.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        nth: Option<u64> = nth,
    }
    /// A disk is full: what needs space fails with ENOSPC.
    Enospc = "enospc", Disk, every world {
        /// The host or role whose disk is full.
        target: Target = whom,
    }
    /// The next sync of a file fails with EIO and loses what it was to write; later ones succeed.
    FsyncFail = "fsync_fail", Disk, every world {
        /// The host or role whose disk it is; the next file that it syncs is hit.
        target: Target = whom,
    }
    /// A server's writes are acknowledged, and its syncs too, but do not reach the disk: at the end
    /// the power goes, and what was there before is there again.
    LostWrite = "lost_write", Disk, every world {
        /// Whose; see [`Fault::is_amnesia`].
        target: Target = whom,
        /// Only the n-th append, counted from 1; none for all until the end.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        nth: Option<u64> = nth,
        /// How long it stays down at the end, in milliseconds.
        down_ms: u64 = day,
    }
    /// As a lost write, but each sector has taken the place of another, in a file whose path contains
    /// `onto`.
    MisdirectedWrite = "misdirected_write", Disk, every world {
        /// Whose; see [`Fault::is_amnesia`].
        target: Target = whom,
        /// Only the n-th append, counted from 1; none for all until the end.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        nth: Option<u64> = nth,
        /// A part of the path.
        onto: String = any,
        /// How long it stays down at the end, in milliseconds.
        down_ms: u64 = day,
    }
    /// The power goes, and bits of a file have flipped when it is back at the end.
    Rot = "rot", Disk, every world {
        /// Whose; see [`Fault::is_amnesia`].
        target: Target = whom,
        /// A part of the path of the file.
        file: String = any,
        /// In how many of its sectors.
        sectors: u64 = sectors,
    }
    /// A machine is replaced by another with an empty disk, which starts at the end.
    Wipe = "wipe", Process, every world {
        /// Whose; see [`Fault::is_amnesia`].
        target: Target = whom,
    }
    /// A machine is lost, and set up again from an old backup, which starts at the end: a stale node
    /// returns.
    Restore = "restore", Process, every world {
        /// Whose; see [`Fault::is_amnesia`].
        target: Target = whom,
        /// When the backup was taken, in milliseconds since the start of the run.
        taken_ms: u64 = day,
    }
    /// Segments between hosts get lost, SYNs too; TCP sends them again.
    FlakyLink = "flaky_link", Network, own engine alone {
        /// One end of each link.
        from: Vec<Target> = hosts,
        /// The other end.
        to: Vec<Target> = hosts,
        /// With what probability, in each direction.
        loss: f64 = probability,
    }
    /// Links carry little.
    Bandwidth = "bandwidth", Network, own engine alone {
        /// One end of each.
        from: Vec<Target> = hosts,
        /// The other end.
        to: Vec<Target> = hosts,
        /// How much, in each direction.
        bytes_per_s: u64 = bandwidth,
    }
    /// Connections cannot be made, because SYNs are dropped; those that are open go on.
    ConnectHang = "connect_hang", Network, every world {
        /// Who tries to connect.
        from: Vec<Target> = hosts,
        /// The hosts that hear nothing of the attempt.
        to: Vec<Target> = hosts,
    }
    /// A firewall between hosts forgets their connections: an end learns of it when it writes.
    HalfOpen = "half_open", Network, every world {
        /// One end of each.
        from: Vec<Target> = hosts,
        /// The other end.
        to: Vec<Target> = hosts,
        /// Whether the firewall answers nothing, so that TCP has to time out.
        #[serde(default)]
        silent: bool = any,
    }
    /// Connections between hosts are reset.
    Reset = "reset", Network, every world {
        /// One end of each.
        from: Vec<Target> = hosts,
        /// The other end.
        to: Vec<Target> = hosts,
    }
    /// Links are slower.
    SlowLink = "slow_link", Network, every world {
        /// One end of each.
        from: Vec<Target> = hosts,
        /// The other end.
        to: Vec<Target> = hosts,
        /// How much longer bytes are under way, in milliseconds.
        extra_ms: u32 = delay,
    }
    /// A wall clock is set wrong.
    ClockOffset = "clock_offset", Clock, every world {
        /// The host or role whose clock is set.
        target: Target = whom,
        /// By how much, in milliseconds; positive is ahead.
        offset_ms: i64 = offset,
    }
    /// A clock runs at a wrong rate. At the end the rate is right again and the wall clock is set
    /// right; the monotonic clock, which nobody can set, keeps what it has gained or lost.
    ClockDrift = "clock_drift", Clock, every world {
        /// The host or role whose clock it is.
        target: Target = whom,
        /// How much faster, in millionths of the true rate; negative is slower.
        ppm: i64 = drift,
        /// The wall clock, the monotonic clock, or both together.
        #[serde(default)]
        of: Clock = any,
    }
    /// A wall clock jumps, once or back and forth. At the end it jumps to where it would be without.
    ClockJump = "clock_jump", Clock, every world {
        /// The host or role whose clock jumps.
        target: Target = whom,
        /// By how much, in milliseconds; negative is back.
        by_ms: i64 = offset,
        /// How often it jumps after that, back and forth by as much, in milliseconds (Jepsen calls
        /// it a strobe); none if the first jump is the only one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        every_ms: Option<u64> = interval,
    }
    /// Datagrams between hosts, in either direction, get lost, arrive twice, or are overtaken by later ones.
    Datagrams = "datagrams", Network, own engine alone {
        /// The hosts at one end.
        from: Vec<Target> = hosts,
        /// The hosts at the other end.
        to: Vec<Target> = hosts,
        /// The probability that one gets lost.
        #[serde(default)]
        loss: f64 = probability,
        /// The probability that one arrives twice.
        #[serde(default)]
        duplicate: f64 = probability,
        /// The probability that one is overtaken.
        #[serde(default)]
        reorder: f64 = probability,
    }
    /// A fault of a kind that the system under test declares: its programs on a host are told of it, and
    /// do what it says, until it ends.
    Own = "own", Own, every world {
        /// Which of those kinds.
        name: String = word,
        /// The host or role whose programs are told.
        target: Target = whom,
        /// How much of it; what that means says the declaration.
        #[serde(default)]
        amount: u64 = any,
    }
}

/// How many of so many servers may have a disk in trouble at a time: a minority, so that a quorum is left.
/// Who is alone, or has one other, must live through it: nobody is there to be outvoted.
pub fn disks_in_trouble_max(servers: usize) -> usize {
    (servers.saturating_sub(1) / 2).max(1)
}

impl Fault {
    /// What records and reports call it: the name of its kind, and of one of a system's own kinds the name
    /// that the system gives it.
    pub fn label(&self) -> &str {
        match self {
            Fault::Own { name, .. } => name,
            other => other.kind().tag(),
        }
    }

    /// The one host that it strikes, if it is a fault of one host: its field is named `target`.
    pub fn target(&self) -> Option<&Target> {
        self.named_target()
    }

    /// The same fault of another host; none if it is not a fault of one host.
    pub fn with_target(&self, target: &Target) -> Option<Fault> {
        self.target()?;
        self.map_targets(&mut |_| Some(target.clone()))
    }

    /// Whether it makes a server forget what it had acknowledged. No protocol survives that at any
    /// moment, so the schedule lets it strike only when the system says that nothing is lost by it; see
    /// the module `amnesia` of the schedule.
    pub fn is_amnesia(&self) -> bool {
        self.corrupts() || matches!(self, Fault::Wipe { .. } | Fault::Restore { .. })
    }

    /// Whether it leaves on a disk what nobody wrote there. A server that finds it may refuse to
    /// start.
    pub fn corrupts(&self) -> bool {
        matches!(self, Fault::LostWrite { .. } | Fault::MisdirectedWrite { .. } | Fault::Rot { .. })
    }
}

impl TimedFault {
    /// A fault that waits for no mark, unless it is aimed at one.
    pub fn new(at_ms: u64, until_ms: Option<u64>, fault: Fault) -> TimedFault {
        TimedFault { at_ms, until_ms, when: None, fault }
    }

    /// Checks each value by itself, without the hosts, the roles and the rest of the plan.
    ///
    /// # Errors
    /// The first field that cannot be so, and what was expected.
    pub fn check(&self) -> Result<(), (&'static str, String)> {
        range::day(&self.at_ms).map_err(|message| ("at_ms", message))?;
        range::day(&self.until_ms).map_err(|message| ("until_ms", message))?;
        let place = self.when.as_ref().map_or(Ok(()), range::place);
        place.map_err(|message| ("when", message))?;
        self.fault.check()
    }

    /// The mark that it waits for, if it waits for one.
    pub fn mark(&self) -> Option<&MarkTarget> {
        match (&self.when, self.fault.target()) {
            (Some(target), _) | (None, Some(Target::Mark(target))) => Some(target),
            (None, _) => None,
        }
    }

    /// Milder forms: half as long, numbers halved (towards 0), lists of hosts without one of theirs.
    pub fn milder(&self) -> Vec<TimedFault> {
        let length_ms = self.until_ms.map(|until_ms| until_ms.saturating_sub(self.at_ms));
        let shorter = length_ms.filter(|length_ms| *length_ms > 1).map(|length_ms| TimedFault {
            until_ms: Some(self.at_ms + length_ms / 2),
            ..self.clone()
        });
        let milder = self.fault.milder().into_iter();
        shorter
            .into_iter()
            .chain(milder.map(|fault| TimedFault { fault, ..self.clone() }))
            .collect()
    }

    /// Whether it kills who hits the mark that it waits for.
    fn kills_here(&self) -> bool {
        let is_here = matches!(self.fault.target(), Some(Target::Mark(_) | Target::Here));
        is_here && matches!(self.fault, Fault::Crash { .. } | Fault::PowerLoss { .. })
    }
}

#[cfg(test)]
mod tests;
