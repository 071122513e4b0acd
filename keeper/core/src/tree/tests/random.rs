//! Random histories: what is kept in step stays in step, and frozen trees stay what they were.

use proptest::prelude::*;

use crate::ids::Zxid;
use crate::jute::to_bytes;
use crate::path;
use crate::tree::history::{Draw, draw, draws, grow};
use crate::tree::{FreezeId, Owner, Tree};

/// Every index says what the nodes say.
fn check(tree: &Tree) {
    assert_eq!(tree.digest(), tree.recompute_digest());
    let mut bytes = 0;
    let mut ephemerals = 0;
    for path in tree.paths() {
        let node = tree.get(path).unwrap();
        bytes += path.len() + node.data().as_ref().map_or(0, |data| data.len());
        if let Owner::Session(session) = node.owner() {
            ephemerals += 1;
            assert!(tree.ephemerals(session).any(|owned| owned == path));
        }
        if let Some(parent) = path::parent(path) {
            let siblings: Vec<&str> = tree.children(parent).unwrap().collect();
            assert!(siblings.contains(&path::name(path)));
        }
        let children: Vec<&str> = tree.children(path).unwrap().collect();
        assert!(children.is_sorted() && children.len() == node.child_count());
        for child in children {
            assert!(tree.contains(&path::join(path, child)));
        }
        assert!(!tree.acl(path).unwrap().is_empty());
    }
    assert_eq!(tree.data_bytes(), bytes as u64);
    assert_eq!(tree.ephemeral_count(), ephemerals);
    assert_eq!(tree.node_count(), tree.paths().count());
}

/// What happens to a tree with freezes.
#[derive(Clone, Debug)]
enum Act {
    Apply(Draw),
    Freeze,
    Chunk { which: u8, max_bytes: usize },
    Thaw { which: u8 },
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        5 => draw().prop_map(Act::Apply),
        1 => Just(Act::Freeze),
        4 => (any::<u8>(), 0_usize..300)
            .prop_map(|(which, max_bytes)| Act::Chunk { which, max_bytes }),
        1 => any::<u8>().prop_map(|which| Act::Thaw { which }),
    ]
}

/// A freeze, what it must give, and what it gave so far.
struct Frozen {
    id: FreezeId,
    zxid: Zxid,
    expected: Vec<u8>,
    read: Vec<u8>,
}

impl Frozen {
    fn begin(tree: &mut Tree) -> Frozen {
        let (expected, zxid) = (to_bytes(tree), tree.last_zxid());
        let digest = tree.digest();
        let id = tree.freeze();
        assert_eq!((tree.freeze_zxid(id), tree.freeze_digest(id)), (zxid, digest));
        Frozen { id, zxid, expected, read: Vec::new() }
    }

    fn chunk(&mut self, tree: &mut Tree, max_bytes: usize) {
        let done = tree.freeze_chunk(self.id, max_bytes, &mut self.read);
        assert!(self.expected.starts_with(&self.read), "frozen at {}", self.zxid);
        assert_eq!(done, self.read.len() == self.expected.len());
    }
}

proptest! {
    #[test]
    fn every_index_keeps_in_step(draws in draws(0..120)) {
        let mut tree = Tree::new();
        for draw in draws {
            grow(&mut tree, &[draw]);
            check(&tree);
        }
    }

    #[test]
    fn equal_histories_give_equal_trees(draws in draws(0..80)) {
        let mut one = Tree::new();
        let mut other = Tree::new();
        for txn in grow(&mut one, &draws) {
            other.apply(&txn);
        }
        prop_assert_eq!(to_bytes(&one), to_bytes(&other));
        prop_assert_eq!(one, other);
    }

    #[test]
    fn a_freeze_is_the_tree_of_its_moment(
        before in draws(0..40),
        acts in prop::collection::vec(act(), 0..150),
    ) {
        let mut tree = Tree::new();
        grow(&mut tree, &before);
        let mut open = vec![Frozen::begin(&mut tree)];
        for act in acts {
            match act {
                Act::Apply(draw) => {
                    grow(&mut tree, &[draw]);
                }
                Act::Freeze => open.push(Frozen::begin(&mut tree)),
                Act::Chunk { which, max_bytes } => {
                    let at = usize::from(which) % open.len();
                    open[at].chunk(&mut tree, max_bytes);
                }
                Act::Thaw { which } if open.len() > 1 => {
                    tree.thaw(open.remove(usize::from(which) % open.len()).id);
                }
                Act::Thaw { .. } => {}
            }
        }
        for mut frozen in open {
            while frozen.read.len() < frozen.expected.len() {
                frozen.chunk(&mut tree, 64);
            }
            tree.thaw(frozen.id);
        }
        prop_assert_eq!(tree.frozen_images(), 0);
        check(&tree);
    }
}

#[test]
fn only_changed_nodes_that_are_not_read_yet_cost_memory() {
    let mut tree = Tree::new();
    let id = tree.freeze();
    tree.set_config(bytes::Bytes::from_static(b"1"), Zxid(1), 0);
    assert_eq!(tree.frozen_images(), 1);
    tree.set_config(bytes::Bytes::from_static(b"2"), Zxid(1), 0);
    assert_eq!(tree.frozen_images(), 1, "an image is kept once");
    assert!(tree.freeze_chunk(id, usize::MAX, &mut Vec::new()));
    assert_eq!(tree.frozen_images(), 0);
    tree.set_config(bytes::Bytes::from_static(b"3"), Zxid(1), 0);
    assert_eq!(tree.frozen_images(), 0, "nothing is kept of what has been read");
    tree.thaw(id);
}
