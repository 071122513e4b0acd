//! Time limits.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use pin_project_lite::pin_project;

use super::instant::Instant;
use super::sleep::{Sleep, sleep_until};

/// A future did not end before its time limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elapsed(());

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("deadline has elapsed")
    }
}

impl std::error::Error for Elapsed {}

impl From<Elapsed> for io::Error {
    fn from(_: Elapsed) -> io::Error {
        io::ErrorKind::TimedOut.into()
    }
}

pin_project! {
    /// A future with a time limit: see [`timeout`] and [`timeout_at`].
    #[must_use = "futures do nothing unless they are polled"]
    #[derive(Debug)]
    pub struct Timeout<F> {
        #[pin]
        work: F,
        limit: Sleep,
    }
}

/// Runs `work` for at most `duration`. A result that is ready wins over a limit that has passed.
pub fn timeout<F: IntoFuture>(duration: Duration, work: F) -> Timeout<F::IntoFuture> {
    timeout_at(Instant::after(duration), work)
}

/// Runs `work` until `deadline`.
pub fn timeout_at<F: IntoFuture>(deadline: Instant, work: F) -> Timeout<F::IntoFuture> {
    Timeout { work: work.into_future(), limit: sleep_until(deadline) }
}

impl<F> Timeout<F> {
    /// The future that the limit is for.
    pub fn get_ref(&self) -> &F {
        &self.work
    }

    /// The future, to be changed.
    pub fn get_mut(&mut self) -> &mut F {
        &mut self.work
    }

    /// The future, without its limit.
    pub fn into_inner(self) -> F {
        self.work
    }
}

impl<F: Future> Future for Timeout<F> {
    type Output = Result<F::Output, Elapsed>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let me = self.project();
        if let Poll::Ready(output) = me.work.poll(cx) {
            return Poll::Ready(Ok(output));
        }
        Pin::new(me.limit).poll(cx).map(|()| Err(Elapsed(())))
    }
}
