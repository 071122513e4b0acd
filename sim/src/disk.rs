//! A host's disk: a serial queue of operations with latencies and faults, over [`Inode`]s and
//! [`Names`].
//!
//! Durability is what POSIX promises and no more (fsync(2)): a file's data and size by a sync of
//! the file, a name by a sync of its directory. Killing the process keeps all that was submitted;
//! a power loss keeps what was synced, and any part of the rest. Faults carry the errno of Linux.
//!
//! The disk is plain data: time and randomness come as arguments or from its own named streams.

mod damage;
pub mod directory;
mod fault;
pub mod inode;
mod operation;
mod program;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};

use crate::seed::Draws;
use crate::streams;
pub use damage::{DiskImage, Rotten};
use directory::{InodeId, Names, normal};
use fault::Faults;
pub use fault::{DiskFault, DiskFaultId, Gone};
use inode::Inode;
pub use operation::{
    Change, Creation, EEXIST, EIO, EISDIR, ENOENT, ENOSPC, ENOTDIR, ENOTEMPTY, Errno, Handle, OpId,
    OpKind, OpenHow, Operation, Outcome, Stat,
};

/// An operation is done this long before its latency ends: the timers of a simulated host count
/// whole milliseconds, and this makes that a rounding instead of a rounding up.
const ROUNDING_NS: u64 = 500_000;

/// How long operations take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiskSettings {
    /// A write, and each other operation that only touches memory, in microseconds.
    pub write_us: u64,
    /// A read, in microseconds.
    pub read_us: u64,
    /// A sync of a file or a directory, in microseconds.
    pub sync_us: u64,
    /// Each latency varies by up to this share either way, in percent (at most 100).
    pub jitter_percent: u64,
}

impl Default for DiskSettings {
    fn default() -> DiskSettings {
        DiskSettings { write_us: 20, read_us: 50, sync_us: 1_000, jitter_percent: 40 }
    }
}

#[derive(Debug)]
struct Queued {
    id: OpId,
    due_ns: u64,
    operation: Operation,
    wanted: bool,
}

#[derive(Debug)]
struct OpenFile {
    inode: InodeId,
    error: Option<Errno>,
    /// Whether the first error of a commit is told by every later one.
    is_sticky: bool,
}

/// One host's disk.
#[derive(Debug)]
pub struct Disk {
    seed: u64,
    host: u32,
    settings: DiskSettings,
    latency: Draws,
    /// See [`ROUNDING_NS`].
    rounding_ns: u64,
    power_losses: u64,
    names: Names,
    inodes: BTreeMap<InodeId, Inode>,
    open: BTreeMap<Handle, OpenFile>,
    queue: VecDeque<Queued>,
    results: BTreeMap<OpId, Result<Outcome, Errno>>,
    busy_until_ns: u64,
    next_id: u64,
    faults: Faults,
    syncs_begun: u64,
    syncs: u64,
    /// How many sectors were written elsewhere.
    strays: u64,
    /// What the last sync of a file made durable: nothing was made durable after it.
    newest: Option<(InodeId, BTreeSet<u64>)>,
}

impl Disk {
    /// An empty disk, whose draws come from streams of `host`.
    pub fn new(seed: u64, host: u32, settings: DiskSettings) -> Disk {
        Disk {
            seed,
            host,
            settings,
            latency: Draws::for_host(seed, streams::DISK_LATENCY, host, 0),
            rounding_ns: ROUNDING_NS,
            power_losses: 0,
            names: Names::default(),
            inodes: BTreeMap::new(),
            open: BTreeMap::new(),
            queue: VecDeque::new(),
            results: BTreeMap::new(),
            busy_until_ns: 0,
            next_id: 0,
            faults: Faults::default(),
            syncs_begun: 0,
            syncs: 0,
            strays: 0,
            newest: None,
        }
    }

    /// The same disk for a host whose timers count nanoseconds: nothing is rounded.
    pub fn exact(self) -> Disk {
        Disk { rounding_ns: 0, ..self }
    }

    /// Queues an operation. It will be done even if nobody asks for its result.
    pub fn submit(&mut self, now_ns: u64, operation: Operation) -> OpId {
        let is_sync =
            matches!(operation, Operation::Commit { sync: true, .. } | Operation::SyncDir(_));
        self.syncs_begun += u64::from(is_sync);
        let id = OpId(self.fresh_id());
        let start_ns = self.busy_until_ns.max(now_ns);
        let due_ns = start_ns.saturating_add(self.latency_ns(&operation));
        self.busy_until_ns = due_ns;
        self.queue.push_back(Queued { id, due_ns, operation, wanted: true });
        id
    }

