//! openraft's log and vote on our files.
//!
//! The log is one file of records: first which entry was dropped last, then the entries, and between them
//! up to which entry the log is committed. Entries are appended and synced before openraft is told that they
//! are durable. When the log is cut at either end it is written anew.
//!
//! openraft calls it optional to keep how far the log is committed. It is not if the state machine is in
//! memory: a leader that starts again leads on in its old term, without an entry that it would have to
//! commit first, and would answer reads from the snapshot alone.
//!
//! The vote is a file of its own. Each of the two has a directory of its own, so that a sync of one's name
//! makes no other name durable.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::io;
use std::ops::RangeBounds;
use std::sync::{Arc, Mutex, MutexGuard};

use openraft::storage::{LogFlushed, RaftLogStorage};
use openraft::{ErrorSubject, ErrorVerb, LogState, RaftLogReader};
use serde::{Deserialize, Serialize};
use squall::prelude::*;

use crate::disk::{Disk, decoded, encoded, sealed};
use crate::machine::Shared;
use crate::step::{Step, position};
use crate::types::{Entry, LogId, StorageError, Types, Vote};
use crate::{Mark, Plant};

const VOTE: &str = "/data/vote/vote";
const LOG: &str = "/data/log/log";

/// The log of one life of a server.
pub struct Log<H: Host, I> {
    disk: Disk<H>,
    /// openraft wants a log that threads can share; a file is not. Nobody locks it.
    file: Mutex<<H::Files as Files>::File>,
    held: Arc<Mutex<Held>>,
    vote: Option<Vote>,
    shared: Shared,
    probe: I,
}

/// The log's entries, which are read by others meanwhile.
#[derive(Clone)]
pub struct Reader(Arc<Mutex<Held>>);

/// A record behind the first.
#[derive(Serialize, Deserialize)]
enum Record {
    /// An entry.
    Entry(Entry),
    /// The log is committed up to this entry.
    Committed(LogId),
}

#[derive(Default)]
struct Held {
    purged: Option<LogId>,
    committed: Option<LogId>,
    entries: BTreeMap<u64, Entry>,
}

impl Held {
    fn bytes(&self) -> Vec<u8> {
        let mut bytes = sealed(&encoded(&self.purged));
        let entries = self.entries.values().map(|entry| Record::Entry(entry.clone()));
        for record in entries.chain(self.committed.map(Record::Committed)) {
            bytes.extend(sealed(&encoded(&record)));
        }
        bytes
    }

    fn last(&self) -> Option<LogId> {
        self.entries.last_key_value().map(|(_, entry)| entry.log_id).or(self.purged)
    }
}

fn locked(held: &Mutex<Held>) -> MutexGuard<'_, Held> {
    held.lock().expect("a panic under the lock ends the run")
}

impl<H: Host, I: Probe<Step>> Log<H, I> {
    /// Reads back what the disk holds, and writes it anew: what reads well need not have been synced.
    ///
    /// # Errors
    /// The host's, and damage that no loss of power leaves.
    pub async fn recover(disk: Disk<H>, shared: Shared, mut probe: I) -> io::Result<Log<H, I>> {
        let turn = disk.turn().await?;
        for (parent, dir) in [("/", "/data"), ("/data", "/data/vote"), ("/data", "/data/log")] {
            disk.make_dir(parent, dir).await?;
        }
        let vote: Option<Vote> = match disk.records(VOTE).await? {
            None => None,
            Some(records) => {
                let record = records.first().ok_or_else(|| damaged("the vote"))?;
                Some(decoded(record)?)
            }
        };
        let mut held = Held::default();
        if let Some(records) = disk.records(LOG).await? {
            let mut records = records.iter();
            let head = records.next().ok_or_else(|| damaged("the head of the log"))?;
            held.purged = decoded(head)?;
            for record in records {
                match decoded(record)? {
                    Record::Entry(entry) => drop(held.entries.insert(entry.log_id.index, entry)),
                    Record::Committed(upto) => held.committed = Some(upto),
                }
            }
        }
        let file = disk.replace(&turn, LOG, held.bytes()).await?;
        disk.sync_dir("/data/log").await?;
        if let Some(vote) = vote {
            disk.replace(&turn, VOTE, sealed(&encoded(&vote))).await?;
            disk.sync_dir("/data/vote").await?;
        }
        drop(turn);
        probe.observe(Step::Recovered {
            vote: vote.as_ref().map(Into::into),
            purged: held.purged.as_ref().map(position),
            log: held.entries.values().map(|entry| position(&entry.log_id)).collect(),
        });
        observe_members(&mut probe, held.entries.values());
        Ok(Log {
            disk,
            file: Mutex::new(file),
            held: Arc::new(Mutex::new(held)),
            vote,
            shared,
            probe,
        })
    }

