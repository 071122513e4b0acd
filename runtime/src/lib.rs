//! tokio's names, for ordinary programs that are to run in a simulated world as well.
//!
//! A program names [`net`], [`time`], [`task`], [`fs`], [`io`], [`sync`] and [`signal`] of this crate
//! where it would name tokio's. In a normal build they *are* tokio's. With feature `simulated` they
//! are those of the simulated host whose task is being polled, and outside of every world still
//! tokio's: features unify over a workspace, so that one build of a program has to be right in both.
//!
//! What is here has tokio's meaning, with these differences in a world:
//! - a panic in a spawned task fails the run, where tokio hands it to whoever awaits the task;
//! - time is counted in nanoseconds, and an alarm fires exactly when it is due;
//! - a name of a host is resolved by the world, at no cost in time;
//! - what was written to a file survives a kill of the program, and a loss of power only after
//!   `sync_all` of the file and of the directory that names it;
//! - [`select!`] without `biased` draws from a stream of the host, and the waiters of a `sync::watch` are woken in
//!   the order in which they came.
//!
//! What cannot be simulated is either not here, so that a program that names it does not compile, or
//! panics with what to use instead (`task::spawn_blocking`). tokio's own timers and sockets panic in
//! a world because there is no runtime of tokio's.

#[cfg(not(feature = "simulated"))]
mod plain;
#[cfg(not(feature = "simulated"))]
pub use plain::{fs, net, signal, sync, task, time};

#[cfg(feature = "simulated")]
mod simulated;
#[cfg(feature = "simulated")]
pub use simulated::{fs, net, signal, sync, task, time};

mod random;
mod select;

pub use random::{Random, random};
pub use task::spawn;
/// tokio's streams and their helpers, which need no runtime.
pub use tokio::io;
pub use tokio::{join, pin, try_join};

/// For the macros of this crate.
#[doc(hidden)]
pub mod support {
    pub use tokio;

    /// Which branch of a `select!` is looked at first.
    pub fn first_branch(branches: u32) -> u32 {
        #[cfg(feature = "simulated")]
        if let Some(here) = crate::simulated::here() {
            return here.choose(branches);
        }
        tokio::macros::support::thread_rng_n(branches)
    }
}
