//! The state machine: keys and values in memory, and snapshots of them in a file.
//!
//! After a restart it is what the last snapshot holds, until openraft applies the entries behind it again.

use std::collections::BTreeMap;
use std::io::{self, Cursor};
use std::sync::{Arc, Mutex, MutexGuard};

use openraft::storage::RaftStateMachine;
use openraft::{
    EntryPayload, ErrorSubject, ErrorVerb, RaftSnapshotBuilder, Snapshot, SnapshotMeta,
};
use serde::{Deserialize, Serialize};
use squall::prelude::*;
use tokio::sync::oneshot;

use crate::Mark;
use crate::disk::{Disk, decoded, encoded, sealed};
use crate::log::{failed, members_from};
use crate::step::{Step, position};
use crate::types::{Command, Entry, LogId, Members, Reply, StorageError, Types};

const SNAPSHOT: &str = "/data/snapshot/snapshot";

type Meta = SnapshotMeta<u64, openraft::BasicNode>;

/// The state machine of one life of a server.
pub struct Machine<H: Host, I> {
    disk: Disk<H>,
    shared: Shared,
    probe: I,
}

/// What those who read share with the state machine.
#[derive(Clone, Default)]
pub struct Shared(Arc<Mutex<Held>>);

#[derive(Default)]
struct Held {
    applied: Option<LogId>,
    members: Members,
    kept: Kept,
    snapshot: Option<(Meta, Vec<u8>)>,
    /// Who waits until an entry is applied, in the order in which they came.
    waiting: Vec<(u64, oneshot::Sender<()>)>,
    /// A snapshot could not be written.
    is_broken: bool,
    /// Who waits for another snapshot.
    waiting_for_snapshot: Vec<oneshot::Sender<()>>,
}

/// What a snapshot holds.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Kept {
    values: BTreeMap<String, String>,
    /// Over all entries that were applied, so that two servers that disagree once never agree again.
    hash: u64,
}

/// Writes down what was applied at one moment.
pub struct Builder<H: Host, I> {
    disk: Disk<H>,
    shared: Shared,
    meta: Meta,
    data: Vec<u8>,
    probe: I,
}

impl Shared {
    fn locked(&self) -> MutexGuard<'_, Held> {
        self.0.lock().expect("a panic under the lock ends the run")
    }

    /// Waits until an entry is applied. It may wait for ever.
    pub async fn applied(&self, index: u64) {
        let applied = {
            let mut held = self.locked();
            if held.applied.is_some_and(|applied| applied.index >= index) {
                return;
            }
            let (sender, receiver) = oneshot::channel();
            held.waiting.push((index, sender));
            receiver
        };
        // Without a sender the server is about to end, and the one that waits with it.
        let _ = applied.await;
    }

    fn write_failed(&self, meta: &Meta, error: io::Error) -> StorageError {
        let mut held = self.locked();
        held.is_broken = true;
        held.tell_of_snapshot();
        failed(ErrorSubject::Snapshot(Some(meta.signature())), ErrorVerb::Write, error)
    }

    /// Waits until a durable snapshot holds an entry.
    ///
    /// # Errors
    /// A snapshot could not be written.
    pub async fn snapshot_holds(&self, index: u64) -> io::Result<()> {
        loop {
            let another = {
                let mut held = self.locked();
                let last = held.snapshot.as_ref().and_then(|(meta, _)| meta.last_log_id);
                if last.is_some_and(|last| last.index >= index) {
                    return Ok(());
                }
                if held.is_broken {
                    return Err(io::Error::other("the snapshot was not written"));
                }
                let (sender, receiver) = oneshot::channel();
                held.waiting_for_snapshot.push(sender);
                receiver
            };
            let _ = another.await;
        }
    }

    /// The value of a key, as far as entries are applied.
    pub fn value(&self, key: &str) -> Option<String> {
        self.locked().kept.values.get(key).cloned()
    }
}

