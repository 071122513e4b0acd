//! A simulated data directory: operations take effect in order, and only when they are synced.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use keeper_core::effect::DiskOp;
use keeper_core::event::DiskToken;
use keeper_core::ids::{Epoch, SessionId, Zxid};
use keeper_core::log::{SnapshotReader, SnapshotWriter};
use keeper_core::replica::Recovered;
use keeper_core::tree::Tree;
use keeper_core::txn::{Txn, encode_txn};

/// One server's disk. What is pending is lost in a crash.
#[derive(Default)]
pub(crate) struct Disk {
    snapshot: Option<(Zxid, Vec<u8>)>,
    unfinished: Option<(Zxid, Vec<u8>)>,
    log: BTreeMap<Zxid, Bytes>,
    accepted: Epoch,
    current: Epoch,
    pending: VecDeque<(DiskToken, DiskOp)>,
    /// Whether what had been synced was lost.
    is_damaged: bool,
    /// Whether operations wait for the script.
    pub(crate) held: bool,
}

impl Disk {
    /// A disk with one snapshot and no log.
    pub(crate) fn with_snapshot(mut tree: Tree) -> Disk {
        let (sessions, zxid) = (BTreeMap::<SessionId, i32>::new(), tree.last_zxid());
        let mut bytes = Vec::new();
        let mut writer = SnapshotWriter::file(&mut tree, &sessions, &mut bytes);
        while !writer.chunk(&mut tree, 1 << 20, &mut bytes) {}
        Disk { snapshot: Some((zxid, bytes)), ..Disk::default() }
    }

    /// A disk with a log and no snapshot, of a server that was last in this epoch.
    pub(crate) fn with_log(epoch: Epoch, txns: impl Iterator<Item = Txn>) -> Disk {
        let record = |txn: Txn| {
            let mut bytes = Vec::new();
            encode_txn(&txn, None, &mut bytes);
            (txn.header.zxid, Bytes::from(bytes))
        };
        Disk { log: txns.map(record).collect(), accepted: epoch, current: epoch, ..Disk::default() }
    }

    /// A disk as Apache leaves it if it is stopped while it writes: a snapshot of the first of these transactions that
    /// shows all of them, and the log.
    pub(crate) fn ahead(txns: &[Txn]) -> Disk {
        let (mut tree, mut log) = (Tree::new(), BTreeMap::new());
        for txn in txns {
            tree.apply(txn);
            let mut bytes = Vec::new();
            encode_txn(txn, None, &mut bytes);
            log.insert(txn.header.zxid, Bytes::from(bytes));
        }
        let (_, bytes) = Disk::with_snapshot(tree).snapshot.unwrap();
        let (first, last) = (txns[0].header.zxid, txns[txns.len() - 1].header.zxid);
        let (accepted, current) = (last.epoch(), last.epoch());
        Disk { snapshot: Some((first, bytes)), log, accepted, current, ..Disk::default() }
    }

    /// A disk whose data were set aside.
    pub(crate) fn damaged() -> Disk {
        Disk { is_damaged: true, ..Disk::default() }
    }

    pub(crate) fn queue(&mut self, token: DiskToken, op: DiskOp) {
        self.pending.push_back((token, op));
    }

    /// Makes up to `count` operations durable; the last one's token.
    pub(crate) fn sync(&mut self, count: usize) -> Option<DiskToken> {
        let mut last = None;
        for _ in 0..count.min(self.pending.len()) {
            let (token, op) = self.pending.pop_front().unwrap();
            self.apply(op);
            last = Some(token);
        }
        last
    }

    fn apply(&mut self, op: DiskOp) {
        match op {
            DiskOp::Append { zxid, txn } => {
                let last = self.log.insert(zxid, txn);
                assert_eq!(last, None, "{zxid} is logged twice");
            }
            DiskOp::Roll | DiskOp::Purge { .. } => {}
            DiskOp::ClearDamage => self.is_damaged = false,
            DiskOp::Truncate { zxid } => self.log.retain(|at, _| *at <= zxid),
            DiskOp::AcceptedEpoch(epoch) => self.accepted = epoch,
            DiskOp::CurrentEpoch(epoch) => self.current = epoch,
            DiskOp::SnapshotBegin { zxid } => self.unfinished = Some((zxid, Vec::new())),
            DiskOp::SnapshotChunk(bytes) => {
                self.unfinished.as_mut().unwrap().1.extend_from_slice(&bytes);
            }
            DiskOp::SnapshotEnd { zxid } => {
                let finished = self.unfinished.take().unwrap();
                assert_eq!(finished.0, zxid);
                self.snapshot = Some(finished);
            }
            DiskOp::SnapshotAbort => self.unfinished = None,
        }
    }

    /// What is not durable is gone.
    pub(crate) fn crash(&mut self) {
        self.pending.clear();
        self.unfinished = None;
    }

    /// What a start finds.
    pub(crate) fn recover(&self) -> Recovered {
        let mut recovered = Recovered {
            accepted_epoch: self.accepted,
            current_epoch: self.current,
            is_damaged: self.is_damaged,
            ..Recovered::empty()
        };
        if let Some((zxid, bytes)) = &self.snapshot {
            let mut reader = SnapshotReader::file();
            reader.push(bytes).unwrap();
            let data = reader.finish(*zxid).unwrap();
            recovered.may_be_ahead = !data.exact;
            recovered.tree = data.tree;
            recovered.sessions = data.sessions;
        }
        let snapshot = recovered.tree.last_zxid();
        let after = self.log.iter().filter(|(zxid, _)| **zxid > snapshot);
        recovered.tail = after.map(|(zxid, txn)| (*zxid, txn.clone())).collect();
        recovered
    }
}

/// An operation in a few words.
pub(crate) fn op_text(op: &DiskOp) -> String {
    match op {
        DiskOp::Append { zxid, .. } => format!("append {zxid}"),
        DiskOp::Roll => "roll".to_owned(),
        DiskOp::ClearDamage => "clear damage".to_owned(),
        DiskOp::Truncate { zxid } => format!("truncate {zxid}"),
        DiskOp::AcceptedEpoch(epoch) => format!("acceptedEpoch {epoch}"),
        DiskOp::CurrentEpoch(epoch) => format!("currentEpoch {epoch}"),
        DiskOp::SnapshotBegin { zxid } => format!("snapshot {zxid} begin"),
        DiskOp::SnapshotChunk(_) => "snapshot chunk".to_owned(),
        DiskOp::SnapshotEnd { zxid } => format!("snapshot {zxid} end"),
        DiskOp::SnapshotAbort => "snapshot abort".to_owned(),
        DiskOp::Purge { snapshots, logs } => format!("purge {snapshots} {logs}"),
    }
}