    /// When an operation that is still queued will be done; none while the disk stalls.
    pub fn due_ns(&self, id: OpId) -> Option<u64> {
        if self.faults.is_stalled() {
            return None;
        }
        // The queue is sorted by identifier.
        let at = self.queue.binary_search_by_key(&id, |queued| queued.id).ok()?;
        Some(self.queue[at].due_ns.saturating_sub(self.rounding_ns))
    }

    /// Does what is due by `now_ns`, in order.
    pub fn advance(&mut self, now_ns: u64) {
        if self.faults.is_stalled() {
            return;
        }
        let limit_ns = now_ns.saturating_add(self.rounding_ns);
        while self.queue.front().is_some_and(|queued| queued.due_ns <= limit_ns) {
            let queued = self.queue.pop_front().expect("the queue has a front");
            let result = self.perform(queued.operation);
            if queued.wanted {
                self.results.insert(queued.id, result);
            }
        }
    }

    /// The result of an operation that is done. It is told once.
    pub fn take(&mut self, id: OpId) -> Option<Result<Outcome, Errno>> {
        self.results.remove(&id)
    }

    /// Nobody will ask for the result. The operation is done all the same.
    pub fn abandon(&mut self, id: OpId) {
        if let Some(Ok(Outcome::File(file))) = self.results.remove(&id) {
            self.close(file);
        }
        if let Ok(at) = self.queue.binary_search_by_key(&id, |queued| queued.id) {
            self.queue[at].wanted = false;
        }
    }

    /// The process was killed: what was submitted will be done, but for syncs, which may not have
    /// begun; handles are closed after it.
    pub fn kill_process(&mut self) {
        self.results.clear();
        for queued in &mut self.queue {
            queued.wanted = false;
            if let Operation::Commit { sync, .. } = &mut queued.operation {
                *sync = false;
            }
        }
        let open: Vec<Handle> = self.open.keys().copied().collect();
        for file in open {
            let id = OpId(self.fresh_id());
            let due_ns = self.busy_until_ns;
            let operation = Operation::Close(file);
            self.queue.push_back(Queued { id, due_ns, operation, wanted: false });
        }
    }

    /// The power went away at `now_ns`: what was not synced survives in any part.
    pub fn lose_power(&mut self, now_ns: u64) {
        self.advance(now_ns);
        self.kill_process();
        // What the kernel had accepted may have reached the disk or not, as any unsynced change.
        for queued in std::mem::take(&mut self.queue) {
            if let Operation::Commit { file, changes, .. } = queued.operation
                && let Some(open) = self.open.get(&file)
                && let Some(inode) = self.inodes.get_mut(&open.inode)
            {
                changes.iter().for_each(|change| apply(inode, change));
            }
        }
        self.open.clear();
        self.busy_until_ns = now_ns;
        let index = self.power_losses;
        self.power_losses += 1;
        self.names.lose_power(&mut Draws::for_host(
            self.seed,
            streams::LOST_NAMES,
            self.host,
            index,
        ));
        self.collect();
        let mut draws = Draws::for_host(self.seed, streams::LOST_SECTORS, self.host, index);
        for file in self.inodes.values_mut() {
            file.lose_power(&mut draws);
        }
    }

    /// Begins a fault.
    pub fn add_fault(&mut self, fault: DiskFault) -> DiskFaultId {
        let id = DiskFaultId(self.fresh_id());
        self.faults.begin(id, fault);
        id
    }

    /// Ends a fault at `now_ns`. Writes that went wrong meanwhile stay wrong. What a stall held up is done from then on, and what slowness has left
    /// of an operation goes on at the speed without it: no effect outlasts its fault.
    pub fn remove_fault(&mut self, now_ns: u64, id: DiskFaultId) {
        let ended = self.faults.end(id);
        if let Some(factor) = ended.factor {
            self.speed_up(now_ns, id, factor.max(1));
        }
        if ended.goes_on {
            for queued in &mut self.queue {
                queued.due_ns = queued.due_ns.max(now_ns);
            }
            self.busy_until_ns = self.busy_until_ns.max(now_ns);
        }
    }