impl Held {
    fn apply(&mut self, entry: &Entry) -> Reply {
        self.kept.hash = hash_bytes(&[&self.kept.hash.to_be_bytes()[..], &encoded(entry)].concat());
        self.applied = Some(entry.log_id);
        match &entry.payload {
            EntryPayload::Blank => Reply::Nothing,
            EntryPayload::Membership(members) => {
                self.members = Members::new(Some(entry.log_id), members.clone());
                Reply::Nothing
            }
            EntryPayload::Normal(Command::Set { key, value }) => {
                self.kept.values.insert(key.clone(), value.clone());
                Reply::Written
            }
            EntryPayload::Normal(Command::Cas { key, old, new }) => {
                match self.kept.values.get_mut(key).filter(|held| *held == old) {
                    Some(held) => {
                        held.clone_from(new);
                        Reply::Written
                    }
                    None => Reply::Differs,
                }
            }
        }
    }

    /// Those whose wait is over.
    fn take_ready(&mut self) -> Vec<oneshot::Sender<()>> {
        let index = self.applied.map_or(0, |applied| applied.index);
        let waiting = std::mem::take(&mut self.waiting);
        let (ready, still) = waiting.into_iter().partition(|(wanted, _)| *wanted <= index);
        self.waiting = still;
        Vec::into_iter(ready).map(|(_, sender)| sender).collect()
    }

    /// Somebody may wait for what has just happened to a snapshot.
    fn tell_of_snapshot(&mut self) {
        for sender in std::mem::take(&mut self.waiting_for_snapshot) {
            // Whoever waited may have gone away.
            let _ = sender.send(());
        }
    }

    fn take_snapshot(&mut self, meta: &Meta, data: &[u8]) -> io::Result<()> {
        self.kept = decoded(data)?;
        self.applied = meta.last_log_id;
        self.members = meta.last_membership.clone();
        self.snapshot = Some((meta.clone(), data.to_vec()));
        self.tell_of_snapshot();
        Ok(())
    }
}

impl<H: Host, I: Probe<Step>> Machine<H, I> {
    /// Takes the state of the snapshot, if there is one.
    ///
    /// # Errors
    /// The host's, and damage that no loss of power leaves.
    pub async fn recover(disk: Disk<H>, shared: Shared, mut probe: I) -> io::Result<Machine<H, I>> {
        let turn = disk.turn().await?;
        disk.make_dir("/data", "/data/snapshot").await?;
        let mut held = Held::default();
        if let Some(records) = disk.records(SNAPSHOT).await? {
            let [meta, data] = &records[..] else {
                let what = "the snapshot is damaged";
                return Err(io::Error::new(io::ErrorKind::InvalidData, what));
            };
            held.take_snapshot(&decoded(meta)?, data)?;
            write(&disk, &turn, records.iter()).await?;
            disk.sync_dir("/data/snapshot").await?;
        }
        drop(turn);
        if let Some(id) = held.members.log_id() {
            probe.observe(members_from(id.index, held.members.membership()));
        }
        if let Some(applied) = &held.applied {
            let (position, hash) = (position(applied), held.kept.hash);
            probe.observe(Step::Applied { position, hash });
        }
        *shared.locked() = held;
        Ok(Machine { disk, shared, probe })
    }
}

async fn write<'a, H: Host>(
    disk: &Disk<H>,
    turn: &crate::disk::Turn<'_>,
    records: impl Iterator<Item = &'a Vec<u8>>,
) -> io::Result<()> {
    let bytes = records.flat_map(|record| sealed(record)).collect();
    disk.replace(turn, SNAPSHOT, bytes).await.map(drop)
}

impl<H: Host, I: Probe<Step> + Sync> RaftStateMachine<Types> for Machine<H, I> {
    type SnapshotBuilder = Builder<H, I>;

    async fn applied_state(&mut self) -> Result<(Option<LogId>, Members), StorageError> {
        let held = self.shared.locked();
        Ok((held.applied, held.members.clone()))
    }

