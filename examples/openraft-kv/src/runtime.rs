//! openraft's runtime on the host whose task runs.
//!
//! Its functions are static: they find their host through the thread, as `squall_runtime` does. What
//! openraft draws (election time-outs) comes from a stream of the host that is named after it.
//!
//! openraft 0.9 has one `tokio::select!` without `biased`, in a replication that pauses after an error: a
//! sleep or an event, and tokio looks first at the one that a generator of the thread says, which no seed
//! decides. Both orders must come to the same. So [`Sleep`] is ready without an alarm when its time has
//! come, and an alarm that nobody looks at leaves no trace.
//! `tokio::sync::watch` wakes several waiters in an order that the same generator draws: here nobody but one
//! task of a server waits for openraft's metrics (see [`crate::server`]).

use std::fmt;
use std::future::Future;
use std::ops::{Add, AddAssign, Sub, SubAssign};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use openraft::AsyncRuntime;
use openraft::async_runtime::AsyncOneshotSendExt;
use squall_runtime::{Random, random, task, time};
use tokio::sync::oneshot;

/// The runtime.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HostRuntime;

/// A moment of the host's monotonic clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(time::Instant);

/// Ends when a moment has come.
pub struct Sleep {
    until: time::Instant,
    alarm: Option<Pin<Box<time::Sleep>>>,
}

/// Numbers for openraft.
pub struct Rng(Random);

/// The sending end of a channel for one value.
pub struct OneshotSender<T>(oneshot::Sender<T>);

impl AsyncRuntime for HostRuntime {
    type JoinError = task::JoinError;
    type JoinHandle<T: Send + 'static> = task::JoinHandle<T>;
    type Sleep = Sleep;
    type Instant = Instant;
    type TimeoutError = time::error::Elapsed;
    type Timeout<R, T: Future<Output = R> + Send> = time::Timeout<T>;
    type ThreadLocalRng = Rng;
    type OneshotSender<T: Send> = OneshotSender<T>;
    type OneshotReceiver<T: Send> = oneshot::Receiver<T>;
    type OneshotReceiverError = oneshot::error::RecvError;

    fn spawn<T>(future: T) -> task::JoinHandle<T::Output>
    where
        T: Future + Send + 'static,
        T::Output: Send + 'static,
    {
        task::spawn(future)
    }

    fn sleep(duration: Duration) -> Sleep {
        HostRuntime::sleep_until(Instant(time::Instant::now()) + duration)
    }

    fn sleep_until(deadline: Instant) -> Sleep {
        Sleep { until: deadline.0, alarm: None }
    }

    fn timeout<R, F: Future<Output = R> + Send>(duration: Duration, future: F) -> time::Timeout<F> {
        time::timeout(duration, future)
    }

    fn timeout_at<R, F: Future<Output = R> + Send>(
        deadline: Instant,
        future: F,
    ) -> time::Timeout<F> {
        time::timeout_at(deadline.0, future)
    }

    fn is_panic(_error: &task::JoinError) -> bool {
        // A panic ends the run before anybody could ask.
        false
    }

    fn thread_rng() -> Rng {
        Rng(random("openraft"))
    }

    fn oneshot<T: Send>() -> (OneshotSender<T>, oneshot::Receiver<T>) {
        let (sender, receiver) = oneshot::channel();
        (OneshotSender(sender), receiver)
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let until = self.until;
        if time::Instant::now() >= until {
            return Poll::Ready(());
        }
        self.alarm.get_or_insert_with(|| Box::pin(time::sleep_until(until))).as_mut().poll(cx)
    }
}

impl<T> AsyncOneshotSendExt<T> for OneshotSender<T> {
    fn send(self, value: T) -> Result<(), T> {
        self.0.send(value)
    }
}

impl<T> fmt::Debug for OneshotSender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OneshotSender")
    }
}

impl rand::RngCore for Rng {
    fn next_u32(&mut self) -> u32 {
        self.0.bits() as u32
    }

    fn next_u64(&mut self) -> u64 {
        self.0.bits()
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        self.0.fill(bytes);
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), rand::Error> {
        self.0.fill(bytes);
        Ok(())
    }
}

impl openraft::Instant for Instant {
    fn now() -> Instant {
        Instant(time::Instant::now())
    }
}

impl Add<Duration> for Instant {
    type Output = Instant;

    fn add(self, duration: Duration) -> Instant {
        Instant(self.0 + duration)
    }
}

impl AddAssign<Duration> for Instant {
    fn add_assign(&mut self, duration: Duration) {
        self.0 += duration;
    }
}

impl Sub<Duration> for Instant {
    type Output = Instant;

    fn sub(self, duration: Duration) -> Instant {
        Instant(self.0 - duration)
    }
}

impl SubAssign<Duration> for Instant {
    fn sub_assign(&mut self, duration: Duration) {
        self.0 -= duration;
    }
}

impl Sub for Instant {
    type Output = Duration;

    fn sub(self, earlier: Instant) -> Duration {
        self.0 - earlier.0
    }
}
