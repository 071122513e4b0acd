//! The platform on real sockets, files and clocks: tokio for the network and alarms, one disk
//! thread for files.
//!
//! Files follow POSIX durability as the Linux manual pages fsync(2) and open(2) state it: data by
//! `fdatasync`, a new or cut file by `fsync`, a directory entry by `fsync` of its directory. An
//! error of a sync is never retried, because Linux marks the pages clean after the first report.

mod disk_thread;
mod files;

use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;
use tokio::time::Sleep;

pub use files::{TokioFile, TokioFiles};

use crate::{Listener, Mono, Platform, Stream, Task, Timer};

/// No alarm is armed further ahead than this: the timer wheel has a horizon. It is armed anew.
const FURTHEST_ALARM: Duration = Duration::from_secs(365 * 24 * 3600);

/// This machine, through tokio. Every method but [`TokioPlatform::new`] needs a tokio runtime with
/// its network and time drivers enabled, of either flavour.
#[derive(Clone)]
pub struct TokioPlatform {
    origin: Instant,
    files: TokioFiles,
}

impl TokioPlatform {
    /// Starts the disk thread. It ends when the last handle to this platform and to its files is
    /// gone.
    ///
    /// # Errors
    /// The operating system refused to start a thread.
    pub fn new() -> io::Result<TokioPlatform> {
        Ok(TokioPlatform { origin: read_monotonic_clock(), files: TokioFiles::start()? })
    }
}

impl Platform for TokioPlatform {
    type Stream = TcpStream;
    type Listener = TokioListener;
    type Timer = TokioTimer;
    type Task = TokioTask;
    type Files = TokioFiles;

    fn now(&self) -> Mono {
        let elapsed = read_monotonic_clock().saturating_duration_since(self.origin);
        Mono(u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX))
    }

    #[allow(clippy::disallowed_methods, reason = "this is the platform's own reading of the clock")]
    fn wall_ns(&self) -> u64 {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since_epoch.as_nanos()).unwrap_or(u64::MAX)
    }

    fn timer(&self) -> TokioTimer {
        TokioTimer { origin: self.origin, armed: None, sleep: None }
    }

    #[allow(clippy::disallowed_methods, reason = "this is the platform's own spawn")]
    fn spawn<F: Future<Output = ()> + Send + 'static>(&self, task: F) -> TokioTask {
        TokioTask(tokio::spawn(abort_on_panic(task)).abort_handle())
    }

    fn fill(&self, bytes: &mut [u8]) {
        getrandom::fill(bytes).expect("the operating system provides randomness");
    }

    fn files(&self) -> TokioFiles {
        self.files.clone()
    }

    async fn listen(&self, address: &str, port: u16) -> io::Result<TokioListener> {
        let inner = TcpListener::bind((address, port)).await?;
        let port = inner.local_addr()?.port();
        Ok(TokioListener { inner, port })
    }

    async fn connect(&self, host: &str, port: u16) -> io::Result<TcpStream> {
        let stream = TcpStream::connect((host, port)).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

#[allow(clippy::disallowed_methods, reason = "this is the platform's own reading of the clock")]
fn read_monotonic_clock() -> Instant {
    Instant::now()
}

/// Runs `task`; a panic in it ends the whole process. tokio would only end the task, and a node
/// that goes on without one of its loops is worse than a node that is restarted.
async fn abort_on_panic<F: Future<Output = ()>>(task: F) {
    let mut task = pin!(task);
    poll_fn(|cx| {
        let bomb = AbortUnlessDefused;
        let polled = task.as_mut().poll(cx);
        std::mem::forget(bomb);
        polled
    })
    .await;
}

/// Ends the process when dropped, which only an unwinding stack does.
struct AbortUnlessDefused;

impl Drop for AbortUnlessDefused {
    fn drop(&mut self) {
        std::process::abort();
    }
}

/// A task on the tokio runtime.
#[derive(Debug)]
pub struct TokioTask(AbortHandle);

impl Task for TokioTask {
    fn abort(&self) {
        self.0.abort();
    }
}

/// An alarm on tokio's timer wheel, whose resolution is one millisecond.
#[derive(Debug)]
pub struct TokioTimer {
    origin: Instant,
    armed: Option<Mono>,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl TokioTimer {
    /// Points the wheel's entry at `at`, or at the horizon if that is nearer.
    fn arm(&mut self, at: Mono) {
        let horizon = read_monotonic_clock() + FURTHEST_ALARM;
        let wanted = self.origin.checked_add(Duration::from_nanos(at.0)).unwrap_or(horizon);
        let deadline = tokio::time::Instant::from_std(wanted.min(horizon));
        match &mut self.sleep {
            Some(sleep) => sleep.as_mut().reset(deadline),
            None => self.sleep = Some(Box::pin(tokio::time::sleep_until(deadline))),
        }
    }

    fn now(&self) -> Mono {
        let elapsed = read_monotonic_clock().saturating_duration_since(self.origin);
        Mono(u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX))
    }
}

impl Timer for TokioTimer {
    fn set(&mut self, at: Option<Mono>) {
        if at == self.armed {
            return;
        }
        self.armed = at;
        if let Some(at) = at {
            self.arm(at);
        }
    }

    fn poll_fired(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(at) = self.armed else { return Poll::Pending };
        loop {
            let sleep = self.sleep.as_mut().expect("an armed alarm has its entry");
            ready!(sleep.as_mut().poll(cx));
            if self.now() >= at {
                self.armed = None;
                return Poll::Ready(());
            }
            self.arm(at);
        }
    }
}

/// A listening TCP socket.
#[derive(Debug)]
pub struct TokioListener {
    inner: TcpListener,
    port: u16,
}

impl Listener for TokioListener {
    type Stream = TcpStream;

    async fn accept(&mut self) -> io::Result<TcpStream> {
        let (stream, _) = self.inner.accept().await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    fn port(&self) -> u16 {
        self.port
    }
}

impl Stream for TcpStream {
    type Read = OwnedReadHalf;
    type Write = OwnedWriteHalf;

    fn into_split(self) -> (OwnedReadHalf, OwnedWriteHalf) {
        TcpStream::into_split(self)
    }

    fn peer_addr(&self) -> io::Result<SocketAddr> {
        TcpStream::peer_addr(self)
    }
}
