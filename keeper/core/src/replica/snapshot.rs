//! Snapshots: written beside the work when enough transactions have gathered, and received whole
//! from a leader.

use bytes::Bytes;

use crate::effect::DiskOp;
use crate::event::DiskToken;
use crate::ids::Zxid;
use crate::jute::{DecodeError, Reader};
use crate::limits;
use crate::log::purge::LOGS_HELD_BACK;
use crate::log::{Progress, SnapshotData, SnapshotReader, SnapshotWriter};
use crate::observation::{Observation, SyncKind};
use crate::wire::quorum::QuorumDecoder;
use crate::wire::quorum::payload::EXACT;
use crate::zab::ensemble::Settings;
use crate::{always, planted, reachable, sometimes};
use probe::Probe;

use super::follower::IncomingSnapshot;
use super::following::SNAPSHOT_SIGNATURE;
use super::{FollowerPhase, Replica, Role};

/// A snapshot on its way to the disk, one chunk at a time.
#[derive(Debug)]
pub(super) struct SnapshotJob {
    writer: SnapshotWriter,
    /// The last chunk's disk operation; the next one waits for it.
    token: DiskToken,
}

impl<I: Probe<Observation>> Replica<I> {
    /// Begins a snapshot after `snapCount` transactions, or half as many on some servers, so that
    /// an ensemble's members do not all write at once.
    pub(super) fn begin_snapshot_if_due(&mut self) {
        let due = self.transactions_since_snapshot >= snapshot_after(&self.settings, self.id().0);
        if !due || self.snapshot.is_some() {
            return;
        }
        self.transactions_since_snapshot = 0;
        reachable!(self, SnapshotBegun);
        sometimes!(self, SnapshotWithTail, self.history.unapplied() > 0);
        self.disk(DiskOp::Roll);
        let mut chunk = Vec::new();
        let spoilt = if I::EVENTS { self.spoilt_sessions() } else { None };
        let sessions = spoilt.as_ref().unwrap_or(&self.sessions);
        let writer = SnapshotWriter::file(&mut self.tree, sessions, &mut chunk);
        let zxid = writer.zxid();
        let applied = self.history.applied();
        always!(self, SnapshotIsApplied, zxid == applied, "a snapshot of {zxid} at {applied}");
        self.disk(DiskOp::SnapshotBegin { zxid });
        let token = self.disk(DiskOp::SnapshotChunk(Bytes::from(chunk)));
        self.snapshot = Some(SnapshotJob { writer, token });
    }

    /// The next chunk, once the disk has taken the last one.
    pub(super) fn advance_snapshot(&mut self) {
        let persisted = self.persisted;
        let Some(mut job) = self.snapshot.take_if(|job| persisted >= job.token) else { return };
        let mut chunk = Vec::new();
        let done = job.writer.chunk(&mut self.tree, limits::SNAPSHOT_CHUNK_BYTES, &mut chunk);
        job.token = self.disk(DiskOp::SnapshotChunk(Bytes::from(chunk)));
        if done {
            self.disk(DiskOp::SnapshotEnd { zxid: job.writer.zxid() });
            self.purge_if_due();
        } else {
            self.snapshot = Some(job);
        }
    }

    /// Old files are of use until a new snapshot is durable, so that is when to remove them.
    fn purge_if_due(&mut self) {
        let Some(purge) = self.settings.purge else { return };
        let now_ms = self.now.mono_ms;
        if self.purged_ms.is_some_and(|last_ms| now_ms < last_ms + purge.interval_ms) {
            return;
        }
        self.purged_ms = Some(now_ms);
        // What the newest snapshot covers is not all that the log before it holds.
        let (snapshots, logs) = match planted!(self, PurgeLogInUse) {
            true => (1, 0),
            false => (purge.retain_count, LOGS_HELD_BACK),
        };
        self.disk(DiskOp::Purge { snapshots, logs });
    }

    /// `mark` is what comes with SNAP.
    pub(super) fn on_snap(&mut self, zxid: Zxid, mark: &[u8]) -> Result<(), String> {
        self.observe(|| Observation::SyncBegun { kind: SyncKind::Snap });
        reachable!(self, LearnerReceivesSnapshot);
        let Role::Following(follower) = &mut self.role else { return Ok(()) };
        follower.phase = FollowerPhase::ReceivingSnapshot;
        follower.snapshot = Some(IncomingSnapshot {
            zxid,
            is_exact: mark == EXACT,
            reader: SnapshotReader::stream(),
            rest: None,
        });
        let bytes = follower.decoder.take_rest();
        self.on_snapshot_bytes(&bytes)
    }

