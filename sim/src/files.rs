//! A host's files on its simulated [`crate::disk::Disk`], the same on every engine.

use std::future::Future;
use std::io;

use platform::{File, Files};

use crate::disk::{Change, Handle, Operation, Outcome};

/// How a host's program reaches its disk.
pub trait DiskAccess: Clone + Send + Sync + 'static {
    /// Performs an operation. It is done even if the future is dropped once it was polled; of a
    /// program that has been killed it never ends.
    fn perform(&self, operation: Operation) -> impl Future<Output = io::Result<Outcome>> + Send;

    /// Has an operation done whose result nobody asks for. Nothing happens if the program has been
    /// killed or the world is gone.
    fn leave(&self, operation: Operation);
}

/// The files of one host.
#[derive(Clone, Copy)]
pub struct DiskFiles<D> {
    disk: D,
}

impl<D: DiskAccess> DiskFiles<D> {
    pub(crate) fn new(disk: D) -> DiskFiles<D> {
        DiskFiles { disk }
    }

    async fn open_with(&self, operation: Operation) -> io::Result<DiskFile<D>> {
        match self.disk.perform(operation).await? {
            Outcome::File(handle) => {
                Ok(DiskFile { disk: self.disk.clone(), handle, queued: Vec::new() })
            }
            other => unreachable!("opening a file ended with {other:?}"),
        }
    }

    async fn read_range(&self, path: &str, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        match self.disk.perform(Operation::Read(path.to_owned(), offset, len)).await? {
            Outcome::Bytes(bytes) => Ok(bytes),
            other => unreachable!("reading ended with {other:?}"),
        }
    }
}

impl<D: DiskAccess> Files for DiskFiles<D> {
    type File = DiskFile<D>;

    async fn create(&self, path: &str) -> io::Result<DiskFile<D>> {
        self.open_with(Operation::Create(path.to_owned())).await
    }

    async fn open_append(&self, path: &str) -> io::Result<DiskFile<D>> {
        self.open_with(Operation::Open(path.to_owned())).await
    }

    async fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        self.read_range(path, 0, usize::MAX).await
    }

    async fn read_at(&self, path: &str, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        self.read_range(path, offset, len).await
    }

    async fn len(&self, path: &str) -> io::Result<u64> {
        match self.disk.perform(Operation::Len(path.to_owned())).await? {
            Outcome::Len(len) => Ok(len),
            other => unreachable!("asking for a size ended with {other:?}"),
        }
    }

    async fn list(&self, dir: &str) -> io::Result<Vec<String>> {
        match self.disk.perform(Operation::List(dir.to_owned())).await? {
            Outcome::Names(names) => Ok(names),
            other => unreachable!("listing ended with {other:?}"),
        }
    }

    async fn create_dir_all(&self, dir: &str) -> io::Result<()> {
        self.disk.perform(Operation::CreateDirs(dir.to_owned())).await.map(drop)
    }

    async fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.disk.perform(Operation::Rename(from.to_owned(), to.to_owned())).await.map(drop)
    }

    async fn remove(&self, path: &str) -> io::Result<()> {
        self.disk.perform(Operation::Remove(path.to_owned())).await.map(drop)
    }

    async fn sync_dir(&self, dir: &str) -> io::Result<()> {
        self.disk.perform(Operation::SyncDir(dir.to_owned())).await.map(drop)
    }
}

/// An open file of a host. What is queued reaches the disk with the next flush or sync, or when the
/// handle is dropped; a kill of the program before that loses it.
pub struct DiskFile<D: DiskAccess> {
    disk: D,
    handle: Handle,
    queued: Vec<Change>,
}

impl<D: DiskAccess> DiskFile<D> {
    fn take_queued(&mut self, sync: bool) -> Operation {
        Operation::Commit { file: self.handle, changes: std::mem::take(&mut self.queued), sync }
    }
}

impl<D: DiskAccess> File for DiskFile<D> {
    fn append(&mut self, bytes: Vec<u8>) {
        self.queued.push(Change::Append(bytes));
    }

    fn write_at(&mut self, offset: u64, bytes: Vec<u8>) {
        self.queued.push(Change::WriteAt(offset, bytes));
    }

    fn truncate(&mut self, len: u64) {
        self.queued.push(Change::Truncate(len));
    }

    async fn sync(&mut self) -> io::Result<()> {
        let operation = self.take_queued(true);
        self.disk.perform(operation).await.map(drop)
    }

    async fn flush(&mut self) -> io::Result<()> {
        let operation = self.take_queued(false);
        self.disk.perform(operation).await.map(drop)
    }
}

impl<D: DiskAccess> Drop for DiskFile<D> {
    fn drop(&mut self) {
        let commit = self.take_queued(false);
        self.disk.leave(commit);
        self.disk.leave(Operation::Close(self.handle));
    }
}
