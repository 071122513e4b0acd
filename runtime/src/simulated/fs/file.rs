//! An open file.
//!
//! As tokio's, a write is handed to the disk and returns; what becomes of it is told by the next write
//! or flush. Operations of one host reach its disk in the order in which they were begun.

use std::fmt;
use std::future::Future;
use std::io::{self, SeekFrom};
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use sim::disk::{Change, EISDIR, Errno, Handle, Operation, Outcome, Stat};
use sim::engine::platform::EnginePlatform;
use sim::files::DiskAccess;
use tokio::io::{AsyncRead, AsyncSeek, AsyncWrite, ReadBuf};

use super::{Metadata, OpenOptions, failed};

/// EBADF of Linux.
const EBADF: Errno = Errno(9);
/// EINVAL of Linux.
const EINVAL: Errno = Errno(22);
/// The most bytes that one read or write concerns, as in tokio.
const CHUNK_BYTES_MAX: usize = 2 * 1024 * 1024;

/// An open file, or an open directory that is to be synced.
#[derive(Debug)]
pub struct File(Kind);

#[derive(Debug)]
enum Kind {
    Simulated(Box<Simulated>),
    Real(tokio::fs::File),
}

/// What was opened.
#[derive(Clone, Debug)]
pub(super) enum Opened {
    File(Handle),
    Directory(String),
}

/// An operation that is under way.
type Running = Pin<Box<dyn Future<Output = io::Result<Outcome>> + Send + Sync>>;

struct Simulated {
    here: EnginePlatform,
    opened: Opened,
    reads: bool,
    /// Whether it is written, and if so, at its end only.
    appends: Option<bool>,
    /// Where the next read or write begins.
    position: u64,
    writing: Option<Running>,
    reading: Option<Running>,
    /// Asks for the file's end, which a seek counts from by so much.
    seeking: Option<(i64, Running)>,
    /// What became of an earlier write that nobody was told of.
    write_error: Option<io::Error>,
}

impl fmt::Debug for Simulated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("File");
        debug.field("opened", &self.opened).field("position", &self.position);
        debug.finish_non_exhaustive()
    }
}

impl File {
    pub(super) fn real(file: tokio::fs::File) -> File {
        File(Kind::Real(file))
    }

    pub(super) fn simulated(
        here: EnginePlatform,
        opened: Opened,
        reads: bool,
        appends: Option<bool>,
    ) -> File {
        File(Kind::Simulated(Box::new(Simulated {
            here,
            opened,
            reads,
            appends,
            position: 0,
            writing: None,
            reading: None,
            seeking: None,
            write_error: None,
        })))
    }

    /// Opens a file for reading, or a directory to be synced.
    ///
    /// # Errors
    /// The operating system's, real or simulated.
    pub async fn open(path: impl AsRef<Path>) -> io::Result<File> {
        OpenOptions::new().read(true).open(path).await
    }

    /// Makes a file for writing, or empties it.
    ///
    /// # Errors
    /// The operating system's, real or simulated.
    pub async fn create(path: impl AsRef<Path>) -> io::Result<File> {
        OpenOptions::new().write(true).create(true).truncate(true).open(path).await
    }

    /// Makes a file for reading and writing that must not be there.
    ///
    /// # Errors
    /// The operating system's, real or simulated.
    pub async fn create_new(path: impl AsRef<Path>) -> io::Result<File> {
        OpenOptions::new().read(true).write(true).create_new(true).open(path).await
    }

    /// No options yet.
    pub fn options() -> OpenOptions {
        OpenOptions::new()
    }

    /// Makes all that was written durable, with the file's size; of a directory, the names in it.
    ///
    /// # Errors
    /// The operating system's, real or simulated. After an error nothing is known of what was written,
    /// and the next sync may succeed without it (as on Linux).
    pub async fn sync_all(&self) -> io::Result<()> {
        match &self.0 {
            Kind::Simulated(file) => file.sync().await,
            Kind::Real(file) => file.sync_all().await,
        }
    }

    /// As [`File::sync_all`], in a world the same.
    ///
    /// # Errors
    /// As [`File::sync_all`].
    pub async fn sync_data(&self) -> io::Result<()> {
        match &self.0 {
            Kind::Simulated(file) => file.sync().await,
            Kind::Real(file) => file.sync_data().await,
        }
    }

    /// Cuts the file, or extends it with zeros.
    ///
    /// # Errors
    /// The operating system's, real or simulated.
    pub async fn set_len(&self, size: u64) -> io::Result<()> {
        match &self.0 {
            Kind::Simulated(file) if file.appends.is_none() => failed(EINVAL),
            Kind::Simulated(file) => file.commit(vec![Change::Truncate(size)], false).await,
            Kind::Real(file) => file.set_len(size).await,
        }
    }

    /// What is known of the file.
    ///
    /// # Errors
    /// The operating system's, real or simulated.
    pub async fn metadata(&self) -> io::Result<Metadata> {
        match &self.0 {
            Kind::Simulated(file) => match file.opened {
                Opened::File(handle) => {
                    match file.here.perform(Operation::LenOpen(handle)).await? {
                        Outcome::Len(len) => Ok(Metadata::simulated(Stat::File(len))),
                        other => unreachable!("asking for a size ended with {other:?}"),
                    }
                }
                Opened::Directory(_) => Ok(Metadata::simulated(Stat::Directory)),
            },
            Kind::Real(file) => file.metadata().await.map(Metadata::real),
        }
    }
}