    /// Whether nothing was ever kept here.
    pub fn is_new(&self) -> bool {
        self.vote.is_none() && locked(&self.held).last().is_none()
    }

    async fn write_vote(&mut self, vote: &Vote) -> io::Result<()> {
        let turn = self.disk.turn().await?;
        self.disk.replace(&turn, VOTE, sealed(&encoded(vote))).await?;
        reachable!(I, self.probe, Mark::VoteUnsynced);
        if !planted!(I, self.probe, Plant::VoteNotSynced) {
            self.disk.sync_dir("/data/vote").await?;
        }
        Ok(())
    }

    async fn write_entries(&mut self, entries: &[Entry]) -> io::Result<()> {
        let _turn = self.disk.turn().await?;
        let file = self.file.get_mut().expect("nobody locks it");
        for entry in entries {
            file.append(sealed(&encoded(&Record::Entry(entry.clone()))));
        }
        file.flush().await?;
        reachable!(I, self.probe, Mark::LogUnsynced);
        file.sync().await
    }

    async fn write_committed(&mut self, upto: LogId) -> io::Result<()> {
        let _turn = self.disk.turn().await?;
        let file = self.file.get_mut().expect("nobody locks it");
        file.append(sealed(&encoded(&Record::Committed(upto))));
        file.flush().await?;
        reachable!(I, self.probe, Mark::CommittedUnsynced);
        file.sync().await
    }

    /// Writes the log anew after a cut.
    async fn rewrite(&mut self, mark_here: fn(&I), is_end: bool) -> io::Result<()> {
        let turn = self.disk.turn().await?;
        let bytes = locked(&self.held).bytes();
        self.file = Mutex::new(self.disk.replace(&turn, LOG, bytes).await?);
        mark_here(&self.probe);
        if !(is_end && planted!(I, self.probe, Plant::TruncateNotSynced)) {
            self.disk.sync_dir("/data/log").await?;
        }
        Ok(())
    }
}

impl<H: Host, I: Probe<Step> + Sync> RaftLogStorage<Types> for Log<H, I> {
    type LogReader = Reader;

    async fn get_log_state(&mut self) -> Result<LogState<Types>, StorageError> {
        let held = locked(&self.held);
        Ok(LogState { last_purged_log_id: held.purged, last_log_id: held.last() })
    }

    async fn get_log_reader(&mut self) -> Reader {
        Reader(Arc::clone(&self.held))
    }

    async fn save_vote(&mut self, vote: &Vote) -> Result<(), StorageError> {
        let written = self.write_vote(vote).await;
        written.map_err(|error| failed(ErrorSubject::Vote, ErrorVerb::Write, error))?;
        self.vote = Some(*vote);
        self.probe.observe(Step::VoteSaved(vote.into()));
        reachable!(I, self.probe, Mark::VoteSaved);
        Ok(())
    }

    async fn read_vote(&mut self) -> Result<Option<Vote>, StorageError> {
        Ok(self.vote)
    }

    async fn save_committed(&mut self, committed: Option<LogId>) -> Result<(), StorageError> {
        let Some(upto) = committed else { return Ok(()) };
        if planted!(I, self.probe, Plant::CommittedNotSaved) {
            return Ok(());
        }
        locked(&self.held).committed = Some(upto);
        let written = self.write_committed(upto).await;
        written.map_err(|error| failed(ErrorSubject::Logs, ErrorVerb::Write, error))
    }