    /// More of the leader's tree, and perhaps its end and what follows.
    pub(super) fn on_snapshot_bytes(&mut self, bytes: &[u8]) -> Result<(), String> {
        let Role::Following(follower) = &mut self.role else { return Ok(()) };
        let Some(incoming) = &mut follower.snapshot else { return Ok(()) };
        match &mut incoming.rest {
            Some(rest) => rest.extend_from_slice(bytes),
            None => match incoming.reader.push(bytes).map_err(|error| error.to_string())? {
                Progress::More => return Ok(()),
                Progress::Complete => incoming.rest = Some(incoming.reader.take_rest()),
            },
        }
        let rest = incoming.rest.as_deref().unwrap_or_default();
        let mut reader = Reader::new(rest);
        match reader.string() {
            Ok(signature) if signature == SNAPSHOT_SIGNATURE => {}
            Ok(other) => return Err(format!("a snapshot signed {other:?}")),
            Err(DecodeError::Truncated { .. }) => return Ok(()),
            Err(error) => return Err(error.to_string()),
        }
        let behind = rest[reader.offset()..].to_vec();
        let incoming = follower.snapshot.take().expect("it is there");
        follower.decoder = QuorumDecoder::new(limits::QUORUM_PACKET_BYTES_MAX);
        follower.decoder.push(&behind);
        let data = incoming.reader.finish(incoming.zxid).map_err(|error| error.to_string())?;
        self.install(data, incoming.is_exact);
        Ok(())
    }

    /// Takes over a leader's tree. It is written out whole before anything that follows it, so a log
    /// that continues it never stands without it (ZOOKEEPER-3642).
    fn install(&mut self, data: SnapshotData, is_exact: bool) {
        let zxid = data.last_zxid;
        reachable!(self, SnapshotInstalled);
        if let Some(job) = self.snapshot.take() {
            reachable!(self, SnapshotAbandoned);
            job.writer.abandon(&mut self.tree);
            self.disk(DiskOp::SnapshotAbort);
        }
        let dead_tail = self.history.last() > zxid;
        sometimes!(self, SnapshotReplacesTail, dead_tail);
        self.tree = data.tree;
        self.may_be_ahead = !is_exact;
        self.sessions = data.sessions;
        self.set_config_node();
        self.transactions_since_snapshot = 0;
        // Planted: the tree is in memory only.
        let token = if planted!(self, Zk3642) { self.persisted } else { self.save(zxid) };
        self.history.reset(zxid, token);
        if dead_tail {
            // Only behind the snapshot: a crash in between must not leave less than there was.
            self.disk(DiskOp::Truncate { zxid });
            self.observe(|| Observation::Truncated { zxid });
        }
        if I::EVENTS {
            self.spoil_installed();
            self.observe_all_orphans();
        }
        self.purge_if_due();
        let digest = self.digest();
        self.observe(|| Observation::Replaced { zxid, digest });
        if let Role::Following(follower) = &mut self.role {
            follower.phase = FollowerPhase::AwaitingNewLeader;
            follower.committed = zxid;
            follower.common = zxid;
        }
    }

    /// Writes the whole tree, which stands at `zxid`, in one go.
    fn save(&mut self, zxid: Zxid) -> DiskToken {
        self.disk(DiskOp::Roll);
        let mut chunk = Vec::new();
        let mut writer = SnapshotWriter::file(&mut self.tree, &self.sessions, &mut chunk);
        if self.may_be_ahead {
            writer = writer.without_digest();
        }
        self.disk(DiskOp::SnapshotBegin { zxid });
        loop {
            let done = writer.chunk(&mut self.tree, limits::SNAPSHOT_CHUNK_BYTES, &mut chunk);
            self.disk(DiskOp::SnapshotChunk(Bytes::from(std::mem::take(&mut chunk))));
            if done {
                return self.disk(DiskOp::SnapshotEnd { zxid });
            }
        }
    }
}

fn snapshot_after(settings: &Settings, server: u64) -> u64 {
    let half = settings.snap_count / 2;
    (half + half * (server % 4 + 1) / 4).max(1)
}
