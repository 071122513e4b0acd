//! The disk side of a server: performs the machine's disk operations in their order.
//!
//! Neighbouring appends share one fsync (group commit); everything else is durable before the next
//! operation begins. The loop runs beside the node's own, so heartbeats go on while the disk stalls.
//! After the first error nothing more is done: what the file holds is unknown from then on, and the
//! node starts over from what it can read back.

use std::io;

use bytes::Bytes;
use keeper_core::effect::DiskOp;
use keeper_core::event::DiskToken;
use keeper_core::ids::{Epoch, Zxid};
use keeper_core::log::{FileName, append_header, append_record, epoch, truncated_len};
use keeper_core::observation::Observation;
use keeper_core::{always, planted, reachable, sometimes};
use platform::{File, Files, Platform};
use probe::Probe;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};

use crate::aside::Aside;
use crate::purge::purge;
use crate::witness::WitnessFile;

/// Operations taken at once.
const BATCH_MAX: usize = 1_024;
/// Without an append for so long the witness is synced, in milliseconds: seldom enough not to be in the way of the
/// next append, and soon enough that little is ever written of which nothing tells that it was synced.
const WITNESS_IDLE_MS: u64 = 10;

/// What the disk reports.
#[derive(Debug)]
pub(crate) enum DiskReport {
    /// Everything up to here is durable.
    Persisted(DiskToken),
    /// An operation failed; the disk side has stopped.
    Failed(DiskError),
}

/// What failed, and where.
#[derive(Debug)]
pub(crate) struct DiskError {
    /// The directory.
    pub(crate) directory: String,
    /// The operating system's word.
    pub(crate) source: io::Error,
}

/// Where a server's files are. Both directories end in ZooKeeper's `version-2`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directories {
    /// Snapshots and epochs (`dataDir`).
    pub data: String,
    /// Transaction logs (`dataLogDir`).
    pub log: String,
}

/// What the disk side knows of the directories at the start.
pub(crate) struct Start<W> {
    /// The last transaction of the history that was read back, and made durable.
    pub(crate) last: Zxid,
    /// The witness; none if there is no room for one.
    pub(crate) witness: Option<WitnessFile<W>>,
    /// What acceptedEpoch and currentEpoch hold durably.
    pub(crate) epochs: [Option<Epoch>; 2],
}

/// Performs operations until the node is gone or one fails.
pub(crate) async fn run<P: Platform, I: Probe<Observation>>(
    platform: P,
    probe: I,
    directories: Directories,
    start: Start<<P::Files as Files>::File>,
    mut operations: UnboundedReceiver<(DiskToken, DiskOp)>,
    reports: UnboundedSender<DiskReport>,
) {
    let files = platform.files();
    let Start { last, witness, epochs } = start;
    let mut disk = Disk {
        files,
        probe,
        directories,
        log: None,
        last,
        synced: last,
        snapshot: None,
        witness,
        epochs,
    };
    let mut batch = Vec::new();
    loop {
        let arrived = operations.recv_many(&mut batch, BATCH_MAX);
        let count = match disk.witness_waits() {
            false => Ok(arrived.await),
            true => platform.timeout(WITNESS_IDLE_MS, arrived).await,
        };
        let Ok(count) = count else {
            if let Err(source) = disk.settle_witness().await {
                let directory = disk.directories.log.clone();
                let _ = reports.send(DiskReport::Failed(DiskError { directory, source }));
                return;
            }
            continue;
        };
        if count == 0 {
            return;
        }
        let last = batch.last().map(|(token, _)| *token).expect("at least one was received");
        let is_log_only = batch.iter().all(|(_, op)| matches!(op, DiskOp::Append { .. }));
        let report = match disk.perform_all(batch.drain(..)).await {
            Ok(()) => DiskReport::Persisted(last),
            // Planted: what could not be logged is let go; the machine keeps it in memory.
            Err(_) if is_log_only && planted!(disk, Zk4882) => {
                disk.log = None;
                (disk.last, disk.synced) = (Zxid::ZERO, Zxid::ZERO);
                continue;
            }
            Err(error) => DiskReport::Failed(error),
        };
        let failed = matches!(report, DiskReport::Failed(_));
        if reports.send(report).is_err() || failed {
            return;
        }
    }
}

