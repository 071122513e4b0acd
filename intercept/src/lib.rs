//! Makes what foreign code reads behind everybody's back a function of the seed: libc's clocks and
//! entropy, on the thread of a run.
//!
//! A program's own code reads the time from its host and draws from named streams. Its dependencies
//! do not: they call `std::time::Instant::now`, iterate over a `HashMap`, ask the system for entropy.
//! All of that ends in a few functions of libc. A program that links this crate has them replaced for
//! the whole process, and they are the real ones but on a thread of [`in_fresh_thread`], where
//!
//! - clocks, while a task of a host is polled, are that host's: `CLOCK_REALTIME` its time of day,
//!   `CLOCK_MONOTONIC` and its kin its monotonic clock; elsewhere they stay real;
//! - entropy, while a task of a host is polled, is a stream of the host; elsewhere on that thread it
//!   is a stream of the thread's seed, because the standard library draws the keys of a thread's hash
//!   maps once, whoever asks first.
//!
//! It concerns what goes through libc's symbols: the standard library, the crates `getrandom` and
//! `rand`, C code that is linked dynamically. It does not concern code that makes system calls itself
//! (`rustix` without libc, Go), reads the processor's counter (`quanta`), or is linked statically with
//! another libc. Real reads cost a system call instead of a call of the vDSO: about 0.1 µs more.
//!
//! Squall's own systems run without it, so that the checks of determinism stay strict.

mod real;
mod replaced;
mod run;

pub use run::in_fresh_thread;

/// How far a simulated monotonic clock is on when its world begins, in seconds, as on a machine that
/// has been up for a while: programs subtract from the present moment.
pub const UPTIME_S: u64 = 1_000_000;
