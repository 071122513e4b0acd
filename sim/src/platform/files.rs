//! A host's files on its simulated [`crate::disk::Disk`].

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use platform::{File, Files};
use tokio::time::{Instant, Sleep};

use super::SimPlatform;
use crate::disk::{Change, Errno, Handle, OpId, Operation, Outcome};
use crate::net::stream::os_error;
use crate::trace::Kind;

/// The files of one host.
#[derive(Clone)]
pub struct SimFiles {
    platform: SimPlatform,
}

impl SimFiles {
    pub(super) fn new(platform: SimPlatform) -> SimFiles {
        SimFiles { platform }
    }

    /// Submits an operation, unless the host's program has been killed.
    fn submit(&self, operation: Operation) -> Option<OpId> {
        let now_ns = self.platform.shared.now_ns();
        let host = self.platform.host;
        self.platform.shared.with(|state| {
            if !self.platform.is_alive(state) {
                return None;
            }
            match &operation {
                Operation::Commit { changes, sync, .. } => {
                    for change in changes {
                        match change {
                            Change::Append(bytes) => {
                                state.record(Some(host), Kind::DiskSubmitted, bytes);
                            }
                            Change::Truncate(len) => {
                                let content = len.to_le_bytes();
                                state.record(Some(host), Kind::DiskSubmitted, &content);
                            }
                        }
                    }
                    let end: &[u8] = if *sync { b"sync" } else { b"flush" };
                    state.record(Some(host), Kind::DiskSubmitted, end);
                }
                other => {
                    let content = format!("{other:?}");
                    state.record(Some(host), Kind::DiskSubmitted, content.as_bytes());
                }
            }
            Some(state.host_mut(host).disk.submit(now_ns, operation))
        })
    }

    async fn run(&self, operation: Operation) -> io::Result<Outcome> {
        match self.submit(operation) {
            Some(id) => Completion { files: self.clone(), id, done: false, sleep: None }.await,
            None => std::future::pending().await,
        }
    }

    async fn open_with(&self, operation: Operation) -> io::Result<SimFile> {
        match self.run(operation).await? {
            Outcome::File(handle) => {
                Ok(SimFile { files: self.clone(), handle, queued: Vec::new() })
            }
            other => unreachable!("opening a file ended with {other:?}"),
        }
    }

    async fn read_range(&self, path: &str, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        match self.run(Operation::Read(path.to_owned(), offset, len)).await? {
            Outcome::Bytes(bytes) => Ok(bytes),
            other => unreachable!("reading ended with {other:?}"),
        }
    }
}

impl Files for SimFiles {
    type File = SimFile;

    async fn create(&self, path: &str) -> io::Result<SimFile> {
        self.open_with(Operation::Create(path.to_owned())).await
    }

    async fn open_append(&self, path: &str) -> io::Result<SimFile> {
        self.open_with(Operation::Open(path.to_owned())).await
    }

    async fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        self.read_range(path, 0, usize::MAX).await
    }

    async fn read_at(&self, path: &str, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        self.read_range(path, offset, len).await
    }

    async fn len(&self, path: &str) -> io::Result<u64> {
        match self.run(Operation::Len(path.to_owned())).await? {
            Outcome::Len(len) => Ok(len),
            other => unreachable!("asking for a size ended with {other:?}"),
        }
    }

    async fn list(&self, dir: &str) -> io::Result<Vec<String>> {
        match self.run(Operation::List(dir.to_owned())).await? {
            Outcome::Names(names) => Ok(names),
            other => unreachable!("listing ended with {other:?}"),
        }
    }

    async fn create_dir_all(&self, dir: &str) -> io::Result<()> {
        self.run(Operation::CreateDirs(dir.to_owned())).await.map(drop)
    }

    async fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.run(Operation::Rename(from.to_owned(), to.to_owned())).await.map(drop)
    }

    async fn remove(&self, path: &str) -> io::Result<()> {
        self.run(Operation::Remove(path.to_owned())).await.map(drop)
    }

    async fn sync_dir(&self, dir: &str) -> io::Result<()> {
        self.run(Operation::SyncDir(dir.to_owned())).await.map(drop)
    }
}