struct Disk<F: Files, I: Probe<Observation>> {
    files: F,
    probe: I,
    directories: Directories,
    log: Option<Log<F::File>>,
    /// The last transaction of the history, in the log or in a snapshot; zero if it is not known.
    last: Zxid,
    /// The last transaction that is durable; zero if it is not known.
    synced: Zxid,
    snapshot: Option<Snapshot<F::File>>,
    witness: Option<WitnessFile<F::File>>,
    /// What acceptedEpoch and currentEpoch hold durably; none if that is not known.
    epochs: [Option<Epoch>; 2],
}

/// The log file that is appended to.
struct Log<W> {
    file: W,
    /// How many transactions were appended since the last sync, one more for a new file.
    unsynced: u32,
    /// The last transaction appended.
    last: Zxid,
    /// The directory does not durably name the file yet.
    new: bool,
}

/// A snapshot in the making.
struct Snapshot<W> {
    file: W,
    temporary: String,
}

impl<F: Files, I: Probe<Observation>> Disk<F, I> {
    async fn perform_all(
        &mut self,
        operations: impl Iterator<Item = (DiskToken, DiskOp)>,
    ) -> Result<(), DiskError> {
        for (_, operation) in operations {
            let is_of_log =
                matches!(operation, DiskOp::Append { .. } | DiskOp::Roll | DiskOp::Truncate { .. });
            if let Err(source) = self.perform(operation).await {
                let Directories { data, log } = &self.directories;
                let directory = if is_of_log { log.clone() } else { data.clone() };
                return Err(DiskError { directory, source });
            }
        }
        let synced = self.sync_log().await;
        synced.map_err(|source| DiskError { directory: self.directories.log.clone(), source })
    }

    async fn perform(&mut self, operation: DiskOp) -> io::Result<()> {
        match operation {
            DiskOp::Append { zxid, txn } => self.append(zxid, &txn).await?,
            DiskOp::Roll => {
                self.sync_log().await?;
                sometimes!(self, LogRolled, self.log.is_some());
                self.log = None;
            }
            DiskOp::Truncate { zxid } => self.truncate(zxid).await?,
            DiskOp::AcceptedEpoch(value) => self.write_epoch(Which::Accepted, value).await?,
            DiskOp::CurrentEpoch(value) => self.write_epoch(Which::Current, value).await?,
            DiskOp::ClearDamage => self.clear_damage().await?,
            DiskOp::SnapshotBegin { zxid } => self.begin_snapshot(zxid).await?,
            DiskOp::SnapshotChunk(chunk) => self.add_to_snapshot(&chunk).await?,
            DiskOp::SnapshotEnd { zxid } => self.end_snapshot(zxid).await?,
            DiskOp::SnapshotAbort => self.abort_snapshot().await?,
            DiskOp::Purge { snapshots, logs } => {
                let gone = purge(&self.files, &self.directories, snapshots, logs).await?;
                sometimes!(self, PurgeRemoves, !gone.is_empty());
                if !gone.is_empty() {
                    tracing::info!(files = gone.len(), "old snapshots and logs are removed");
                }
            }
        }
        Ok(())
    }

    async fn append(&mut self, zxid: Zxid, txn: &Bytes) -> io::Result<()> {
        let mut bytes = Vec::with_capacity(txn.len() + 48);
        if self.log.is_none() {
            let path = join(&self.directories.log, &FileName::Log(zxid).to_string());
            let file = self.files.create(&path).await?;
            // Before a log is begun, everything is synced.
            self.synced = self.last;
            append_header(&mut bytes, self.last);
            reachable!(self, LogBegun);
            self.log = Some(Log { file, unsynced: 0, last: Zxid::ZERO, new: true });
        }
        append_record(&mut bytes, txn, self.synced);
        if let Some(log) = &mut self.log {
            always!(self, LogInOrder, log.last < zxid, "{zxid} after {}", log.last);
            log.file.append(bytes);
            log.unsynced += 1;
            log.last = zxid;
            self.last = zxid;
        }
        Ok(())
    }

