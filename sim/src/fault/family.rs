//! Families of faults: what a seed mixes, and what a mark's hits are told apart by.

/// A family of faults, by what they befall.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FaultFamily {
    /// What befalls links and connections.
    Network,
    /// Of programs and machines.
    Process,
    /// What befalls disks and what is on them.
    Disk,
    /// What befalls wall and monotonic clocks.
    Clock,
    /// Of a system's members.
    Membership,
    /// Of the kinds that the system under test declares.
    Own,
}

impl FaultFamily {
    /// Every one, in the order of their bits.
    pub const ALL: [FaultFamily; 6] = [
        FaultFamily::Network,
        FaultFamily::Process,
        FaultFamily::Disk,
        FaultFamily::Clock,
        FaultFamily::Membership,
        FaultFamily::Own,
    ];

    /// Its name, as coverage and reports spell it.
    pub fn name(self) -> &'static str {
        match self {
            FaultFamily::Network => "network",
            FaultFamily::Process => "process",
            FaultFamily::Disk => "disk",
            FaultFamily::Clock => "clock",
            FaultFamily::Membership => "membership",
            FaultFamily::Own => "own",
        }
    }
}
