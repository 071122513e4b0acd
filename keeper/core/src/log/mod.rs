//! What a server keeps on disk, as bytes: transaction log, snapshots and epoch files in Apache
//! ZooKeeper's own formats, and what follows from finding them after a crash.
//!
//! Nothing here opens a file. The shell reads and writes whole files and ranges; these modules say
//! which, and what the bytes mean.

pub mod epoch;
mod names;
pub mod purge;
mod record;
mod recovery;
mod snapshot;
mod witness;

pub use names::{FileName, logs_needed};
pub use record::{
    Beyond, End, LogRecord, Scan, TornReason, append_header, append_record, scan, truncated_len,
};
pub use recovery::{Recovered, Recovery, RecoveryError, Rule, Truncate, Warning};
pub use snapshot::{
    Progress, SnapshotData, SnapshotDigest, SnapshotError, SnapshotReader, SnapshotWriter,
};
pub use witness::{WITNESS_BYTES, Witness};
