//! Replay over Apache's fuzzy snapshots: whatever a snapshot caught of the transactions behind its
//! zxid, the replay ends with the tree of the history.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;

use crate::ids::SessionId;
use crate::path;
use crate::record::Acl;
use crate::tree::history::{Draw, draws, grow};
use crate::tree::{ROOT, Tree, TreeBuilder};
use crate::txn::Txn;

/// The history going on while somebody reads the tree.
struct Live<'a> {
    tree: Tree,
    draws: std::slice::Iter<'a, Draw>,
    /// How many transactions to apply at each step of the reader, over and over.
    pace: std::iter::Cycle<std::slice::Iter<'a, u8>>,
    txns: Vec<Txn>,
}

impl Live<'_> {
    fn step(&mut self) {
        for _ in 0..*self.pace.next().unwrap() {
            if let Some(draw) = self.draws.next() {
                self.txns.append(&mut grow(&mut self.tree, &[draw.listing()]));
            }
        }
    }

    /// As `DataTree.serializeNode` goes: a node and the names of its children at one moment, the
    /// children later, each if it is still there.
    fn read(&mut self, path: &str, builder: &mut TreeBuilder) {
        self.step();
        let Some(node) = self.tree.get(path) else { return };
        let (data, stat) = (node.data().clone(), *node.persisted());
        let acl = self.tree.nodes.get(path).unwrap().acl;
        let names: Vec<String> = self.tree.children(path).unwrap().map(str::to_owned).collect();
        builder.insert(path, data, acl, stat).unwrap();
        for name in names {
            self.read(&path::join(path, &name), builder);
        }
    }
}

fn acls(tree: &Tree) -> BTreeMap<&str, Arc<[Acl]>> {
    tree.paths().map(|path| (path, tree.acl(path).unwrap())).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]
    #[test]
    fn replay_ends_with_the_tree_of_the_history(
        before in draws(0..30),
        during in draws(0..60),
        after in draws(0..20),
        pace in prop::collection::vec(0_u8..6, 1..8),
    ) {
        let mut tree = Tree::new();
        grow(&mut tree, &before);
        let start = tree.last_zxid();
        let (draws, pace) = (during.iter(), pace.iter().cycle());
        let mut live = Live { tree, draws, pace, txns: Vec::new() };
        let mut builder = TreeBuilder::new();
        for (id, list) in live.tree.acls.lists().iter() {
            builder.define_acl(*id, list.to_vec()).unwrap();
        }
        live.read(ROOT, &mut builder);
        let mut txns = live.txns;
        txns.append(&mut grow(&mut live.tree, &after));

        let mut replayed = builder.finish(start).unwrap();
        for txn in &txns {
            replayed.apply_tolerant(txn);
            prop_assert_eq!(replayed.digest(), replayed.recompute_digest());
        }
        let expected = live.tree;
        prop_assert_eq!(replayed.digest(), expected.digest());
        prop_assert_eq!(replayed.last_zxid(), expected.last_zxid());
        prop_assert_eq!(acls(&replayed), acls(&expected));
        for session in (0..4).map(SessionId) {
            let owned = |tree: &Tree| tree.ephemerals(session).map(str::to_owned).collect::<Vec<_>>();
            prop_assert_eq!(owned(&replayed), owned(&expected));
        }
        for path in expected.paths() {
            prop_assert_eq!(replayed.get(path).unwrap().stat(), expected.get(path).unwrap().stat());
        }
    }
}
