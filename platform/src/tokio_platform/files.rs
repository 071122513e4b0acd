//! Files on the disk thread: handles that send jobs and, where the contract says so, wait.
//!
//! Appends and cuts are sent without waiting; awaiting them would cost two thread switches (about
//! 50 microseconds) for a write of one. All jobs of one family of handles run on one thread in the
//! order in which they were sent, so a read sees every append sent before it.

use std::io;
use std::sync::mpsc;

use tokio::sync::oneshot;

use super::disk_thread::{self, Disk, FileKey, Job};
use crate::{File, Files};

/// The machine's files. Clones share one disk thread.
#[derive(Clone, Debug)]
pub struct TokioFiles {
    jobs: mpsc::Sender<Job>,
}

impl TokioFiles {
    pub(super) fn start() -> io::Result<TokioFiles> {
        Ok(TokioFiles { jobs: disk_thread::start()? })
    }

    /// Sends a job whose result nobody awaits. A send fails only once the thread is gone, and then
    /// the next [`TokioFiles::ask`] says so.
    fn tell(&self, work: impl FnOnce(&mut Disk) + Send + 'static) {
        let _ = self.jobs.send(Box::new(work));
    }

    /// Runs `work` on the disk thread and awaits its result. The work is done even if this future
    /// is dropped after its first poll.
    async fn ask<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Disk) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let (reply, result) = oneshot::channel();
        self.tell(move |disk| {
            // The receiver may be gone: then nobody wants the result.
            let _ = reply.send(work(disk));
        });
        result.await.unwrap_or_else(|_| Err(io::Error::other("the disk thread has ended")))
    }

    async fn open_with(
        &self,
        open: impl FnOnce(&mut Disk) -> io::Result<FileKey> + Send + 'static,
    ) -> io::Result<TokioFile> {
        let files = self.clone();
        // The handle is made on the disk thread, so that dropping this future closes the file.
        self.ask(move |disk| open(disk).map(|key| TokioFile { files, key })).await
    }
}

impl Files for TokioFiles {
    type File = TokioFile;

    async fn create(&self, path: &str) -> io::Result<TokioFile> {
        let path = path.to_owned();
        self.open_with(move |disk| disk.create(&path)).await
    }

    async fn open_append(&self, path: &str) -> io::Result<TokioFile> {
        let path = path.to_owned();
        self.open_with(move |disk| disk.open_append(&path)).await
    }

    async fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        let path = path.to_owned();
        self.ask(move |_| std::fs::read(path)).await
    }

    async fn read_at(&self, path: &str, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        let path = path.to_owned();
        self.ask(move |_| disk_thread::read_at(&path, offset, len)).await
    }

    async fn len(&self, path: &str) -> io::Result<u64> {
        let path = path.to_owned();
        self.ask(move |_| Ok(std::fs::metadata(path)?.len())).await
    }

    async fn list(&self, dir: &str) -> io::Result<Vec<String>> {
        let dir = dir.to_owned();
        self.ask(move |_| disk_thread::list(&dir)).await
    }

    async fn create_dir_all(&self, dir: &str) -> io::Result<()> {
        let dir = dir.to_owned();
        self.ask(move |_| std::fs::create_dir_all(dir)).await
    }

    async fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let (from, to) = (from.to_owned(), to.to_owned());
        self.ask(move |_| std::fs::rename(from, to)).await
    }

    async fn remove(&self, path: &str) -> io::Result<()> {
        let path = path.to_owned();
        self.ask(move |_| std::fs::remove_file(path)).await
    }

    async fn sync_dir(&self, dir: &str) -> io::Result<()> {
        let dir = dir.to_owned();
        self.ask(move |_| disk_thread::sync_dir(&dir)).await
    }
}

/// A file open for appending. Dropping it closes the file after what was queued has been written.
#[derive(Debug)]
pub struct TokioFile {
    files: TokioFiles,
    key: FileKey,
}

impl File for TokioFile {
    fn append(&mut self, bytes: Vec<u8>) {
        let key = self.key;
        self.files.tell(move |disk| disk.append(key, &bytes));
    }

    fn write_at(&mut self, offset: u64, bytes: Vec<u8>) {
        let key = self.key;
        self.files.tell(move |disk| disk.write_at(key, offset, &bytes));
    }

    fn truncate(&mut self, len: u64) {
        let key = self.key;
        self.files.tell(move |disk| disk.truncate(key, len));
    }

    async fn sync(&mut self) -> io::Result<()> {
        let key = self.key;
        self.files.ask(move |disk| disk.sync(key)).await
    }

    async fn flush(&mut self) -> io::Result<()> {
        let key = self.key;
        self.files.ask(move |disk| disk.flush(key)).await
    }
}

impl Drop for TokioFile {
    fn drop(&mut self) {
        let key = self.key;
        self.files.tell(move |disk| disk.close(key));
    }
}