    async fn apply<E>(&mut self, entries: E) -> Result<Vec<Reply>, StorageError>
    where
        E: IntoIterator<Item = Entry> + Send,
        E::IntoIter: Send,
    {
        let mut replies = Vec::new();
        for entry in entries {
            let (reply, hash, ready) = {
                let mut held = self.shared.locked();
                let reply = held.apply(&entry);
                (reply, held.kept.hash, held.take_ready())
            };
            self.probe.observe(Step::Applied { position: position(&entry.log_id), hash });
            for sender in ready {
                // Whoever waited may have gone away.
                let _ = sender.send(());
            }
            replies.push(reply);
        }
        Ok(replies)
    }

    async fn get_snapshot_builder(&mut self) -> Builder<H, I> {
        let held = self.shared.locked();
        let id = held.applied.map_or("empty".to_owned(), |applied| applied.to_string());
        let meta = Meta {
            last_log_id: held.applied,
            last_membership: held.members.clone(),
            snapshot_id: id,
        };
        Builder {
            disk: self.disk.clone(),
            shared: self.shared.clone(),
            meta,
            data: encoded(&held.kept),
            probe: self.probe.clone(),
        }
    }

    async fn begin_receiving_snapshot(&mut self) -> Result<Box<Cursor<Vec<u8>>>, StorageError> {
        Ok(Box::new(Cursor::new(Vec::new())))
    }

    async fn install_snapshot(
        &mut self,
        meta: &Meta,
        snapshot: Box<Cursor<Vec<u8>>>,
    ) -> Result<(), StorageError> {
        let data = snapshot.into_inner();
        let installed = async {
            let turn = self.disk.turn().await?;
            write(&self.disk, &turn, [&encoded(meta), &data].into_iter()).await?;
            reachable!(I, self.probe, Mark::SnapshotUnsynced);
            self.disk.sync_dir("/data/snapshot").await?;
            drop(turn);
            let mut held = self.shared.locked();
            held.take_snapshot(meta, &data)?;
            Ok((held.kept.hash, held.take_ready()))
        };
        let installed = installed.await;
        let (hash, ready) = installed.map_err(|error| self.shared.write_failed(meta, error))?;
        if let Some(last) = &meta.last_log_id {
            self.probe.observe(Step::SnapshotInstalled { position: position(last), hash });
        }
        if let Some(id) = meta.last_membership.log_id() {
            self.probe.observe(members_from(id.index, meta.last_membership.membership()));
        }
        reachable!(I, self.probe, Mark::SnapshotInstalled);
        for sender in ready {
            let _ = sender.send(());
        }
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<Snapshot<Types>>, StorageError> {
        let held = self.shared.locked();
        let snapshot = held.snapshot.as_ref();
        Ok(snapshot.map(|(meta, data)| Snapshot {
            meta: meta.clone(),
            snapshot: Box::new(Cursor::new(data.clone())),
        }))
    }
}

impl<H: Host, I: Probe<Step> + Sync> RaftSnapshotBuilder<Types> for Builder<H, I> {
    async fn build_snapshot(&mut self) -> Result<Snapshot<Types>, StorageError> {
        let built = async {
            let turn = self.disk.turn().await?;
            // One that was installed meanwhile may hold more: it stays.
            let held =
                self.shared.locked().snapshot.as_ref().and_then(|(meta, _)| meta.last_log_id);
            if held > self.meta.last_log_id {
                return Ok(());
            }
            write(&self.disk, &turn, [&encoded(&self.meta), &self.data].into_iter()).await?;
            reachable!(I, self.probe, Mark::SnapshotUnsynced);
            self.disk.sync_dir("/data/snapshot").await?;
            let mut held = self.shared.locked();
            held.snapshot = Some((self.meta.clone(), self.data.clone()));
            held.tell_of_snapshot();
            Ok(())
        };
        let built = built.await;
        built.map_err(|error| self.shared.write_failed(&self.meta, error))?;
        if let Some(last) = &self.meta.last_log_id {
            self.probe.observe(Step::SnapshotBuilt(position(last)));
        }
        let snapshot = Box::new(Cursor::new(self.data.clone()));
        Ok(Snapshot { meta: self.meta.clone(), snapshot })
    }
}