    async fn truncate(&mut self, zxid: Zxid) -> io::Result<()> {
        self.sync_log().await?;
        let open = self.log.take();
        let upto = match zxid.0.checked_sub(1) {
            // Planted: the last one to be kept goes too.
            Some(less) if planted!(self, Zk1156) => Zxid(less),
            _ => zxid,
        };
        // The witness first: a crash in the middle of a cut may leave whole records behind torn ones, which is
        // no damage here. Whoever starts then finishes the cut.
        self.note_cut(upto, true).await?;
        let cut = match self.cut_logs(upto).await {
            // Planted: whether it could be done is not looked at.
            Err(_) if planted!(self, Zk3701) => None,
            cut => cut?,
        };
        self.note_cut(upto, false).await?;
        (self.last, self.synced) = (upto, upto);
        // Planted: the log is written on at the offset that it had before the cut.
        if let (Some(mut log), Some(hole)) = (open, cut)
            && planted!(self, Zk1489)
        {
            log.file.append(vec![0; hole]);
            log.last = zxid;
            self.log = Some(log);
        }
        Ok(())
    }

    async fn sync_log(&mut self) -> io::Result<()> {
        let Some(log) = self.log.as_mut().filter(|log| log.unsynced > 0) else { return Ok(()) };
        reachable!(self, LogUnsynced);
        sometimes!(self, GroupCommit, log.unsynced > 1);
        log.file.sync().await?;
        reachable!(self, LogSynced);
        log.unsynced = 0;
        if std::mem::take(&mut log.new) {
            self.files.sync_dir(&self.directories.log).await?;
        }
        self.note_synced(self.last);
        Ok(())
    }

    fn note_synced(&mut self, synced: Zxid) {
        self.synced = synced;
        if let Some(witness) = &mut self.witness {
            witness.note_synced(synced);
        }
    }

    async fn note_cut(&mut self, synced: Zxid, is_cutting: bool) -> io::Result<()> {
        match &mut self.witness {
            Some(witness) => witness.note_cut(synced, is_cutting).await,
            None => Ok(()),
        }
    }

    fn witness_waits(&self) -> bool {
        self.witness.as_ref().is_some_and(WitnessFile::is_pending)
    }

    async fn settle_witness(&mut self) -> io::Result<()> {
        match &mut self.witness {
            Some(witness) => witness.settle().await,
            None => Ok(()),
        }
    }

    /// The log before the epoch: a server must not claim an epoch whose history it may lose
    /// (ZOOKEEPER-4643). The witness before the file, so that only Apache can write a later one than the witness has. A file
    /// that holds the epoch stays: a full disk then keeps no server from joining its leader.
    async fn write_epoch(&mut self, which: Which, value: Epoch) -> io::Result<()> {
        self.sync_log().await?;
        if self.epochs[which as usize] == Some(value) {
            return Ok(());
        }
        self.epochs[which as usize] = None;
        if let Some(witness) = &mut self.witness {
            witness.note_epoch(which, value);
            witness.settle().await?;
        }
        let name = which.file();
        // Planted: a crash in between leaves neither the old value nor the new one.
        if planted!(self, Zk1653) {
            let mut file = self.files.create(&join(&self.directories.data, name)).await?;
            file.append(epoch::encode(name, value));
            file.sync().await?;
            return self.files.sync_dir(&self.directories.data).await;
        }
        reachable!(self, EpochUnwritten);
        let bytes = epoch::encode(name, value);
        replace(&self.files, &self.directories.data, name, bytes).await?;
        self.epochs[which as usize] = Some(value);
        reachable!(self, EpochWritten);
        Ok(())
    }

    /// A leader has brought this server up to its history, all of which is durable.
    async fn clear_damage(&mut self) -> io::Result<()> {
        self.sync_log().await?;
        self.settle_witness().await?;
        Aside { files: &self.files, directories: &self.directories }.clear_mark().await
    }

