//! A normal build: the names are tokio's own.
//!
//! The lists hold what a simulated build offers, too, so that a program that compiles in one compiles
//! in the other.

/// Sockets and names: tokio's.
pub mod net {
    pub use tokio::net::{
        TcpListener, TcpSocket, TcpStream, ToSocketAddrs, UdpSocket, lookup_host,
    };

    /// The owned and borrowed halves of a stream: tokio's.
    pub mod tcp {
        pub use tokio::net::tcp::{
            OwnedReadHalf, OwnedWriteHalf, ReadHalf, ReuniteError, WriteHalf,
        };
    }
}

/// Channels and locks: tokio's.
pub mod sync {
    pub use tokio::sync::*;
}

/// Alarms and clocks: tokio's, and the standard library's clock of the time of day.
pub mod time {
    pub use std::time::{SystemTime, SystemTimeError, UNIX_EPOCH};
    pub use tokio::time::{
        Duration, Instant, Interval, MissedTickBehavior, Sleep, Timeout, interval, interval_at,
        sleep, sleep_until, timeout, timeout_at,
    };

    /// What a passed time limit is called: tokio's.
    pub mod error {
        pub use tokio::time::error::Elapsed;
    }

    /// The time of day.
    #[expect(clippy::disallowed_methods, reason = "outside of a world this is the clock")]
    pub fn system_now() -> SystemTime {
        SystemTime::now()
    }
}

/// Tasks: what tokio has under these names.
pub mod task {
    pub use tokio::task::{
        AbortHandle, JoinError, JoinHandle, JoinSet, consume_budget, spawn, spawn_blocking,
        unconstrained, yield_now,
    };
}

/// Files: what tokio has under these names.
pub mod fs {
    pub use std::fs::{FileType, Metadata};
    pub use tokio::fs::{
        DirEntry, File, OpenOptions, ReadDir, canonicalize, copy, create_dir, create_dir_all,
        metadata, read, read_dir, read_to_string, remove_dir, remove_dir_all, remove_file, rename,
        try_exists, write,
    };
}

/// Being told to stop: tokio's.
pub mod signal {
    pub use tokio::signal::ctrl_c;

    /// Signals by their kind: tokio's.
    #[cfg(unix)]
    pub mod unix {
        pub use tokio::signal::unix::{Signal, SignalKind, signal};
    }
}
