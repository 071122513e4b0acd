//! The unbroken line of transactions through the logs, after a snapshot.

use bytes::Bytes;

use crate::ids::Zxid;
use crate::log::names::FileName;
use crate::log::record::{End, LogRecord, Scan, TornReason};

use super::{RecoveryError, Rule, Truncate, Warning};

/// What [`Line::finish`] gives.
pub(super) struct Found {
    pub(super) tail: Vec<(Zxid, Bytes)>,
    pub(super) truncate: Option<Truncate>,
    pub(super) remove: Vec<FileName>,
    pub(super) sure: Option<Truncate>,
    pub(super) ends_unmarked: bool,
}

/// The line as far as it has been read.
#[derive(Clone, Debug)]
pub(super) struct Line {
    rule: Rule,
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
    /// The line ends here, whatever follows: it is being cut, or an operator accepts the loss.
    cut: Option<Cut>,
    /// The last transaction that something says was synced.
    synced: Zxid,
    /// The log read last.
    last_log: Option<LastLog>,
}

/// A log that was read.
#[derive(Clone, Debug)]
struct LastLog {
    file: FileName,
    /// Whether its records say what was synced.
    is_marked: bool,
    /// Its transactions, and where the record of each ends.
    ends: Vec<(Zxid, usize)>,
}

/// A log that ends torn.
#[derive(Clone, Copy, Debug)]
struct Torn {
    file: FileName,
    offset: usize,
    reason: TornReason,
}

/// What is left out at the end of the line.
#[derive(Clone, Debug, Default)]
struct Cut {
    truncate: Option<Truncate>,
    remove: Vec<FileName>,
}