    /// Divides what is left of the operations that were submitted under a slowness.
    fn speed_up(&mut self, now_ns: u64, slowness: DiskFaultId, factor: u64) {
        let mut earliest_ns = 0;
        for queued in &mut self.queue {
            // Identifiers of faults and operations come from one count.
            if queued.id.0 > slowness.0 {
                let left_ns = queued.due_ns.saturating_sub(now_ns);
                queued.due_ns = queued.due_ns.min(now_ns.saturating_add(left_ns / factor));
            }
            queued.due_ns = queued.due_ns.max(earliest_ns);
            earliest_ns = queued.due_ns;
        }
        let last_ns = self.queue.back().map(|queued| queued.due_ns);
        self.busy_until_ns = last_ns.unwrap_or(self.busy_until_ns.min(now_ns));
    }

    /// How many syncs of files and directories were asked for.
    pub fn syncs_begun(&self) -> u64 {
        self.syncs_begun
    }

    /// How many syncs of files and directories have succeeded.
    pub fn syncs(&self) -> u64 {
        self.syncs
    }

    /// Whether a power loss now would change nothing.
    pub fn is_durable(&self) -> bool {
        self.queue.is_empty()
            && self.names.is_durable()
            && self.inodes.values().all(Inode::is_durable)
    }

    /// A file's content as a read would see it, at no cost in time: for the harness.
    pub fn peek(&self, path: &str) -> Option<&[u8]> {
        let inode = self.names.file(&normal(path)).ok()?;
        self.inodes.get(&inode).map(Inode::content)
    }

    fn fresh_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    fn latency_ns(&mut self, operation: &Operation) -> u64 {
        let DiskSettings { write_us, read_us, sync_us, .. } = self.settings;
        let base_us = match operation {
            Operation::Close(_) => return 0,
            Operation::Commit { changes, sync, .. } => {
                let writes_us = write_us.saturating_mul(changes.len() as u64);
                writes_us.saturating_add(if *sync { sync_us } else { 0 })
            }
            Operation::SyncDir(_) => sync_us,
            _ if operation.kind() == Some(OpKind::Read) => read_us,
            _ => write_us,
        };
        let jitter = self.settings.jitter_percent.min(100);
        let percent = self.latency.range(100 - jitter, 100 + jitter);
        base_us.saturating_mul(10 * percent).saturating_mul(self.faults.slowness())
    }

    fn perform(&mut self, operation: Operation) -> Result<Outcome, Errno> {
        if let Some(kind) = operation.kind()
            && let Some(errno) = self.faults.injected_error(kind)
            && !(errno == ENOSPC && self.is_there(&operation))
        {
            return Err(errno);
        }
        match operation {
            Operation::Create(path) => self.create(&normal(&path)),
            Operation::Open(path) => {
                let inode = self.names.file(&normal(&path))?;
                Ok(self.open(inode))
            }
            Operation::Commit { file, changes, sync } => self.commit(file, &changes, sync),
            Operation::Close(file) => {
                self.close(file);
                Ok(Outcome::Done)
            }
            Operation::Read(path, offset, len) => {
                let content = self.content(&path)?;
                let start = usize::try_from(offset).unwrap_or(usize::MAX).min(content.len());
                let end = start.saturating_add(len).min(content.len());
                Ok(Outcome::Bytes(content[start..end].to_vec()))
            }
            Operation::Len(path) => Ok(Outcome::Len(self.content(&path)?.len() as u64)),
            Operation::List(dir) => self.names.list(&normal(&dir)).map(Outcome::Names),
            Operation::CreateDirs(dir) => {
                self.names.create_directories(&normal(&dir)).map(|()| Outcome::Done)
            }
            Operation::OpenWith(path, how) => self.open_with(&normal(&path), how),
            Operation::ReadOpen(file, offset, len) => Ok(self.read_open(file, offset, len)),
            Operation::LenOpen(file) => Ok(self.len_open(file)),
            Operation::Stat(path) => self.stat(&normal(&path)),
            Operation::CreateDir(dir) => {
                self.names.create_directory(&normal(&dir)).map(|()| Outcome::Done)
            }
            Operation::RemoveDir(dir) => {
                self.names.remove_directory(&normal(&dir)).map(|()| Outcome::Done)
            }
            Operation::Rename(from, to) => {
                self.names.rename(&normal(&from), &normal(&to)).map(|()| Outcome::Done)
            }
            Operation::Remove(path) => self.names.unlink(&normal(&path)).map(|()| Outcome::Done),
            Operation::SyncDir(dir) => {
                self.names.sync(&normal(&dir))?;
                self.syncs += 1;
                self.collect();
                Ok(Outcome::Done)
            }
        }
    }

