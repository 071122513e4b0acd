//! Families of faults: what a seed mixes, and what a mark's hits are told apart by.

use super::Fault;

/// A family of faults, by what they befall.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FaultFamily {
    /// Of links.
    Network,
    /// Of programs and machines.
    Process,
    /// Of disks.
    Disk,
    /// Of clocks.
    Clock,
    /// Of the ensemble's members.
    Membership,
}

impl FaultFamily {
    /// Every one, in the order of their bits.
    pub const ALL: [FaultFamily; 5] = [
        FaultFamily::Network,
        FaultFamily::Process,
        FaultFamily::Disk,
        FaultFamily::Clock,
        FaultFamily::Membership,
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            FaultFamily::Network => "network",
            FaultFamily::Process => "process",
            FaultFamily::Disk => "disk",
            FaultFamily::Clock => "clock",
            FaultFamily::Membership => "membership",
        }
    }
}

impl Fault {
    /// The family that it belongs to.
    pub fn family(&self) -> FaultFamily {
        match self {
            Fault::Partition { .. }
            | Fault::OneWay { .. }
            | Fault::IsolateLeader { .. }
            | Fault::SlowLink { .. }
            | Fault::FlakyLink { .. }
            | Fault::Bandwidth { .. }
            | Fault::ConnectHang { .. }
            | Fault::HalfOpen { .. }
            | Fault::Reset { .. } => FaultFamily::Network,
            Fault::Crash { .. }
            | Fault::PowerLoss { .. }
            | Fault::Pause { .. }
            | Fault::Restart { .. }
            | Fault::Wipe { .. }
            | Fault::Restore { .. } => FaultFamily::Process,
            Fault::SlowDisk { .. }
            | Fault::Eio { .. }
            | Fault::Enospc { .. }
            | Fault::FsyncFail { .. }
            | Fault::LostWrite { .. }
            | Fault::MisdirectedWrite { .. }
            | Fault::Rot { .. } => FaultFamily::Disk,
            Fault::ClockOffset { .. } | Fault::ClockDrift { .. } | Fault::ClockJump { .. } => {
                FaultFamily::Clock
            }
        }
    }
}
