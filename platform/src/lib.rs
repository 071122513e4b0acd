//! What a shell may ask of the world: streams, files, clocks, alarms, entropy and tasks.
//!
//! Protocol code is a pure machine; a thin shell performs the machine's effects on a [`Platform`].
//! The same shell runs on real sockets and files ([`tokio_platform`]) and inside a simulator, so
//! nothing outside an implementation of this trait opens a socket or a file, reads a clock or draws
//! randomness.
//!
//! The bounds are `Send` throughout: that costs a single-threaded simulator nothing and lets
//! production use a second core. Nothing here needs `dyn`, so the traits use associated types.

pub mod tokio_platform;

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite};

/// A moment on one host's monotonic clock, in nanoseconds from an arbitrary origin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mono(pub u64);

impl Mono {
    /// The moment `ms` milliseconds later.
    pub fn after_ms(self, ms: u64) -> Mono {
        Mono(self.0.saturating_add(ms.saturating_mul(1_000_000)))
    }

    /// Whole milliseconds since `earlier`, zero if `earlier` is later.
    pub fn ms_since(self, earlier: Mono) -> u64 {
        self.0.saturating_sub(earlier.0) / 1_000_000
    }
}

/// A future did not end before its time limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elapsed;

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("time limit passed")
    }
}

impl std::error::Error for Elapsed {}

/// One host's access to the world. Cloning gives another handle to the same host.
pub trait Platform: Clone + Send + Sync + 'static {
    /// A byte stream to a peer.
    type Stream: Stream;
    /// A listening port.
    type Listener: Listener<Stream = Self::Stream>;
    /// A re-armable alarm.
    type Timer: Timer;
    /// A spawned task.
    type Task: Task;
    /// The host's files.
    type Files: Files;

    /// The monotonic clock. It may run at another rate than other hosts' clocks.
    fn now(&self) -> Mono;

    /// The wall clock: nanoseconds since the Unix epoch. It may jump either way.
    fn wall_ns(&self) -> u64;

    /// A new disarmed alarm.
    fn timer(&self) -> Self::Timer;

    /// Starts a task on this host. It ends with the host. A panic inside ends the process (tokio)
    /// or fails the run (simulators): it is never swallowed.
    fn spawn<F: Future<Output = ()> + Send + 'static>(&self, task: F) -> Self::Task;

    /// Fills `bytes` with randomness: the system's in production, a seeded stream in a simulator.
    fn fill(&self, bytes: &mut [u8]);

    /// The host's files.
    fn files(&self) -> Self::Files;

    /// Listens on `address` ("0.0.0.0", "127.0.0.1", a host name) and `port` (0: any free port).
    fn listen(
        &self,
        address: &str,
        port: u16,
    ) -> impl Future<Output = io::Result<Self::Listener>> + Send;

    /// Connects to `host`, a name or an address. May take as long as the network's own time-out:
    /// wrap it in [`Platform::timeout`].
    fn connect(
        &self,
        host: &str,
        port: u16,
    ) -> impl Future<Output = io::Result<Self::Stream>> + Send;

    /// Ends at `at` on this host's monotonic clock.
    fn sleep_until(&self, at: Mono) -> impl Future<Output = ()> + Send + use<Self> {
        let mut timer = self.timer();
        timer.set(Some(at));
        async move { timer.fired().await }
    }

    /// Ends `ms` milliseconds from now.
    fn sleep_ms(&self, ms: u64) -> impl Future<Output = ()> + Send + use<Self> {
        self.sleep_until(self.now().after_ms(ms))
    }

    /// Runs `work` for at most `ms` milliseconds; a ready result wins over a passed limit.
    fn timeout<F>(
        &self,
        ms: u64,
        work: F,
    ) -> impl Future<Output = Result<F::Output, Elapsed>> + Send
    where
        F: Future + Send,
        F::Output: Send,
    {
        let limit = self.sleep_ms(ms);
        async move {
            let mut work = pin!(work);
            tokio::select! {
                biased;
                output = &mut work => Ok(output),
                () = limit => Err(Elapsed),
            }
        }
    }
}

/// A re-armable alarm. Setting the time that is already set costs nothing; dropping disarms.
pub trait Timer: Send + Unpin + 'static {
    /// Arms the alarm for `at`, or disarms it. A past `at` fires at the next poll.
    fn set(&mut self, at: Option<Mono>);

    /// Ready once the armed time has come; the alarm is then disarmed. Pending while disarmed.
    fn poll_fired(&mut self, cx: &mut Context<'_>) -> Poll<()>;

    /// [`Timer::poll_fired`] as a future. Cancel safe.
    fn fired(&mut self) -> impl Future<Output = ()> + Send
    where
        Self: Sized,
    {
        std::future::poll_fn(|cx| self.poll_fired(cx))
    }
}

