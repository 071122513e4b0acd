//! One-shot watches: who waits for which change (Apache's two `WatchManager`s in `DataTree`).
//!
//! A data watch waits for the node's data to change or the node to go; an exists watch for the node
//! to come as well. Both stand in one table, so that one connection has one of them per path. A
//! child watch waits for the set of children to change or the node to go. (Programmer's Guide,
//! "Semantics of Watches".)

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::ids::{ConnectionId, Zxid};
use crate::record::Acl;
use crate::wire::client::EventType;

use super::Tree;

/// A change that watches may wait for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trigger {
    /// What happened: one of `NodeCreated`, `NodeDeleted`, `NodeDataChanged`, `NodeChildrenChanged`.
    pub kind: EventType,
    /// To which node.
    pub path: Arc<str>,
    /// By which transaction.
    pub zxid: Zxid,
    /// The node's ACL; of a deleted node, its last. Only those who may read are told.
    pub acl: Arc<[Acl]>,
}

/// What a watch waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WatchKind {
    /// Left by `getData`.
    Data,
    /// Left by `exists`, whether the node was there or not.
    Exists,
    /// Left by `getChildren`.
    Child,
}

/// The watches that a client asks for again after it reconnected (`SetWatches`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WatchedPaths<'a> {
    /// Data watches on nodes that were there.
    pub data: &'a [String],
    /// Exists watches on nodes that were not.
    pub exist: &'a [String],
    /// Child watches.
    pub child: &'a [String],
}

/// An event that a client missed while it was away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missed {
    /// What happened.
    pub kind: EventType,
    /// To which node.
    pub path: String,
}

/// All watches of one server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WatchTable {
    data: Watchers,
    child: Watchers,
}

impl WatchTable {
    /// No watches.
    pub fn new() -> WatchTable {
        WatchTable::default()
    }

    /// Sets a watch. Returns whether there was none like it.
    pub fn add(&mut self, kind: WatchKind, path: &str, connection: ConnectionId) -> bool {
        self.watchers_mut(kind).add(path, connection)
    }

    /// Takes the watches that wait for this change; each connection is told it once, in the order of
    /// connections.
    #[must_use = "the watches are gone; their connections must be told"]
    pub fn trigger(&mut self, trigger: &Trigger) -> Vec<ConnectionId> {
        let path = trigger.path.as_ref();
        let connections = match trigger.kind {
            EventType::NodeCreated | EventType::NodeDataChanged => self.data.take(path),
            EventType::NodeChildrenChanged => self.child.take(path),
            EventType::NodeDeleted => {
                let mut connections = self.data.take(path);
                connections.append(&mut self.child.take(path));
                connections
            }
            _ => BTreeSet::new(),
        };
        connections.into_iter().collect()
    }

    /// Sets a returning client's watches, and tells what it missed since `relative_zxid`, the last
    /// transaction that it has seen. A missed event uses up its watch (`DataTree.setWatches`).
    #[must_use = "missed events must be sent"]
    pub fn set_watches(
        &mut self,
        relative_zxid: Zxid,
        paths: WatchedPaths<'_>,
        connection: ConnectionId,
        tree: &Tree,
    ) -> Vec<Missed> {
        let mut missed = Vec::new();
        let mut renew = |kind: WatchKind, paths: &[String]| {
            for path in paths {
                match missed_event(kind, path, relative_zxid, tree) {
                    Some(kind) => missed.push(Missed { kind, path: path.clone() }),
                    None => {
                        self.add(kind, path, connection);
                    }
                }
            }
        };
        renew(WatchKind::Data, paths.data);
        renew(WatchKind::Exists, paths.exist);
        renew(WatchKind::Child, paths.child);
        missed
    }

    /// Whether there is such a watch. Data and exists watches are the same here.
    pub fn contains(&self, kind: WatchKind, path: &str, connection: ConnectionId) -> bool {
        match kind {
            WatchKind::Data | WatchKind::Exists => self.data.contains(path, connection),
            WatchKind::Child => self.child.contains(path, connection),
        }
    }

    /// Removes one watch. Returns whether it was there.
    pub fn remove(&mut self, kind: WatchKind, path: &str, connection: ConnectionId) -> bool {
        self.watchers_mut(kind).remove(path, connection)
    }

    /// Removes all watches of a connection that is gone.
    pub fn remove_connection(&mut self, connection: ConnectionId) {
        self.data.remove_connection(connection);
        self.child.remove_connection(connection);
    }

    /// All watches.
    pub fn len(&self) -> usize {
        self.data.count + self.child.count
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The watches of one connection.
    pub fn connection_len(&self, connection: ConnectionId) -> usize {
        self.data.of_connection(connection) + self.child.of_connection(connection)
    }

    /// Paths with data or exists watches, and paths with child watches.
    pub fn path_counts(&self) -> (usize, usize) {
        (self.data.by_path.len(), self.child.by_path.len())
    }

    fn watchers_mut(&mut self, kind: WatchKind) -> &mut Watchers {
        match kind {
            WatchKind::Data | WatchKind::Exists => &mut self.data,
            WatchKind::Child => &mut self.child,
        }
    }
}

/// What a watch set at `since` would have told by now.
fn missed_event(kind: WatchKind, path: &str, since: Zxid, tree: &Tree) -> Option<EventType> {
    let stat = tree.get(path).map(|node| node.persisted());
    match (kind, stat) {
        (WatchKind::Exists, stat) => stat.map(|_| EventType::NodeCreated),
        (WatchKind::Data | WatchKind::Child, None) => Some(EventType::NodeDeleted),
        (WatchKind::Data, Some(stat)) => (stat.mzxid > since).then_some(EventType::NodeDataChanged),
        (WatchKind::Child, Some(stat)) => {
            (stat.pzxid > since).then_some(EventType::NodeChildrenChanged)
        }
    }
}

/// One table, readable from both sides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Watchers {
    by_path: BTreeMap<Arc<str>, BTreeSet<ConnectionId>>,
    by_connection: BTreeMap<ConnectionId, BTreeSet<Arc<str>>>,
    count: usize,
}

