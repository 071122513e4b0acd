//! A host's files on its simulated [`crate::disk::Disk`].

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use platform::{File, Files};

use super::agenda::Event;
use super::current::{self, Waiter};
use super::platform::EnginePlatform;
use super::state::State;
use crate::disk::{Change, Errno, Handle, OpId, Operation, Outcome};
use crate::shared::HostId;
use crate::trace::Kind;

impl State {
    /// Submits an operation of a program, if it has not been killed.
    fn submit(&mut self, of: EnginePlatform, operation: Operation) -> Option<OpId> {
        if !self.is_alive(of.host, of.incarnation) {
            return None;
        }
        match &operation {
            Operation::Commit { changes, sync, .. } => {
                for change in changes {
                    match change {
                        Change::Append(bytes) => {
                            self.record(Some(of.host), Kind::DiskSubmitted, bytes);
                        }
                        Change::Truncate(len) => {
                            let content = len.to_le_bytes();
                            self.record(Some(of.host), Kind::DiskSubmitted, &content);
                        }
                    }
                }
                let end: &[u8] = if *sync { b"sync" } else { b"flush" };
                self.record(Some(of.host), Kind::DiskSubmitted, end);
            }
            other => {
                let content = format!("{other:?}");
                self.record(Some(of.host), Kind::DiskSubmitted, content.as_bytes());
            }
        }
        let now_ns = self.now_ns;
        Some(self.host_mut(of.host).disk.submit(now_ns, operation))
    }

    /// The result of an operation; otherwise it is entered in the agenda and `cx` waits for it.
    fn completed(
        &mut self,
        host: HostId,
        operation: OpId,
        cx: &Context<'_>,
    ) -> Option<Result<Outcome, Errno>> {
        let now_ns = self.now_ns;
        let host_state = &mut self.hosts[host.0 as usize];
        host_state.disk.advance(now_ns);
        let Some(result) = host_state.disk.take(operation) else {
            host_state.disk_waiters.entry(operation).or_default().remember(cx.waker());
            // While the disk stalls nothing is due: the end of the stall wakes who waits.
            if let Some(due_ns) = host_state.disk.due_ns(operation) {
                self.agenda.push(due_ns, Event::Disk { host, operation });
            }
            return None;
        };
        host_state.disk_waiters.remove(&operation);
        match &result {
            Ok(Outcome::Bytes(bytes)) => self.record(Some(host), Kind::DiskCompleted, bytes),
            Ok(_) => self.record(Some(host), Kind::DiskCompleted, b""),
            Err(Errno(errno)) => {
                self.record(Some(host), Kind::DiskCompleted, &errno.to_le_bytes());
            }
        }
        Some(result)
    }

    /// An operation may be done: who waits for it looks.
    pub(crate) fn disk_is_due(&mut self, host: HostId, operation: OpId) {
        let waiter = self.hosts[host.0 as usize].disk_waiters.get_mut(&operation);
        self.wakes.extend(waiter.map(Waiter::take));
    }

    /// The disk's operations are due at other times than before: who waits looks anew.
    pub(crate) fn wake_disk_waiters(&mut self, host: HostId) {
        let waiters = self.hosts[host.0 as usize].disk_waiters.values_mut();
        self.wakes.extend(waiters.map(Waiter::take));
    }

    /// Nobody asks for the result any more.
    fn abandon(&mut self, host: HostId, operation: OpId) -> Option<Waiter> {
        let host_state = &mut self.hosts[host.0 as usize];
        host_state.disk.abandon(operation);
        host_state.disk_waiters.remove(&operation)
    }
}

/// The files of one host.
#[derive(Clone, Copy)]
pub struct EngineFiles {
    platform: EnginePlatform,
}

impl EngineFiles {
    pub(crate) fn new(platform: EnginePlatform) -> EngineFiles {
        EngineFiles { platform }
    }

    async fn run(&self, operation: Operation) -> io::Result<Outcome> {
        let of = self.platform;
        match current::with(of.world, |state| state.submit(of, operation)) {
            Some(id) => Completion { platform: of, id, done: false }.await,
            None => std::future::pending().await,
        }
    }

    async fn open_with(&self, operation: Operation) -> io::Result<EngineFile> {
        match self.run(operation).await? {
            Outcome::File(handle) => Ok(EngineFile { files: *self, handle, queued: Vec::new() }),
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

impl Files for EngineFiles {
    type File = EngineFile;

    async fn create(&self, path: &str) -> io::Result<EngineFile> {
        self.open_with(Operation::Create(path.to_owned())).await
    }

    async fn open_append(&self, path: &str) -> io::Result<EngineFile> {
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
pub struct EngineFile {
    files: EngineFiles,
    handle: Handle,
    queued: Vec<Change>,
}

impl EngineFile {
    fn take_queued(&mut self, sync: bool) -> Operation {
        Operation::Commit { file: self.handle, changes: std::mem::take(&mut self.queued), sync }
    }
}

impl File for EngineFile {
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

impl Drop for EngineFile {
    fn drop(&mut self) {
        let of = self.files.platform;
        let commit = self.take_queued(false);
        for operation in [commit, Operation::Close(self.handle)] {
            current::try_with(of.world, |state| {
                if let Some(id) = state.submit(of, operation) {
                    state.abandon(of.host, id);
                }
            });
        }
    }
}

/// Waits for an operation. Dropping it leaves the operation to be done.
struct Completion {
    platform: EnginePlatform,
    id: OpId,
    done: bool,
}

impl Future for Completion {
    type Output = io::Result<Outcome>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<Outcome>> {
        let (of, id) = (self.platform, self.id);
        let result = current::with(of.world, |state| state.completed(of.host, id, cx));
        let Some(result) = result else { return Poll::Pending };
        self.done = true;
        Poll::Ready(result.map_err(|Errno(errno)| io::Error::from_raw_os_error(errno)))
    }
}

impl Drop for Completion {
    fn drop(&mut self) {
        if !self.done {
            let of = self.platform;
            // The waiter is dropped after the state is let go: it may be foreign.
            drop(current::try_with(of.world, |state| state.abandon(of.host, self.id)));
        }
    }
}
