//! Identifiers and positions, each its own type so that none is taken for another.

use std::fmt;

/// A transaction's position in the one total order: the epoch in the high 32 bits, a counter in the
/// low 32 bits (ZooKeeper Internals, "Guarantees, Properties, and Definitions").
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Zxid(pub u64);

impl Zxid {
    /// Before every transaction.
    pub const ZERO: Zxid = Zxid(0);

    /// The position `counter` of `epoch`.
    pub const fn new(epoch: Epoch, counter: u32) -> Zxid {
        Zxid((epoch.0 as u64) << 32 | counter as u64)
    }

    /// The high half.
    pub const fn epoch(self) -> Epoch {
        Epoch((self.0 >> 32) as u32)
    }

    /// The low half.
    pub const fn counter(self) -> u32 {
        self.0 as u32
    }

    /// The next position of the same epoch; `None` when the counter is used up and a new epoch is
    /// due (ZOOKEEPER-1277).
    pub const fn next(self) -> Option<Zxid> {
        if self.counter() == u32::MAX { None } else { Some(Zxid(self.0 + 1)) }
    }

    /// As the wire and the files carry it.
    pub const fn to_wire(self) -> i64 {
        self.0 as i64
    }

    /// From the wire or a file.
    pub const fn from_wire(value: i64) -> Zxid {
        Zxid(value as u64)
    }
}

impl fmt::Display for Zxid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{:x}", self.0)
    }
}

impl fmt::Debug for Zxid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{:x}", self.0)
    }
}

/// A leader's reign, the high half of the zxids it assigns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(pub u32);

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A server's number in the ensemble (`myid`, `server.N`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServerId(pub u64);

impl fmt::Display for ServerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A client's session. Zero asks for a new one.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub i64);

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{:x}", self.0)
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{:x}", self.0)
    }
}

/// One connection that the shell holds for the machine; never reused within a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);