impl Watchers {
    fn add(&mut self, path: &str, connection: ConnectionId) -> bool {
        if self.contains(path, connection) {
            return false;
        }
        let path: Arc<str> = match self.by_path.get_key_value(path) {
            Some((path, _)) => Arc::clone(path),
            None => path.into(),
        };
        self.by_path.entry(Arc::clone(&path)).or_default().insert(connection);
        self.by_connection.entry(connection).or_default().insert(path);
        self.count += 1;
        true
    }

    fn contains(&self, path: &str, connection: ConnectionId) -> bool {
        self.by_path.get(path).is_some_and(|connections| connections.contains(&connection))
    }

    fn take(&mut self, path: &str) -> BTreeSet<ConnectionId> {
        let connections = self.by_path.remove(path).unwrap_or_default();
        for &connection in &connections {
            self.unlink(path, connection);
        }
        self.count -= connections.len();
        connections
    }

    fn remove(&mut self, path: &str, connection: ConnectionId) -> bool {
        let Some(connections) = self.by_path.get_mut(path) else { return false };
        if !connections.remove(&connection) {
            return false;
        }
        if connections.is_empty() {
            self.by_path.remove(path);
        }
        self.unlink(path, connection);
        self.count -= 1;
        true
    }

    fn remove_connection(&mut self, connection: ConnectionId) {
        let paths = self.by_connection.remove(&connection).unwrap_or_default();
        self.count -= paths.len();
        for path in paths {
            let connections = self.by_path.get_mut(&path).expect("both sides know every watch");
            connections.remove(&connection);
            if connections.is_empty() {
                self.by_path.remove(&path);
            }
        }
    }

    fn of_connection(&self, connection: ConnectionId) -> usize {
        self.by_connection.get(&connection).map_or(0, BTreeSet::len)
    }

    fn unlink(&mut self, path: &str, connection: ConnectionId) {
        let paths = self.by_connection.get_mut(&connection).expect("both sides know every watch");
        paths.remove(path);
        if paths.is_empty() {
            self.by_connection.remove(&connection);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: ConnectionId = ConnectionId(1);
    const B: ConnectionId = ConnectionId(2);

    fn trigger(kind: EventType, path: &str) -> Trigger {
        Trigger { kind, path: path.into(), zxid: Zxid(9), acl: Acl::open().into() }
    }

    #[test]
    fn a_watch_fires_once() {
        let mut table = WatchTable::new();
        assert!(table.add(WatchKind::Data, "/a", B));
        assert!(table.add(WatchKind::Data, "/a", A));
        assert!(!table.add(WatchKind::Exists, "/a", A), "data and exists share a table");
        assert_eq!(table.len(), 2);
        let changed = trigger(EventType::NodeDataChanged, "/a");
        assert_eq!(table.trigger(&changed), [A, B]);
        assert!(table.trigger(&changed).is_empty());
        assert_eq!(table, WatchTable::new());
    }

    #[test]
    fn each_change_fires_its_own_watches_only() {
        let mut table = WatchTable::new();
        table.add(WatchKind::Data, "/a", A);
        table.add(WatchKind::Child, "/a", B);
        assert!(table.trigger(&trigger(EventType::NodeDataChanged, "/b")).is_empty());
        assert_eq!(table.trigger(&trigger(EventType::NodeChildrenChanged, "/a")), [B]);
        assert_eq!(table.trigger(&trigger(EventType::NodeCreated, "/a")), [A]);
    }

    #[test]
    fn a_deletion_is_told_once_to_who_watches_twice() {
        let mut table = WatchTable::new();
        table.add(WatchKind::Child, "/a", A);
        table.add(WatchKind::Child, "/a", B);
        table.add(WatchKind::Data, "/a", B);
        assert_eq!(table.trigger(&trigger(EventType::NodeDeleted, "/a")), [A, B]);
        assert!(table.is_empty());
    }

    #[test]
    fn a_connection_takes_its_watches_along() {
        let mut table = WatchTable::new();
        for path in ["/a", "/b"] {
            table.add(WatchKind::Data, path, A);
            table.add(WatchKind::Child, path, B);
        }
        assert!(table.remove(WatchKind::Data, "/a", A));
        assert!(!table.remove(WatchKind::Data, "/a", A));
        assert!(!table.contains(WatchKind::Data, "/a", A));
        assert!(table.contains(WatchKind::Data, "/b", A));
        assert_eq!((table.connection_len(A), table.connection_len(B)), (1, 2));
        assert_eq!(table.path_counts(), (1, 2));
        table.remove_connection(B);
        assert_eq!(table.len(), 1);
        table.remove_connection(A);
        assert_eq!(table, WatchTable::new());
    }
}