impl Simulated {
    async fn sync(&self) -> io::Result<()> {
        match &self.opened {
            Opened::File(_) => self.commit(Vec::new(), true).await,
            Opened::Directory(path) => {
                self.here.perform(Operation::SyncDir(path.clone())).await.map(drop)
            }
        }
    }

    async fn commit(&self, changes: Vec<Change>, sync: bool) -> io::Result<()> {
        let file = self.handle()?;
        self.here.perform(Operation::Commit { file, changes, sync }).await.map(drop)
    }

    fn handle(&self) -> io::Result<Handle> {
        match self.opened {
            Opened::File(handle) => Ok(handle),
            Opened::Directory(_) => failed(EISDIR),
        }
    }

    /// Begins an operation.
    fn begin(&self, operation: Operation) -> Running {
        let here = self.here;
        Box::pin(async move { here.perform(operation).await })
    }

    /// Ready once no write is under way.
    fn poll_written(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(writing) = &mut self.writing {
            let result = ready!(writing.as_mut().poll(cx));
            self.writing = None;
            self.write_error = result.err();
        }
        Poll::Ready(())
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_written(cx));
        Poll::Ready(self.write_error.take().map_or(Ok(()), Err))
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_flush(cx))?;
        let Some(appends) = self.appends else { return Poll::Ready(failed(EBADF)) };
        let file = self.handle()?;
        let bytes = buf[..buf.len().min(CHUNK_BYTES_MAX)].to_vec();
        let len = bytes.len();
        let change = match appends {
            true => Change::Append(bytes),
            false => Change::WriteAt(self.position, bytes),
        };
        self.position += len as u64;
        // A read that was begun and given up would be of a place that has moved.
        self.reading = None;
        let mut writing =
            self.begin(Operation::Commit { file, changes: vec![change], sync: false });
        // The operation is handed over by the first poll.
        match writing.as_mut().poll(cx) {
            Poll::Ready(result) => self.write_error = result.err(),
            Poll::Pending => self.writing = Some(writing),
        }
        Poll::Ready(Ok(len))
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if !self.reads {
            return Poll::Ready(failed(EBADF));
        }
        let file = self.handle()?;
        ready!(self.poll_written(cx));
        let len = buf.remaining().min(CHUNK_BYTES_MAX);
        let begun = self.reading.take();
        let mut reading =
            begun.unwrap_or_else(|| self.begin(Operation::ReadOpen(file, self.position, len)));
        let Poll::Ready(result) = reading.as_mut().poll(cx) else {
            self.reading = Some(reading);
            return Poll::Pending;
        };
        let Outcome::Bytes(bytes) = result? else { unreachable!("reading ended otherwise") };
        // The buffer may be smaller than the one that the read was begun for.
        let taken = bytes.len().min(buf.remaining());
        buf.put_slice(&bytes[..taken]);
        self.position += taken as u64;
        Poll::Ready(Ok(()))
    }

    fn start_seek(&mut self, position: SeekFrom) -> io::Result<()> {
        self.reading = None;
        self.seeking = None;
        match position {
            SeekFrom::Start(position) => self.position = position,
            SeekFrom::Current(by) => self.position = moved(self.position, by)?,
            SeekFrom::End(by) => {
                self.seeking = Some((by, self.begin(Operation::LenOpen(self.handle()?))));
            }
        }
        Ok(())
    }

    fn poll_seek(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<u64>> {
        if let Some((by, asking)) = &mut self.seeking {
            let (by, result) = (*by, ready!(asking.as_mut().poll(cx)));
            self.seeking = None;
            let Outcome::Len(len) = result? else { unreachable!("a size was asked for") };
            self.position = moved(len, by)?;
        }
        Poll::Ready(Ok(self.position))
    }
}

fn moved(position: u64, by: i64) -> io::Result<u64> {
    position.checked_add_signed(by).map_or_else(|| failed(EINVAL), Ok)
}

impl Drop for Simulated {
    fn drop(&mut self) {
        if let Opened::File(handle) = self.opened {
            self.here.leave(Operation::Close(handle));
        }
    }
}

impl AsyncRead for File {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.0 {
            Kind::Simulated(file) => file.poll_read(cx, buf),
            Kind::Real(file) => Pin::new(file).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for File {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.0 {
            Kind::Simulated(file) => file.poll_write(cx, buf),
            Kind::Real(file) => Pin::new(file).poll_write(cx, buf),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.0 {
            Kind::Simulated(file) => file.poll_flush(cx),
            Kind::Real(file) => Pin::new(file).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.0 {
            Kind::Simulated(file) => file.poll_flush(cx),
            Kind::Real(file) => Pin::new(file).poll_shutdown(cx),
        }
    }
}

impl AsyncSeek for File {
    fn start_seek(mut self: Pin<&mut Self>, position: SeekFrom) -> io::Result<()> {
        match &mut self.0 {
            Kind::Simulated(file) => file.start_seek(position),
            Kind::Real(file) => Pin::new(file).start_seek(position),
        }
    }

    fn poll_complete(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<u64>> {
        match &mut self.0 {
            Kind::Simulated(file) => file.poll_seek(cx),
            Kind::Real(file) => Pin::new(file).poll_complete(cx),
        }
    }
}
