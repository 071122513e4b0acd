//! The witness on disk: what it says and when it is written (`keeper_core::log::Witness` says what for).
//!
//! After a sync of the log it is written and synced when no append has come for some milliseconds, and before
//! any other file of the directories is synced. So what a disk holds is told of by something that was synced
//! later, but for the last batch of a log, for as long as it is the last thing that happened to the disk.

use std::io;

use keeper_core::ids::{Epoch, Zxid};
use keeper_core::log::{WITNESS_BYTES, Witness};
use platform::{File, Files};

use crate::disk::{Directories, Which, join};

/// The witness's file, beside the logs.
pub(crate) const WITNESS: &str = "synced";

/// The witness of a directory, open for writing.
#[derive(Debug)]
pub(crate) struct WitnessFile<W> {
    file: W,
    says: Witness,
    /// Whether the disk may hold less.
    is_pending: bool,
}

impl<W: File> WitnessFile<W> {
    /// Makes the witness say so, durably; in place, unless there is none yet.
    pub(crate) async fn open<F: Files<File = W>>(
        files: &F,
        directories: &Directories,
        says: Witness,
    ) -> io::Result<WitnessFile<W>> {
        let path = join(&directories.log, WITNESS);
        let is_there = files.len(&path).await.is_ok_and(|len| len == WITNESS_BYTES as u64);
        if is_there {
            let mut file = files.open_append(&path).await?;
            file.write_at(0, says.encode());
            file.sync().await?;
            return Ok(WitnessFile { file, says, is_pending: false });
        }
        let mut file = files.create(&path).await?;
        file.append(says.encode());
        file.sync().await?;
        files.sync_dir(&directories.log).await?;
        Ok(WitnessFile { file, says, is_pending: false })
    }

    /// The history is durable up to here. The witness says so when it is settled next.
    pub(crate) fn note_synced(&mut self, synced: Zxid) {
        self.is_pending |= self.says.synced != synced;
        self.says.synced = synced;
    }

    /// An epoch, before its file holds it.
    pub(crate) fn note_epoch(&mut self, which: Which, epoch: Epoch) {
        let says = match which {
            Which::Accepted => &mut self.says.accepted,
            Which::Current => &mut self.says.current,
        };
        self.is_pending |= *says != epoch;
        *says = epoch;
    }

    /// What is behind `synced` is about to be cut off, or has been.
    pub(crate) async fn note_cut(&mut self, synced: Zxid, is_cutting: bool) -> io::Result<()> {
        (self.says.synced, self.says.is_cutting) = (synced, is_cutting);
        self.is_pending = true;
        self.settle().await
    }

    /// Whether it would say more if it were settled.
    pub(crate) fn is_pending(&self) -> bool {
        self.is_pending
    }

    /// Makes durable what it says.
    pub(crate) async fn settle(&mut self) -> io::Result<()> {
        if self.is_pending {
            self.file.write_at(0, self.says.encode());
            self.file.sync().await?;
            self.is_pending = false;
        }
        Ok(())
    }
}