    async fn read_committed(&mut self) -> Result<Option<LogId>, StorageError> {
        // An entry that is committed and not in the log is in the snapshot.
        Ok(locked(&self.held).committed)
    }

    async fn append<E>(
        &mut self,
        entries: E,
        callback: LogFlushed<Types>,
    ) -> Result<(), StorageError>
    where
        E: IntoIterator<Item = Entry> + Send,
        E::IntoIter: Send,
    {
        let entries: Vec<Entry> = entries.into_iter().collect();
        let keyed = entries.iter().map(|entry| (entry.log_id.index, entry.clone()));
        locked(&self.held).entries.extend(keyed);
        if let Err(error) = self.write_entries(&entries).await {
            callback.log_io_completed(Err(io::Error::new(error.kind(), error.to_string())));
            return Err(failed(ErrorSubject::Logs, ErrorVerb::Write, error));
        }
        let positions = entries.iter().map(|entry| position(&entry.log_id)).collect();
        self.probe.observe(Step::Appended(positions));
        observe_members(&mut self.probe, entries.iter());
        callback.log_io_completed(Ok(()));
        Ok(())
    }

    async fn truncate(&mut self, since: LogId) -> Result<(), StorageError> {
        self.probe.observe(Step::Truncates(since.index));
        locked(&self.held).entries.split_off(&since.index);
        let mark = |probe: &I| reachable!(I, *probe, Mark::LogTruncating);
        let written = self.rewrite(mark, true).await;
        written.map_err(|error| failed(ErrorSubject::Logs, ErrorVerb::Delete, error))
    }

    async fn purge(&mut self, upto: LogId) -> Result<(), StorageError> {
        // openraft asks for this while the snapshot that makes it possible is still being installed.
        if !planted!(I, self.probe, Plant::PurgeBeforeSnapshot) {
            let held = self.shared.snapshot_holds(upto.index).await;
            held.map_err(|error| failed(ErrorSubject::Logs, ErrorVerb::Delete, error))?;
        }
        self.probe.observe(Step::Purges(position(&upto)));
        {
            let mut held = locked(&self.held);
            held.entries = held.entries.split_off(&(upto.index + 1));
            held.purged = Some(upto);
        }
        let mark = |probe: &I| reachable!(I, *probe, Mark::LogPurging);
        let written = self.rewrite(mark, false).await;
        written.map_err(|error| failed(ErrorSubject::Logs, ErrorVerb::Delete, error))
    }
}

impl RaftLogReader<Types> for Reader {
    async fn try_get_log_entries<R: RangeBounds<u64> + Clone + Debug + Send>(
        &mut self,
        range: R,
    ) -> Result<Vec<Entry>, StorageError> {
        Ok(locked(&self.0).entries.range(range).map(|(_, entry)| entry.clone()).collect())
    }
}

impl<H: Host, I: Probe<Step> + Sync> RaftLogReader<Types> for Log<H, I> {
    async fn try_get_log_entries<R: RangeBounds<u64> + Clone + Debug + Send>(
        &mut self,
        range: R,
    ) -> Result<Vec<Entry>, StorageError> {
        Reader(Arc::clone(&self.held)).try_get_log_entries(range).await
    }
}

/// Tells of the memberships among entries.
fn observe_members<'a, I: Probe<Step>>(probe: &mut I, entries: impl Iterator<Item = &'a Entry>) {
    for entry in entries {
        if let openraft::EntryPayload::Membership(members) = &entry.payload {
            probe.observe(members_from(entry.log_id.index, members));
        }
    }
}

/// A membership as it is told.
pub fn members_from(index: u64, members: &openraft::Membership<u64, openraft::BasicNode>) -> Step {
    let sets = members.get_joint_config().iter();
    Step::Members {
        index,
        voters: sets.map(|set| set.iter().copied().collect()).collect(),
        learners: members.learner_ids().collect(),
    }
}

fn damaged(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("{what} is damaged"))
}

/// An error of a file as openraft wants to hear of it.
pub fn failed(subject: ErrorSubject<u64>, verb: ErrorVerb, error: io::Error) -> StorageError {
    StorageError::from_io_error(subject, verb, error)
}
