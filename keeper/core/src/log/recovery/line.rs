//! The unbroken line of transactions through the logs, after a snapshot.

use bytes::Bytes;

use crate::ids::Zxid;
use crate::log::names::FileName;
use crate::log::record::{End, LogRecord, Scan, TornReason};

use super::{RecoveryError, Truncate, Warning};

/// What [`Line::finish`] gives: the tail, what to cut and what to remove.
type Found = (Vec<(Zxid, Bytes)>, Option<Truncate>, Vec<FileName>);

/// The line as far as it has been read.
#[derive(Clone, Debug)]
pub(super) struct Line {
    /// What the snapshot covers; `None` if there is none, and the line begins with a first
    /// transaction.
    snapshot: Option<Zxid>,
    tail: Vec<(Zxid, Bytes)>,
    /// The log that holds the last of the tail.
    last_file: Option<FileName>,
    /// Logs that end torn, since the last whole record.
    torn: Vec<Torn>,
    /// Logs without a whole record, since the last whole record.
    empty: Vec<FileName>,
}

/// A log that ends torn.
#[derive(Clone, Copy, Debug)]
struct Torn {
    file: FileName,
    offset: usize,
    reason: TornReason,
}

/// How one transaction stands to the one before it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Successor {
    /// The next of the same epoch: nothing can be missing between them.
    Next,
    /// The first of a later epoch: whether the earlier one had more cannot be seen.
    NextEpoch,
    /// Something is missing.
    No,
}

impl Successor {
    fn of(before: Zxid, after: Zxid) -> Successor {
        if before.next() == Some(after) {
            Successor::Next
        } else if after.epoch() > before.epoch() && after.counter() == 1 {
            Successor::NextEpoch
        } else {
            Successor::No
        }
    }
}

impl Line {
    /// A line that goes on behind a snapshot.
    pub(super) fn after(snapshot: Zxid) -> Line {
        Line { snapshot: Some(snapshot), ..Line::from_the_beginning() }
    }

    /// A line that begins with the first transaction there ever was.
    pub(super) fn from_the_beginning() -> Line {
        Line {
            snapshot: None,
            tail: Vec::new(),
            last_file: None,
            torn: Vec::new(),
            empty: Vec::new(),
        }
    }

    /// Takes the next log.
    pub(super) fn log(
        &mut self,
        file: FileName,
        scan: &Scan,
        bytes: &[u8],
        warnings: &mut Vec<Warning>,
    ) -> Result<(), RecoveryError> {
        let mut after = scan.after;
        for record in &scan.records {
            self.record(file, record, after, &bytes[record.txn.clone()], warnings)?;
            after = record.zxid;
        }
        if scan.records.is_empty() {
            self.empty.push(file);
        } else {
            self.empty.clear();
        }
        if let End::Torn { offset, reason } = scan.end {
            self.torn.push(Torn { file, offset, reason });
        }
        Ok(())
    }

    fn record(
        &mut self,
        file: FileName,
        record: &LogRecord,
        after: Zxid,
        txn: &[u8],
        warnings: &mut Vec<Warning>,
    ) -> Result<(), RecoveryError> {
        let zxid = record.zxid;
        if self.snapshot.is_some_and(|snapshot| zxid <= snapshot) {
            return Ok(());
        }
        if self.tail.last().is_some_and(|(last, _)| zxid <= *last) {
            return self.again(file, zxid, txn, warnings);
        }
        self.expect_successor(file, zxid, after)?;
        for torn in self.torn.drain(..) {
            let Torn { file, offset, reason } = torn;
            warnings.push(Warning::TornAndContinued { file, offset, reason });
        }
        self.tail.push((zxid, Bytes::copy_from_slice(txn)));
        self.last_file = Some(file);
        Ok(())
    }

    /// A transaction that the line has passed: harmless if it is the same.
    fn again(
        &self,
        file: FileName,
        zxid: Zxid,
        txn: &[u8],
        warnings: &mut Vec<Warning>,
    ) -> Result<(), RecoveryError> {
        let known = self.tail.binary_search_by_key(&zxid, |(zxid, _)| *zxid);
        if known.is_ok_and(|at| self.tail[at].1 == txn) {
            warnings.push(Warning::Repeated { file, zxid });
            return Ok(());
        }
        Err(RecoveryError::Conflict { file, zxid })
    }

    /// A torn log may be passed if provably nothing is missing behind it; and at the change of an
    /// epoch if it looks like what a crash leaves, because Apache leaves it there and begins another
    /// log. A record that is complete and wrong was damaged later.
    /// Whatever it looks like, what the file says to stand before `found` must have been read.
    fn expect_successor(
        &self,
        file: FileName,
        found: Zxid,
        after: Zxid,
    ) -> Result<(), RecoveryError> {
        let successor = match self.last() {
            Some(last) if last < after => Successor::No,
            Some(last) => Successor::of(last, found),
            None if found.counter() == 1 && after == Zxid::ZERO => Successor::NextEpoch,
            None => return Err(RecoveryError::NoSnapshot { rejected: 0, first_log: Some(file) }),
        };
        let damage = self.torn.iter().find(|torn| match successor {
            Successor::Next => false,
            Successor::NextEpoch => !torn.is_from_a_crash(),
            Successor::No => true,
        });
        if let Some(&Torn { file: damaged, offset, reason }) = damage {
            return Err(RecoveryError::Damaged {
                file: damaged,
                offset,
                reason,
                next: file,
                found,
            });
        }
        match (successor, self.last()) {
            (Successor::No, Some(after)) => {
                Err(RecoveryError::Gap { after, before: self.last_file, found, file })
            }
            _ => Ok(()),
        }
    }

    fn last(&self) -> Option<Zxid> {
        self.tail.last().map(|(zxid, _)| *zxid).or(self.snapshot)
    }

    /// No more logs: what is torn now is the end of the log.
    pub(super) fn finish(self, warnings: &mut Vec<Warning>) -> Found {
        let mut truncate = None;
        for Torn { file, offset, reason } in self.torn {
            warnings.push(Warning::TornTail { file, len: offset, reason });
            if !self.empty.contains(&file) {
                truncate = Some(Truncate { file, len: offset });
            }
        }
        (self.tail, truncate, self.empty)
    }
}

impl Torn {
    fn is_from_a_crash(&self) -> bool {
        matches!(self.reason, TornReason::Header | TornReason::Unfinished)
    }
}