/// A handle to a spawned task. Dropping it lets the task go on.
pub trait Task: Send + 'static {
    /// Ends the task at its next suspension point.
    fn abort(&self);
}

/// A TCP-like stream: bytes arrive in order and once, or the stream fails.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static {
    /// The reading half.
    type Read: AsyncRead + Send + Unpin + 'static;
    /// The writing half. Dropping it half-closes the stream.
    type Write: AsyncWrite + Send + Unpin + 'static;

    /// Splits the stream without a lock between the halves.
    fn into_split(self) -> (Self::Read, Self::Write);

    /// The peer's address.
    fn peer_addr(&self) -> io::Result<SocketAddr>;
}

/// A listening port.
pub trait Listener: Send + 'static {
    /// What it accepts.
    type Stream: Stream;

    /// The next connection. Cancel safe.
    fn accept(&mut self) -> impl Future<Output = io::Result<Self::Stream>> + Send;

    /// The port that is listened on (useful after asking for port 0).
    fn port(&self) -> u16;
}

/// The host's files. Paths are `/`-separated strings. An operation that has started completes even
/// if its future is dropped. Errors carry the operating system's errno (`raw_os_error`).
///
/// Durability follows POSIX: file data survives a power loss only after [`File::sync`], and a
/// directory entry (creation, rename, removal) only after [`Files::sync_dir`] of its directory.
pub trait Files: Clone + Send + Sync + 'static {
    /// An open file.
    type File: File;

    /// Creates `path` empty for appending; an existing file is emptied.
    fn create(&self, path: &str) -> impl Future<Output = io::Result<Self::File>> + Send;

    /// Opens the existing `path` for appending at its end.
    fn open_append(&self, path: &str) -> impl Future<Output = io::Result<Self::File>> + Send;

    /// The whole content.
    fn read(&self, path: &str) -> impl Future<Output = io::Result<Vec<u8>>> + Send;

    /// Up to `len` bytes from `offset`; fewer only at the end of the file.
    fn read_at(
        &self,
        path: &str,
        offset: u64,
        len: usize,
    ) -> impl Future<Output = io::Result<Vec<u8>>> + Send;

    /// The file's size in bytes.
    fn len(&self, path: &str) -> impl Future<Output = io::Result<u64>> + Send;

    /// The names in `dir`, sorted.
    fn list(&self, dir: &str) -> impl Future<Output = io::Result<Vec<String>>> + Send;

    /// Makes `dir` and its parents. Their names are durable once [`Files::sync_dir`] of the folder above each
    /// has succeeded, as of every new name.
    fn create_dir_all(&self, dir: &str) -> impl Future<Output = io::Result<()>> + Send;

    /// Renames a file within one file system, replacing `to`.
    fn rename(&self, from: &str, to: &str) -> impl Future<Output = io::Result<()>> + Send;

    /// Removes a file.
    fn remove(&self, path: &str) -> impl Future<Output = io::Result<()>> + Send;

    /// Makes the directory's entries durable.
    fn sync_dir(&self, dir: &str) -> impl Future<Output = io::Result<()>> + Send;
}

/// An open file for appending. [`File::append`], [`File::write_at`] and [`File::truncate`] only queue, in
/// order; the first error sticks and every later [`File::sync`] reports it. `Ok` from `sync` covers all that
/// was queued before it. Reads through [`Files`] see queued bytes only after a `sync`.
pub trait File: Send + 'static {
    /// Queues bytes behind those already queued.
    fn append(&mut self, bytes: Vec<u8>);

    /// Queues writing bytes in place of those at `offset`, within the file as it will be by then. That needs no
    /// space, and does not change where [`File::append`] writes.
    fn write_at(&mut self, offset: u64, bytes: Vec<u8>);

    /// Queues cutting the file to `len` bytes; later appends continue from there.
    fn truncate(&mut self, len: u64);

    /// Writes what is queued and makes the file's data and size durable.
    fn sync(&mut self) -> impl Future<Output = io::Result<()>> + Send;

    /// Writes what is queued without making it durable.
    fn flush(&mut self) -> impl Future<Output = io::Result<()>> + Send;
}