/// An open file of a host. What is queued reaches the disk with the next flush or sync, or when the
/// handle is dropped; a kill of the program before that loses it.
pub struct SimFile {
    files: SimFiles,
    handle: Handle,
    queued: Vec<Change>,
}

impl SimFile {
    fn take_queued(&mut self, sync: bool) -> Operation {
        Operation::Commit { file: self.handle, changes: std::mem::take(&mut self.queued), sync }
    }
}

impl File for SimFile {
    fn append(&mut self, bytes: Vec<u8>) {
        self.queued.push(Change::Append(bytes));
    }

    fn truncate(&mut self, len: u64) {
        self.queued.push(Change::Truncate(len));
    }

    async fn sync(&mut self) -> io::Result<()> {
        let operation = self.take_queued(true);
        self.files.run(operation).await.map(drop)
    }

    async fn flush(&mut self) -> io::Result<()> {
        let operation = self.take_queued(false);
        self.files.run(operation).await.map(drop)
    }
}

impl Drop for SimFile {
    fn drop(&mut self) {
        let commit = self.take_queued(false);
        for operation in [commit, Operation::Close(self.handle)] {
            if let Some(id) = self.files.submit(operation) {
                let host = self.files.platform.host;
                self.files.platform.shared.with(|state| state.host_mut(host).disk.abandon(id));
            }
        }
    }
}

/// Waits for an operation. Dropping it leaves the operation to be done.
struct Completion {
    files: SimFiles,
    id: OpId,
    done: bool,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Completion {
    /// The result, or else when to look again.
    fn check(&self, cx: &Context<'_>, now_ns: u64) -> Result<Result<Outcome, Errno>, Option<u64>> {
        let host = self.files.platform.host;
        self.files.platform.shared.with(|state| {
            let host_state = state.host_mut(host);
            host_state.disk.advance(now_ns);
            let Some(result) = host_state.disk.take(self.id) else {
                host_state.disk_waiters.insert(self.id, cx.waker().clone());
                return Err(host_state.disk.due_ns(self.id));
            };
            host_state.disk_waiters.remove(&self.id);
            match &result {
                Ok(Outcome::Bytes(bytes)) => state.record(Some(host), Kind::DiskCompleted, bytes),
                Ok(_) => state.record(Some(host), Kind::DiskCompleted, b""),
                Err(Errno(errno)) => {
                    state.record(Some(host), Kind::DiskCompleted, &errno.to_le_bytes());
                }
            }
            Ok(result)
        })
    }
}

impl Future for Completion {
    type Output = io::Result<Outcome>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<Outcome>> {
        loop {
            let now_ns = self.files.platform.shared.now_ns();
            match self.check(cx, now_ns) {
                Ok(result) => {
                    self.done = true;
                    return Poll::Ready(result.map_err(|Errno(errno)| os_error(errno)));
                }
                // The disk stalls: it wakes its waiters when it goes on.
                Err(None) => return Poll::Pending,
                Err(Some(due_ns)) => {
                    let ahead = Duration::from_nanos(due_ns.saturating_sub(now_ns));
                    let deadline = Instant::now() + ahead;
                    let sleep = self
                        .sleep
                        .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
                    if sleep.deadline() != deadline {
                        sleep.as_mut().reset(deadline);
                    }
                    ready!(sleep.as_mut().poll(cx));
                    self.sleep = None;
                }
            }
        }
    }
}

impl Drop for Completion {
    fn drop(&mut self) {
        if self.done {
            return;
        }
        let host = self.files.platform.host;
        let waiter = self.files.platform.shared.with(|state| {
            let host_state = state.host_mut(host);
            // After a power loss or a kill the operation is not known any more.
            host_state.disk.abandon(self.id);
            host_state.disk_waiters.remove(&self.id)
        });
        drop(waiter);
    }
}