    async fn begin_snapshot(&mut self, zxid: Zxid) -> io::Result<()> {
        let is_alone = self.snapshot.is_none();
        always!(self, OneSnapshotAtATime, is_alone, "that of {zxid} meets another");
        let name = FileName::Snapshot(zxid).to_string();
        let temporary = join(&self.directories.data, &temporary_name(&name));
        let file = self.files.create(&temporary).await?;
        self.snapshot = Some(Snapshot { file, temporary });
        Ok(())
    }

    async fn add_to_snapshot(&mut self, chunk: &Bytes) -> io::Result<()> {
        if let Some(snapshot) = &mut self.snapshot {
            snapshot.file.append(chunk.to_vec());
            snapshot.file.flush().await?;
            reachable!(self, SnapshotHalfWritten);
        }
        Ok(())
    }

    /// Under its own name a snapshot is whole: a server that finds one trusts it.
    async fn end_snapshot(&mut self, zxid: Zxid) -> io::Result<()> {
        let Some(mut snapshot) = self.snapshot.take() else { return Ok(()) };
        self.sync_log().await?;
        self.settle_witness().await?;
        snapshot.file.sync().await?;
        drop(snapshot.file);
        reachable!(self, SnapshotUnnamed);
        let path = join(&self.directories.data, &FileName::Snapshot(zxid).to_string());
        self.files.rename(&snapshot.temporary, &path).await?;
        self.files.sync_dir(&self.directories.data).await?;
        // A leader's snapshot is ahead of the log.
        self.last = self.last.max(zxid);
        self.note_synced(self.last);
        reachable!(self, SnapshotFinished);
        Ok(())
    }

    async fn abort_snapshot(&mut self) -> io::Result<()> {
        match self.snapshot.take() {
            Some(snapshot) => self.files.remove(&snapshot.temporary).await,
            None => Ok(()),
        }
    }

    /// Removes every record after `zxid`, the last file first and each durably, so that a crash in
    /// between never leaves a gap. Returns how many bytes the last file lost, if it is still there.
    async fn cut_logs(&mut self, zxid: Zxid) -> io::Result<Option<usize>> {
        let (files, directory) = (&self.files, &self.directories.log);
        let mut logs = Vec::new();
        for name in files.list(directory).await? {
            if let Some(FileName::Log(first)) = FileName::parse(&name) {
                logs.push(first);
            }
        }
        logs.sort_unstable();
        let last = logs.last().copied();
        for first in logs.into_iter().rev() {
            let path = join(directory, &FileName::Log(first).to_string());
            if first > zxid {
                files.remove(&path).await?;
                files.sync_dir(directory).await?;
                reachable!(self, CutRemovesLog);
                continue;
            }
            let bytes = files.read(&path).await?;
            if let Some(len) = truncated_len(&bytes, zxid) {
                let mut file = files.open_append(&path).await?;
                file.truncate(len as u64);
                reachable!(self, CutShortensLog);
                file.sync().await?;
                return Ok((Some(first) == last).then_some(bytes.len() - len));
            }
            break;
        }
        Ok(None)
    }
}

/// One of the epoch files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Which {
    Accepted,
    Current,
}

impl Which {
    fn file(self) -> &'static str {
        match self {
            Which::Accepted => ACCEPTED_EPOCH,
            Which::Current => CURRENT_EPOCH,
        }
    }
}

/// The file that holds the last epoch promised to.
pub(crate) const ACCEPTED_EPOCH: &str = "acceptedEpoch";
/// The file that holds the last epoch joined.
pub(crate) const CURRENT_EPOCH: &str = "currentEpoch";

/// Replaces a small file so that after a crash it is either the old one or the new one.
pub(crate) async fn replace<F: Files>(
    files: &F,
    directory: &str,
    name: &str,
    bytes: Vec<u8>,
) -> io::Result<()> {
    let temporary = join(directory, &temporary_name(name));
    let mut file = files.create(&temporary).await?;
    file.append(bytes);
    file.sync().await?;
    drop(file);
    files.rename(&temporary, &join(directory, name)).await?;
    files.sync_dir(directory).await
}

pub(crate) fn temporary_name(name: &str) -> String {
    format!("{name}.tmp")
}

pub(crate) fn join(directory: &str, name: &str) -> String {
    format!("{directory}/{name}")
}
