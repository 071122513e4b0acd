//! Exact snapshots of a tree that goes on changing.
//!
//! A freeze marks a moment. Whatever node changes afterwards first leaves its image of that moment
//! with every freeze that has not passed the node yet, so that the chunks read out of a freeze are
//! the tree at the moment and nothing else, however slowly they are read. It costs memory for the
//! changed nodes only, and nobody is stopped. (Apache serialises the live tree instead, and its
//! snapshots are "fuzzy": ZooKeeper Internals, "Snapshots"; ZOOKEEPER-3127, 3144, 3249, 3306.)
//!
//! The chunks together are what Apache's `DataTree.serialize` writes: the access control lists, then
//! every node behind its parent, then the path `/`.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use crate::ids::Zxid;
use crate::jute::{Encode, put_buffer, put_count, put_long, put_string, put_vector};
use crate::record::{Acl, Data, StatPersisted};
use crate::txn::TxnDigest;

use super::acl::AclId;
use super::nodes::{Node, Nodes};
use super::{ROOT, Tree};

/// One freeze of one tree; never given twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FreezeId(u64);

/// What a snapshot holds of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Image {
    pub(super) data: Data,
    pub(super) acl: AclId,
    pub(super) stat: StatPersisted,
}

/// The freezes of a tree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Freezes {
    open: BTreeMap<FreezeId, Freeze>,
    begun: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Freeze {
    zxid: Zxid,
    digest: TxnDigest,
    acls: Arc<BTreeMap<AclId, Arc<[Acl]>>>,
    /// Nodes ahead of the cursor that have changed: as they were, `None` if they were not there.
    images: BTreeMap<Arc<str>, Option<Image>>,
    cursor: Cursor,
}

/// How far a freeze has been read.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Cursor {
    Start,
    /// The number of lists, and the lists up to this one.
    Acls(AclId),
    /// Nodes up to this one; `None`: all lists and no node.
    Nodes(Option<Arc<str>>),
    Done,
}

impl Tree {
    /// Marks the present moment. Read it by [`Tree::freeze_chunk`], then [`Tree::thaw`] it.
    pub fn freeze(&mut self) -> FreezeId {
        let freeze = Freeze {
            zxid: self.last_zxid,
            digest: self.digest(),
            acls: self.acls.lists(),
            images: BTreeMap::new(),
            cursor: Cursor::Start,
        };
        let freezes = &mut self.nodes.freezes;
        freezes.begun += 1;
        let id = FreezeId(freezes.begun);
        freezes.open.insert(id, freeze);
        id
    }

    /// The last transaction that the frozen tree holds. `id` is not thawed.
    pub fn freeze_zxid(&self, id: FreezeId) -> Zxid {
        self.frozen(id).zxid
    }

    /// The digest of the frozen tree. `id` is not thawed.
    pub fn freeze_digest(&self, id: FreezeId) -> TxnDigest {
        self.frozen(id).digest
    }

    /// Appends the next part to `out`: about `max_bytes`, beyond it by one node at most, and one
    /// node at least. Returns whether the body is complete. `id` is not thawed.
    pub fn freeze_chunk(&mut self, id: FreezeId, max_bytes: usize, out: &mut Vec<u8>) -> bool {
        let mut freeze = self
            .nodes
            .freezes
            .open
            .remove(&id)
            .expect("chunks are read before the freeze is thawed");
        let full_at = out.len().saturating_add(max_bytes.max(1));
        freeze.write_acls(full_at, out);
        freeze.write_nodes(&self.nodes, full_at, out);
        let done = freeze.cursor == Cursor::Done;
        self.nodes.freezes.open.insert(id, freeze);
        done
    }

    /// Forgets a freeze, read to its end or not.
    pub fn thaw(&mut self, id: FreezeId) {
        let freeze = self.nodes.freezes.open.remove(&id);
        assert!(freeze.is_some(), "a freeze is thawed once");
    }

    /// How many node images the open freezes hold.
    pub fn frozen_images(&self) -> usize {
        self.nodes.freezes.open.values().map(|freeze| freeze.images.len()).sum()
    }

    fn frozen(&self, id: FreezeId) -> &Freeze {
        self.nodes.freezes.open.get(&id).expect("the freeze is not thawed")
    }
}

impl Freezes {
    /// Whether changes need to be told at all.
    pub(super) fn any(&self) -> bool {
        !self.open.is_empty()
    }

    /// Keeps what `path` is about to stop being; `None`: there is no node.
    pub(super) fn before_change(&mut self, path: &Arc<str>, node: Option<&Node>) {
        for freeze in self.open.values_mut() {
            if freeze.is_ahead(path) && !freeze.images.contains_key(path) {
                freeze.images.insert(Arc::clone(path), node.map(Node::image));
            }
        }
    }
}

impl Freeze {
    fn is_ahead(&self, path: &str) -> bool {
        match &self.cursor {
            Cursor::Start | Cursor::Acls(_) | Cursor::Nodes(None) => true,
            Cursor::Nodes(Some(written)) => path > written.as_ref(),
            Cursor::Done => false,
        }
    }

    fn write_acls(&mut self, full_at: usize, out: &mut Vec<u8>) {
        let from = match self.cursor {
            Cursor::Start => {
                put_count(out, self.acls.len());
                self.cursor = Cursor::Acls(AclId::MIN);
                Bound::Unbounded
            }
            Cursor::Acls(written) => Bound::Excluded(written),
            Cursor::Nodes(_) | Cursor::Done => return,
        };
        for (&id, list) in self.acls.range((from, Bound::Unbounded)) {
            if out.len() >= full_at {
                return;
            }
            put_long(out, id);
            put_vector(out, list);
            self.cursor = Cursor::Acls(id);
        }
        self.cursor = Cursor::Nodes(None);
    }

    /// Merges the live nodes with the images, which take precedence.
    fn write_nodes(&mut self, nodes: &Nodes, full_at: usize, out: &mut Vec<u8>) {
        let Cursor::Nodes(written) = &self.cursor else { return };
        let from = match written {
            Some(path) => Bound::Excluded(path.to_string()),
            None => Bound::Unbounded,
        };
        let mut live = nodes.range((from, Bound::Unbounded)).peekable();
        while out.len() < full_at {
            let image_first = match (live.peek(), self.images.first_key_value()) {
                (None, None) => {
                    put_string(out, ROOT);
                    self.cursor = Cursor::Done;
                    return;
                }
                (Some((path, _)), Some((changed, _))) => changed <= path,
                (live, _) => live.is_none(),
            };
            let (path, image) = if image_first {
                let (path, image) = self.images.pop_first().expect("seen just now");
                live.next_if(|(live, _)| **live == path);
                (path, image)
            } else {
                let (path, node) = live.next().expect("seen just now");
                (Arc::clone(path), Some(node.image()))
            };
            if let Some(image) = image {
                image.write(&path, out);
            }
            self.cursor = Cursor::Nodes(Some(path));
        }
    }
}

impl Image {
    fn write(&self, path: &str, out: &mut Vec<u8>) {
        put_string(out, if path == ROOT { "" } else { path });
        put_buffer(out, self.data.as_deref());
        put_long(out, self.acl);
        self.stat.encode(out);
    }
}

/// The whole body of the present tree at once.
impl Encode for Tree {
    fn encode(&self, out: &mut Vec<u8>) {
        let lists = self.acls.lists();
        put_count(out, lists.len());
        for (&id, list) in lists.iter() {
            put_long(out, id);
            put_vector(out, list);
        }
        for (path, node) in self.nodes.iter() {
            node.image().write(path, out);
        }
        put_string(out, ROOT);
    }
}
