//! The protocol, paragraph by paragraph: scripts over a few servers in memory, whose whole trace is
//! written out for a reader to follow (in the manner of etcd's data-driven interaction tests).
//!
//! A line is one effect of one machine, at the moment at which it asked for it: `n3 -> n1 COMMIT
//! 0x100000002` was sent then, and arrives when the script lets it. `disk durable` ends the
//! operations before it; a server's own log line follows its name and a colon.

#![allow(missing_docs, reason = "a test program has no readers of its documentation")]
#![allow(clippy::unwrap_used, reason = "these are tests")]

mod client;
mod disk;
mod text;
mod world;

mod barrier;
mod broadcast;
mod catching_up;
mod discovery;
mod durability;
mod marks;
mod plants;
mod sessions;
mod stepping_down;
mod synchronisation;
mod voice;
