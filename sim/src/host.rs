//! Hosts: their names, and what a program sees of its own.

use std::fmt;

use platform::Platform;

use crate::time::Time;

/// Names a host of one world: hosts count from 0 in the order in which they were added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostId(pub u32);

impl fmt::Display for HostId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One life of one host as its programs see it: a platform, and what their recorders need.
///
/// It is for that host's own tasks while the world runs. One that outlived a kill of its host does
/// nothing: what it spawns never runs, what it asks of the disk never ends.
pub trait Host: Platform {
    /// Which host this is.
    fn host(&self) -> HostId;

    /// How often this host's program was killed before.
    fn incarnation(&self) -> u32;

    /// World time, the same on every host: for histories, not for programs, whose clocks may be wrong.
    fn world_time(&self) -> Time;

    /// World time in nanoseconds since the start.
    fn world_ns(&self) -> u64 {
        self.world_time().ns()
    }

    /// Records an event of this host in the trace. The tag, the content and the moment are part of
    /// the trace's hash; the tag means what the caller makes it mean.
    fn record(&self, tag: u32, content: &[u8]);

    /// The harness is about to kill this host, right here: nothing that it does from now on has an
    /// effect, what it writes goes nowhere and its disk does nothing more.
    ///
    /// A world without [`Capability::InstantKills`](crate::Capability::InstantKills) does nothing
    /// here, and its host goes on until it is killed.
    fn doom(&self) {}
}
