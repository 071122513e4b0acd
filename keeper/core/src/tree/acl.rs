//! Access control lists, each held once (Apache's `ReferenceCountedACLCache`).
//!
//! Nodes refer to lists by number, in memory and in snapshots. The numbers are a server's own and
//! never compared between servers.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::record::{Acl, Id};

/// A list's number.
pub(super) type AclId = i64;

/// The number of the open list, which no table holds (`OPEN_UNSAFE_ACL_ID`).
pub(super) const OPEN: AclId = -1;

/// The lists in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct AclTable {
    /// Shared with the freezes, so that freezing costs nothing.
    by_id: Arc<BTreeMap<AclId, Arc<[Acl]>>>,
    by_list: BTreeMap<Arc<[Acl]>, AclId>,
    uses: BTreeMap<AclId, u64>,
    open: Arc<[Acl]>,
    last_id: AclId,
}

impl AclTable {
    /// Only the open list.
    pub(super) fn new() -> AclTable {
        AclTable {
            by_id: Arc::default(),
            by_list: BTreeMap::new(),
            uses: BTreeMap::new(),
            open: Acl::open().into(),
            last_id: 0,
        }
    }

    /// The number of `list`, counted as used once more. An empty list restricts nobody, which is
    /// what the open list says.
    pub(super) fn intern(&mut self, list: &[Acl]) -> AclId {
        if list.is_empty() {
            return OPEN;
        }
        let id = match self.by_list.get(list) {
            Some(&id) => id,
            None => {
                self.last_id += 1;
                self.define(self.last_id, list.into());
                self.last_id
            }
        };
        *self.uses.entry(id).or_default() += 1;
        id
    }

    /// Takes over a list under the number that a snapshot gives it, as yet unused. Where a snapshot
    /// has one list twice, the later number is given out from now on.
    pub(super) fn define(&mut self, id: AclId, list: Arc<[Acl]>) {
        self.last_id = self.last_id.max(id);
        self.by_list.insert(Arc::clone(&list), id);
        let old = Arc::make_mut(&mut self.by_id).insert(id, list);
        assert!(old.is_none(), "a number is defined once");
    }

    /// Whether `id` is a list's number already.
    pub(super) fn is_defined(&self, id: AclId) -> bool {
        self.by_id.contains_key(&id)
    }

    /// Counts a node that a snapshot says to have list `id`, and says under which number. A list
    /// that is not there becomes one that grants nothing: Apache's snapshots write the table before
    /// the nodes, so that a node created in between refers to a list that only the log holds
    /// (ZOOKEEPER-3306). The log's replay then sets it.
    pub(super) fn adopt(&mut self, id: AclId) -> (AclId, bool) {
        if id == OPEN {
            return (OPEN, true);
        }
        if self.by_id.contains_key(&id) {
            *self.uses.entry(id).or_default() += 1;
            return (id, true);
        }
        (self.intern(&[nothing()]), false)
    }

    /// Counts a use less; a list without any is forgotten.
    pub(super) fn release(&mut self, id: AclId) {
        if id == OPEN {
            return;
        }
        let uses = self.uses.get_mut(&id).expect("only numbers that were counted are released");
        *uses -= 1;
        if *uses == 0 {
            self.forget(id);
        }
    }

    /// Forgets lists that no node refers to, after loading a snapshot.
    pub(super) fn purge_unused(&mut self) {
        let unused: Vec<AclId> =
            self.by_id.keys().copied().filter(|id| !self.uses.contains_key(id)).collect();
        for id in unused {
            self.forget(id);
        }
    }

    /// Whether a list is used more than once.
    pub(super) fn has_shared(&self) -> bool {
        self.uses.values().any(|uses| *uses > 1)
    }

    /// Forgets all uses of each list but one.
    pub(super) fn count_once(&mut self) {
        self.uses.values_mut().for_each(|uses| *uses = 1);
    }

    fn forget(&mut self, id: AclId) {
        self.uses.remove(&id);
        let list = Arc::make_mut(&mut self.by_id).remove(&id).expect("a counted list is held");
        if self.by_list.get(&list) == Some(&id) {
            self.by_list.remove(&list);
        }
    }

    /// The list numbered `id`.
    pub(super) fn get(&self, id: AclId) -> Arc<[Acl]> {
        match id {
            OPEN => Arc::clone(&self.open),
            id => Arc::clone(self.by_id.get(&id).expect("nodes refer to lists that are held")),
        }
    }

    /// All lists by number, as they are now.
    pub(super) fn lists(&self) -> Arc<BTreeMap<AclId, Arc<[Acl]>>> {
        Arc::clone(&self.by_id)
    }
}

fn nothing() -> Acl {
    Acl { perms: 0, id: Id { scheme: "world".into(), id: "anyone".into() } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_lists_share_a_number_until_the_last_use_ends() {
        let mut table = AclTable::new();
        let read = table.intern(&Acl::read());
        assert_eq!(table.intern(&Acl::read()), read);
        assert_eq!(table.get(read).as_ref(), Acl::read());
        table.release(read);
        assert_eq!(table.lists().len(), 1);
        table.release(read);
        assert!(table.lists().is_empty());
        assert_ne!(table.intern(&Acl::read()), read, "numbers are not given twice");
    }

    #[test]
    fn a_list_that_counts_once_is_gone_with_its_first_use() {
        let mut table = AclTable::new();
        let read = table.intern(&Acl::read());
        assert!(!table.has_shared());
        table.intern(&Acl::read());
        assert!(table.has_shared());
        table.count_once();
        table.release(read);
        assert!(table.lists().is_empty());
    }

    #[test]
    fn an_unknown_list_grants_nothing() {
        let mut table = AclTable::new();
        let (id, known) = table.adopt(9);
        assert!(!known);
        assert!(table.get(id).iter().all(|acl| acl.perms == 0));
    }

    #[test]
    fn what_a_snapshot_defines_and_no_node_uses_is_purged() {
        let mut table = AclTable::new();
        table.define(4, Acl::read().into());
        table.define(7, Acl::open().into());
        assert_eq!(table.adopt(7), (7, true));
        table.purge_unused();
        assert_eq!(table.lists().keys().copied().collect::<Vec<_>>(), [7]);
        assert_eq!(table.intern(&Acl::read()), 8);
    }

    #[test]
    fn a_list_that_a_snapshot_has_twice_outlives_either_number() {
        let mut table = AclTable::new();
        table.define(1, Acl::read().into());
        table.define(2, Acl::read().into());
        table.adopt(1);
        table.adopt(2);
        table.release(2);
        assert_eq!(table.get(1).as_ref(), Acl::read());
        let again = table.intern(&Acl::read());
        assert_eq!(table.get(again).as_ref(), Acl::read());
    }
}
