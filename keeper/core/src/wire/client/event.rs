//! Watch events and the kinds of watches (`WatcherEvent`, `Watcher`, `AddWatchMode`).

use crate::jute::{Decode, DecodeError, Encode, Fault, Reader, put_int, put_string};

/// Something happened to a watched node.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WatcherEvent {
    /// What.
    pub kind: EventType,
    /// The state of the client's connection, which servers always report as connected.
    pub state: KeeperState,
    /// To which node.
    pub path: String,
}

impl WatcherEvent {
    /// An event as servers send it.
    pub fn new(kind: EventType, path: impl Into<String>) -> WatcherEvent {
        WatcherEvent { kind, state: KeeperState::SyncConnected, path: path.into() }
    }
}

impl Encode for WatcherEvent {
    fn encode(&self, out: &mut Vec<u8>) {
        put_int(out, self.kind.to_wire());
        put_int(out, self.state.to_wire());
        put_string(out, &self.path);
    }
}

impl Decode for WatcherEvent {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(WatcherEvent {
            kind: numbered(reader, "event type", EventType::from_wire)?,
            state: numbered(reader, "keeper state", KeeperState::from_wire)?,
            path: reader.string()?,
        })
    }
}

/// Reads a number that must stand for something.
pub(super) fn numbered<T>(
    reader: &mut Reader<'_>,
    what: &'static str,
    known: impl Fn(i32) -> Option<T>,
) -> Result<T, DecodeError> {
    let start = reader.clone();
    let value = reader.int()?;
    known(value).ok_or_else(|| start.malformed(Fault::Unknown { what, value: value.into() }))
}

/// What happened (`Watcher.Event.EventType`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EventType {
    /// -1: nothing to a node; the connection's state changed.
    None,
    /// 1: the node appeared.
    NodeCreated,
    /// 2: the node disappeared.
    NodeDeleted,
    /// 3: its data were set.
    NodeDataChanged,
    /// 4: a child appeared or disappeared.
    NodeChildrenChanged,
    /// 5: a data watch was removed.
    DataWatchRemoved,
    /// 6: a child watch was removed.
    ChildWatchRemoved,
    /// 7: a persistent watch was removed.
    PersistentWatchRemoved,
}

impl EventType {
    /// From the wire.
    pub fn from_wire(value: i32) -> Option<EventType> {
        Some(match value {
            -1 => EventType::None,
            1 => EventType::NodeCreated,
            2 => EventType::NodeDeleted,
            3 => EventType::NodeDataChanged,
            4 => EventType::NodeChildrenChanged,
            5 => EventType::DataWatchRemoved,
            6 => EventType::ChildWatchRemoved,
            7 => EventType::PersistentWatchRemoved,
            _ => return None,
        })
    }

    /// As the wire carries it.
    pub fn to_wire(self) -> i32 {
        match self {
            EventType::None => -1,
            EventType::NodeCreated => 1,
            EventType::NodeDeleted => 2,
            EventType::NodeDataChanged => 3,
            EventType::NodeChildrenChanged => 4,
            EventType::DataWatchRemoved => 5,
            EventType::ChildWatchRemoved => 6,
            EventType::PersistentWatchRemoved => 7,
        }
    }
}

/// The state of a client's connection (`Watcher.Event.KeeperState`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeeperState {
    /// 0: no server.
    Disconnected,
    /// 3: connected.
    SyncConnected,
    /// 4: authentication failed.
    AuthFailed,
    /// 5: connected to a server that cannot write.
    ConnectedReadOnly,
    /// 6: authenticated by SASL.
    SaslAuthenticated,
    /// 7: closed by the client.
    Closed,
    /// -112: the session is no more.
    Expired,
}

impl KeeperState {
    /// From the wire.
    pub fn from_wire(value: i32) -> Option<KeeperState> {
        Some(match value {
            0 => KeeperState::Disconnected,
            3 => KeeperState::SyncConnected,
            4 => KeeperState::AuthFailed,
            5 => KeeperState::ConnectedReadOnly,
            6 => KeeperState::SaslAuthenticated,
            7 => KeeperState::Closed,
            -112 => KeeperState::Expired,
            _ => return None,
        })
    }

    /// As the wire carries it.
    pub fn to_wire(self) -> i32 {
        match self {
            KeeperState::Disconnected => 0,
            KeeperState::SyncConnected => 3,
            KeeperState::AuthFailed => 4,
            KeeperState::ConnectedReadOnly => 5,
            KeeperState::SaslAuthenticated => 6,
            KeeperState::Closed => 7,
            KeeperState::Expired => -112,
        }
    }
}

/// A kind of watch, as checkWatches and removeWatches name it (`Watcher.WatcherType`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WatcherType {
    /// 1: set by getChildren.
    Children,
    /// 2: set by getData or exists.
    Data,
    /// 3: every kind.
    Any,
    /// 4: persistent.
    Persistent,
    /// 5: persistent, for the whole subtree.
    PersistentRecursive,
}

impl WatcherType {
    /// From the wire.
    pub fn from_wire(value: i32) -> Option<WatcherType> {
        Some(match value {
            1 => WatcherType::Children,
            2 => WatcherType::Data,
            3 => WatcherType::Any,
            4 => WatcherType::Persistent,
            5 => WatcherType::PersistentRecursive,
            _ => return None,
        })
    }

    /// As the wire carries it.
    pub fn to_wire(self) -> i32 {
        match self {
            WatcherType::Children => 1,
            WatcherType::Data => 2,
            WatcherType::Any => 3,
            WatcherType::Persistent => 4,
            WatcherType::PersistentRecursive => 5,
        }
    }
}

/// How far a persistent watch reaches (`AddWatchMode`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AddWatchMode {
    /// 0: the node and its list of children.
    Persistent,
    /// 1: the whole subtree, without events about lists of children.
    PersistentRecursive,
}

impl AddWatchMode {
    /// From the wire.
    pub fn from_wire(value: i32) -> Option<AddWatchMode> {
        match value {
            0 => Some(AddWatchMode::Persistent),
            1 => Some(AddWatchMode::PersistentRecursive),
            _ => None,
        }
    }

    /// As the wire carries it.
    pub fn to_wire(self) -> i32 {
        match self {
            AddWatchMode::Persistent => 0,
            AddWatchMode::PersistentRecursive => 1,
        }
    }
}