/// How one transaction stands to the one before it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Successor {
    /// The next of the same epoch, or the log says so: nothing can be missing between them.
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
    /// A line that goes on behind a snapshot, or begins with the first transaction there ever was.
    pub(super) fn after(snapshot: Option<Zxid>, rule: Rule) -> Line {
        let synced = rule.witness.map_or(Zxid::ZERO, |witness| witness.synced);
        Line {
            rule,
            snapshot,
            tail: Vec::new(),
            last_file: None,
            torn: Vec::new(),
            empty: Vec::new(),
            cut: None,
            synced,
            last_log: None,
        }
    }

    /// Takes the next log.
    pub(super) fn log(
        &mut self,
        file: FileName,
        scan: &Scan,
        bytes: &Bytes,
        warnings: &mut Vec<Warning>,
    ) -> Result<(), RecoveryError> {
        if let Some(cut) = &mut self.cut {
            cut.remove.push(file);
            return Ok(());
        }
        let mut after = scan.after;
        for (at, record) in scan.records.iter().enumerate() {
            if self.is_beyond_the_cut(record.zxid) {
                self.cut_at(file, record.offset, at == 0);
                break;
            }
            let txn = bytes.slice(record.txn.clone());
            let is_told = scan.is_marked && at == 0;
            match self.record(file, record, (is_told, after), txn, warnings) {
                Err(error) if self.rule.accepts_loss => {
                    warnings.push(Warning::LossAccepted { error: Box::new(error) });
                    self.cut_at(file, record.offset, at == 0);
                    break;
                }
                taken => taken?,
            }
            self.synced = self.synced.max(record.synced.unwrap_or(Zxid::ZERO));
            after = record.zxid;
        }
        if self.cut.is_some() {
            return Ok(());
        }
        self.note_end(file, scan)
    }

    /// The next log cannot be read.
    pub(super) fn unreadable(
        &mut self,
        file: FileName,
        error: RecoveryError,
        warnings: &mut Vec<Warning>,
    ) -> Result<(), RecoveryError> {
        if !self.rule.accepts_loss {
            return Err(error);
        }
        warnings.push(Warning::LossAccepted { error: Box::new(error) });
        match &mut self.cut {
            Some(cut) => cut.remove.push(file),
            None => self.cut_at(file, 0, true),
        }
        Ok(())
    }

    /// The end of a log: it may be torn, or there is nothing in it.
    fn note_end(&mut self, file: FileName, scan: &Scan) -> Result<(), RecoveryError> {
        let last = self.last().unwrap_or(Zxid::ZERO);
        if scan.records.is_empty() {
            self.empty.push(file);
        } else {
            self.empty.clear();
        }
        let ends = scan.records.iter().map(|record| (record.zxid, record.end())).collect();
        self.last_log = Some(LastLog { file, is_marked: scan.is_marked, ends });
        if let End::Torn { offset, reason } = scan.end {
            self.torn.push(Torn { file, offset, reason });
        }
        if self.rule.accepts_loss || self.is_at_the_cut(last) {
            return Ok(());
        }
        if let End::Torn { offset, reason } = scan.end {
            let says_so = scan.beyond.iter().find(|found| found.zxid > last && found.synced > last);
            let found = match reason {
                TornReason::Contradiction => Some(scan.after),
                _ => says_so.map(|found| found.zxid),
            };
            if let Some(found) = found {
                return Err(RecoveryError::Damaged { file, offset, reason, next: file, found });
            }
        }
        // Nothing is in it, but its beginning says what was synced before.
        if scan.is_marked && scan.records.is_empty() && scan.after > last {
            return Err(self.missing(file, scan.after));
        }
        Ok(())
    }

    fn record(
        &mut self,
        file: FileName,
        record: &LogRecord,
        before: (bool, Zxid),
        txn: Bytes,
        warnings: &mut Vec<Warning>,
    ) -> Result<(), RecoveryError> {
        let zxid = record.zxid;
        if self.snapshot.is_some_and(|snapshot| zxid <= snapshot) {
            return Ok(());
        }
        if self.tail.last().is_some_and(|(last, _)| zxid <= *last) {
            return self.again(file, zxid, &txn, warnings);
        }
        self.expect_successor(file, zxid, before)?;
        for torn in self.torn.drain(..) {
            let Torn { file, offset, reason } = torn;
            warnings.push(Warning::TornAndContinued { file, offset, reason });
        }
        self.tail.push((zxid, txn));
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
    /// Whatever it looks like, what the file says to stand before `found` must have been read; and where that
    /// is the last that was read, nothing is missing.
    fn expect_successor(
        &self,
        file: FileName,
        found: Zxid,
        (is_told, after): (bool, Zxid),
    ) -> Result<(), RecoveryError> {
        let successor = match self.last() {
            Some(last) if last < after => Successor::No,
            Some(last) if last == after && is_told && found > last => Successor::Next,
            Some(last) => Successor::of(last, found),
            None if found.counter() == 1 && after == Zxid::ZERO => Successor::NextEpoch,
            None => return Err(RecoveryError::NoSnapshot { rejected: 0, first_log: Some(file) }),
        };
        let damage = self.torn.iter().any(|torn| match successor {
            Successor::Next => false,
            Successor::NextEpoch => !torn.is_from_a_crash(),
            Successor::No => true,
        });
        match successor {
            Successor::No => Err(self.missing(file, found)),
            _ if damage => Err(self.missing(file, found)),
            _ => Ok(()),
        }
    }

    /// What lies before `found` is missing: behind a torn log, or just so.
    fn missing(&self, next: FileName, found: Zxid) -> RecoveryError {
        match (self.torn.first(), self.last()) {
            (Some(&Torn { file, offset, reason }), _) => {
                RecoveryError::Damaged { file, offset, reason, next, found }
            }
            (None, Some(after)) => {
                RecoveryError::Gap { after, before: self.last_file, found, file: next }
            }
            (None, None) => RecoveryError::NoSnapshot { rejected: 0, first_log: Some(next) },
        }
    }

    pub(super) fn last(&self) -> Option<Zxid> {
        self.tail.last().map(|(zxid, _)| *zxid).or(self.snapshot)
    }

    pub(super) fn is_behind_a_snapshot(&self) -> bool {
        self.snapshot.is_some()
    }

    fn is_beyond_the_cut(&self, zxid: Zxid) -> bool {
        self.rule.witness.is_some_and(|witness| witness.is_cutting && zxid > witness.synced)
    }

    /// Whether all is there that is to be left by a cut: what follows had been synced, and need not be whole any
    /// more. A file system may have written zeros for the rest of a sector or a block before the new length.
    fn is_at_the_cut(&self, last: Zxid) -> bool {
        self.rule.witness.is_some_and(|witness| witness.is_cutting && last >= witness.synced)
    }

    /// The line ends before this place.
    fn cut_at(&mut self, file: FileName, offset: usize, is_all: bool) {
        let cut = self.cut.insert(Cut::default());
        match is_all {
            true => cut.remove.push(file),
            false => cut.truncate = Some(Truncate { file, len: offset }),
        }
        if !is_all {
            let ends = vec![(Zxid::ZERO, offset)];
            self.last_log = Some(LastLog { file, is_marked: false, ends });
        }
    }

    /// No more logs: what is torn now is the end of the log, unless more was synced.
    pub(super) fn finish(mut self, warnings: &mut Vec<Warning>) -> Result<Found, RecoveryError> {
        self.expect_all_that_was_synced()?;
        let (mut truncate, mut remove) = (None, std::mem::take(&mut self.empty));
        for Torn { file, offset, reason } in std::mem::take(&mut self.torn) {
            warnings.push(Warning::TornTail { file, len: offset, reason });
            if !remove.contains(&file) {
                truncate = Some(Truncate { file, len: offset });
            }
        }
        let (sure, ends_unmarked) = (self.sure(), self.ends_unmarked());
        if let Some(cut) = self.cut {
            truncate = cut.truncate.or(truncate);
            remove.extend(cut.remove);
        }
        Ok(Found { tail: self.tail, truncate, remove, sure, ends_unmarked })
    }

    /// The witness is void where a log follows that is not marked: Apache has run here since, and may have cut
    /// what the witness saw.
    fn expect_all_that_was_synced(&self) -> Result<(), RecoveryError> {
        let Some(witness) = self.rule.witness.filter(|_| !self.rule.accepts_loss) else {
            return Ok(());
        };
        let last = self.last().unwrap_or(Zxid::ZERO);
        if last >= witness.synced || self.ends_unmarked() {
            return Ok(());
        }
        let torn = self.torn.first().map(|torn| (torn.file, torn.offset, torn.reason));
        Err(RecoveryError::Short { last, file: self.last_file, synced: witness.synced, torn })
    }

    fn ends_unmarked(&self) -> bool {
        let last = self.last_log.as_ref().filter(|_| self.cut.is_none());
        last.is_some_and(|last| !last.is_marked && !last.ends.is_empty())
    }

    /// Up to where the last log was certainly synced.
    fn sure(&self) -> Option<Truncate> {
        let LastLog { file, is_marked, ends } = self.last_log.as_ref()?;
        let of_records = ends.iter().rev().find(|(zxid, _)| *is_marked && *zxid <= self.synced);
        Some(Truncate { file: *file, len: of_records.map_or(0, |(_, end)| *end) })
    }
}

impl Torn {
    fn is_from_a_crash(&self) -> bool {
        matches!(self.reason, TornReason::Header | TornReason::Unfinished)
    }
}