    fn commit(&mut self, file: Handle, changes: &[Change], sync: bool) -> Result<Outcome, Errno> {
        let open = self.open.get(&file).expect("a handle commits before it closes");
        if let Some(errno) = open.error {
            return Err(errno);
        }
        let inode = open.inode;
        let result = self.commit_to(inode, changes, sync);
        let open = self.open.get_mut(&file).expect("still open");
        open.error = result.err().filter(|_| open.is_sticky);
        result.map(|()| Outcome::Done)
    }

    fn commit_to(&mut self, inode: InodeId, changes: &[Change], sync: bool) -> Result<(), Errno> {
        for change in changes {
            let (kind, len) = match change {
                Change::Append(bytes) | Change::WriteAt(_, bytes) => (OpKind::Write, bytes.len()),
                Change::Truncate(_) => (OpKind::Truncate, 0),
            };
            let injected = self.faults.injected_error(kind);
            // A full disk takes what needs no space.
            let needs_space = !self.is_overwriting(inode, change);
            let Some(errno) = injected.filter(|errno| *errno != ENOSPC || needs_space) else {
                let gone = match kind {
                    OpKind::Write => self.faults.next_write_is(),
                    _ => None,
                };
                let file = self.file(inode);
                apply(file, change);
                if let Some(gone) = gone {
                    match change {
                        Change::WriteAt(offset, _) => file.doom_at(*offset, len, &gone),
                        _ => file.doom(len, &gone),
                    }
                }
                continue;
            };
            // A write that fails may have written a part (write(2)).
            if kind == OpKind::Write {
                let written = self.latency.range(0, len as u64) as usize;
                apply(self.file(inode), &change.cut(written));
            }
            return Err(errno);
        }
        if !sync {
            return Ok(());
        }
        if let Some(errno) = self.faults.injected_error(OpKind::Sync) {
            self.file(inode).fail_sync();
            return Err(errno);
        }
        self.newest = Some((inode, self.file(inode).unsynced_sectors()));
        let strays = self.file(inode).sync();
        self.misdirect(inode, strays);
        self.syncs += 1;
        Ok(())
    }

    /// Whether an operation makes directories of which there is nothing to make.
    fn is_there(&self, operation: &Operation) -> bool {
        matches!(operation, Operation::CreateDirs(dir) if self.names.list(&normal(dir)).is_ok())
    }

    /// Whether a change writes nothing but what the file has room for already.
    fn is_overwriting(&self, inode: InodeId, change: &Change) -> bool {
        let len = self.inodes.get(&inode).map_or(0, |file| file.content().len() as u64);
        match change {
            Change::WriteAt(offset, bytes) => offset.saturating_add(bytes.len() as u64) <= len,
            Change::Append(_) | Change::Truncate(_) => false,
        }
    }

    fn create(&mut self, path: &str) -> Result<Outcome, Errno> {
        match self.names.file(path) {
            Ok(inode) => {
                self.file(inode).truncate(0);
                Ok(self.open(inode))
            }
            Err(ENOENT) => {
                let inode = InodeId(self.fresh_id());
                self.names.link(path, inode)?;
                self.inodes.insert(inode, Inode::default());
                Ok(self.open(inode))
            }
            Err(errno) => Err(errno),
        }
    }

    fn open(&mut self, inode: InodeId) -> Outcome {
        let file = Handle(self.fresh_id());
        self.open.insert(file, OpenFile { inode, error: None, is_sticky: true });
        Outcome::File(file)
    }

    fn close(&mut self, file: Handle) {
        if self.open.remove(&file).is_some() {
            self.collect();
        }
    }

    fn file(&mut self, inode: InodeId) -> &mut Inode {
        self.inodes.get_mut(&inode).expect("a named or open file is kept")
    }

    fn content(&self, path: &str) -> Result<&[u8], Errno> {
        let inode = self.names.file(&normal(path))?;
        Ok(self.inodes.get(&inode).expect("a named file is kept").content())
    }

    /// Frees files that have neither a name nor a handle.
    fn collect(&mut self) {
        let mut kept: BTreeSet<InodeId> = self.names.inodes().collect();
        kept.extend(self.open.values().map(|open| open.inode));
        self.inodes.retain(|inode, _| kept.contains(inode));
    }
}

fn apply(file: &mut Inode, change: &Change) {
    match change {
        Change::Append(bytes) => file.append(bytes),
        Change::WriteAt(offset, bytes) => file.write_at(*offset, bytes),
        Change::Truncate(len) => file.truncate(*len),
    }
}

#[cfg(test)]
mod tests;
