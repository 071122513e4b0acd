//! The disk thread: it owns the open files and runs jobs in the order in which they arrive.
//!
//! A thread of our own instead of tokio's blocking pool keeps that order for free, and a stalled
//! disk holds up nothing but the disk.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::sync::mpsc;

use super::AbortUnlessDefused;

/// Work for the disk thread.
pub(super) type Job = Box<dyn FnOnce(&mut Disk) + Send>;

/// Starts the thread. It ends when every sender is gone.
pub(super) fn start() -> io::Result<mpsc::Sender<Job>> {
    let (jobs, queue) = mpsc::channel::<Job>();
    std::thread::Builder::new().name("disk".to_owned()).spawn(move || run(&queue))?;
    Ok(jobs)
}

fn run(queue: &mpsc::Receiver<Job>) {
    // A panic here would leave a process that cannot write: it must end instead.
    let bomb = AbortUnlessDefused;
    let mut disk = Disk::default();
    while let Ok(job) = queue.recv() {
        job(&mut disk);
    }
    std::mem::forget(bomb);
}

/// Names an open file of one disk thread. Never used again after closing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct FileKey(u64);

/// The open files.
#[derive(Default)]
pub(super) struct Disk {
    next_key: u64,
    open: BTreeMap<FileKey, Open>,
}

struct Open {
    file: File,
    /// A new or cut file needs `fsync`; `fdatasync` need not write all of its metadata.
    metadata_changed: bool,
    /// The first error. Later writes are skipped and every sync reports it.
    error: Option<io::Error>,
}

impl Disk {
    pub(super) fn create(&mut self, path: &str) -> io::Result<FileKey> {
        let file = OpenOptions::new().write(true).create(true).truncate(true).open(path)?;
        Ok(self.insert(file, true))
    }

    pub(super) fn open_append(&mut self, path: &str) -> io::Result<FileKey> {
        let mut file = OpenOptions::new().write(true).open(path)?;
        file.seek(SeekFrom::End(0))?;
        Ok(self.insert(file, false))
    }

    fn insert(&mut self, file: File, metadata_changed: bool) -> FileKey {
        let key = FileKey(self.next_key);
        self.next_key += 1;
        self.open.insert(key, Open { file, metadata_changed, error: None });
        key
    }

    pub(super) fn append(&mut self, key: FileKey, bytes: &[u8]) {
        self.attempt(key, |open| open.file.write_all(bytes));
    }

    /// The place of appends stays what it is: pwrite(2).
    pub(super) fn write_at(&mut self, key: FileKey, offset: u64, bytes: &[u8]) {
        self.attempt(key, |open| open.file.write_all_at(bytes, offset));
    }

    pub(super) fn truncate(&mut self, key: FileKey, len: u64) {
        self.attempt(key, |open| {
            open.metadata_changed = true;
            open.file.set_len(len)?;
            open.file.seek(SeekFrom::Start(len)).map(drop)
        });
    }

    pub(super) fn sync(&mut self, key: FileKey) -> io::Result<()> {
        self.attempt(key, |open| {
            if open.metadata_changed { open.file.sync_all() } else { open.file.sync_data() }?;
            open.metadata_changed = false;
            Ok(())
        });
        self.flush(key)
    }

    /// Bytes are written as they arrive, so that flushing only reports the sticky error.
    pub(super) fn flush(&mut self, key: FileKey) -> io::Result<()> {
        match &self.file(key).error {
            Some(error) => Err(same_error(error)),
            None => Ok(()),
        }
    }

    pub(super) fn close(&mut self, key: FileKey) {
        self.open.remove(&key);
    }

    /// Runs `work` unless the file has failed before, and keeps its error.
    fn attempt(&mut self, key: FileKey, work: impl FnOnce(&mut Open) -> io::Result<()>) {
        let open = self.file(key);
        if open.error.is_none() {
            open.error = work(open).err();
        }
    }

    fn file(&mut self, key: FileKey) -> &mut Open {
        self.open.get_mut(&key).expect("a handle closes its file once, as its last job")
    }
}

/// Up to `len` bytes from `offset`.
pub(super) fn read_at(path: &str, offset: u64, len: usize) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(offset))?;
    let mut bytes = Vec::new();
    file.take(len as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The names in `dir`, sorted. A name that is no UTF-8 cannot be ours and is left out.
pub(super) fn list(dir: &str) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(or_current(dir))? {
        names.extend(entry?.file_name().into_string().ok());
    }
    names.sort_unstable();
    Ok(names)
}

pub(super) fn sync_dir(dir: &str) -> io::Result<()> {
    File::open(or_current(dir))?.sync_all()
}

/// The parent of a bare name is the empty path, which means the current directory.
fn or_current(dir: &str) -> &str {
    if dir.is_empty() { "." } else { dir }
}

/// Another copy of an error: with the same errno, or else with the same kind and text.
fn same_error(error: &io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(errno) => io::Error::from_raw_os_error(errno),
        None => io::Error::new(error.kind(), error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes to this device always fail with ENOSPC (full(4)).
    const FULL_DEVICE: &str = "/dev/full";

    #[test]
    fn first_error_sticks_and_carries_its_errno() {
        let mut disk = Disk::default();
        let key = disk.open_append(FULL_DEVICE).unwrap();
        assert!(disk.flush(key).is_ok());
        disk.append(key, b"x");
        for _ in 0..2 {
            assert_eq!(disk.sync(key).unwrap_err().raw_os_error(), Some(28));
            assert_eq!(disk.flush(key).unwrap_err().raw_os_error(), Some(28));
        }
        disk.truncate(key, 0);
        assert_eq!(disk.sync(key).unwrap_err().kind(), io::ErrorKind::StorageFull);
    }

    #[test]
    fn syncing_a_missing_directory_fails() {
        let dir = tempfile::tempdir().unwrap();
        sync_dir(dir.path().to_str().unwrap()).unwrap();
        let missing = dir.path().join("missing");
        let error = sync_dir(missing.to_str().unwrap()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
