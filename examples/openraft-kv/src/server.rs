//! A server: openraft on this host's files, and a listener for servers and clients.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;

use openraft::error::{CheckIsLeaderError, ClientWriteError, ForwardToLeader, RaftError};
use openraft::{BasicNode, ChangeMembers, Config, Raft, ServerState, SnapshotPolicy};
use squall::model::RegisterOperation;
use squall::prelude::*;
use squall_runtime::task::JoinSet;

use crate::Plant;
use crate::disk::Disk;
use crate::log::Log;
use crate::machine::{Machine, Shared};
use crate::model::{Change, Operation};
use crate::network::{Called, Network, PORT, Request, Response, receive, send};
use crate::step::{Being, Step, position};
use crate::system::Store;
use crate::types::{Command, Reply, Types};

/// The servers that make the first membership.
pub const FIRST_VOTERS: u64 = 3;
/// After a failure of a file a server reads back its files once so much time has passed.
const AGAIN_MS: u64 = 100;
/// A connection on which nobody asks anything for so long is closed.
const IDLE_MS: u64 = 30_000;
/// A read or a change of the membership is given up after so long.
const CALL_MS: u64 = 2_000;

/// The time-outs of two servers that follow each other by number are so far apart: one tick of openraft's,
/// which looks only then whether one is over (one and a half heartbeats).
const TICK_MS: u64 = 150;

/// How long a server waits before it asks for votes: from so long to so long, of which openraft draws one when
/// it starts and keeps it. So each server draws from a range of its own: two that come to the same
/// tick would ask at the same moment for ever, each with its own vote. A server whose log is
/// behind waits for twice the end of its range, which is longer than anybody waits otherwise.
fn election_timeouts_ms(number: u64, are_alike: bool) -> (u64, u64) {
    if are_alike {
        return (400, 800);
    }
    let from_ms = 450 + number * TICK_MS;
    (from_ms, from_ms + TICK_MS / 3)
}

/// How openraft is configured: everything happens often, so that runs show it.
#[expect(deprecated, reason = "all fields are named, so that none comes from a command line")]
fn config((election_timeout_min, election_timeout_max): (u64, u64)) -> Config {
    Config {
        cluster_name: "squall".to_owned(),
        election_timeout_min,
        election_timeout_max,
        heartbeat_interval: 100,
        install_snapshot_timeout: 400,
        send_snapshot_timeout: 0,
        max_payload_entries: 20,
        replication_lag_threshold: 20,
        snapshot_policy: SnapshotPolicy::LogsSinceLast(40),
        snapshot_max_chunk_size: 64,
        max_in_snapshot_log_to_keep: 5,
        purge_batch_size: 1,
        enable_tick: true,
        enable_heartbeat: true,
        enable_elect: true,
    }
}

/// A server's name.
pub fn name(server: u64) -> String {
    format!("n{server}")
}

fn node(server: u64) -> BasicNode {
    BasicNode::new(name(server))
}

/// Life after life: an error of a file ends one, and the next reads back what there is.
///
/// # Errors
/// Files are damaged in a way that no loss of power leaves.
pub async fn server<H: Host>(server: Server<H, Store>) -> io::Result<()> {
    let Server { platform: host, number, recording, .. } = server;
    loop {
        let mut probe = recording.probe(&host, number);
        let disk = Disk::new(host.clone());
        let lived = live(&host, u64::from(number), &disk, probe.clone()).await;
        disk.end().await;
        match lived {
            Err(error) if error.kind() == io::ErrorKind::InvalidData => return Err(error),
            Ok(()) | Err(_) => probe.observe(Step::Ended),
        }
        host.sleep_ms(AGAIN_MS).await;
    }
}

/// Until openraft has ended, or an error.
async fn live<H: Host, I: Probe<Step> + Sync>(
    host: &H,
    number: u64,
    disk: &Disk<H>,
    probe: I,
) -> io::Result<()> {
    let shared = Shared::default();
    let log = Log::recover(disk.clone(), shared.clone(), probe.clone()).await?;
    let machine = Machine::recover(disk.clone(), shared.clone(), probe.clone()).await?;
    let is_new = log.is_new();
    let network = Network(host.clone());
    let are_alike = planted!(I, probe, Plant::TimeoutsAlike);
    let config = Arc::new(config(election_timeouts_ms(number, are_alike)));
    let raft = Raft::<Types>::new(number, config, network, log, machine).await;
    let raft = raft.map_err(io::Error::other)?;
    let listener = host.listen("0.0.0.0", PORT).await?;
    let (host, probe_here) = (host.clone(), probe.clone());
    let desk = Desk { host, number, raft: raft.clone(), shared, probe: probe_here };
    // What is in the set ends with this life.
    let mut tasks = JoinSet::new();
    tasks.spawn(serve(desk, listener));
    if number == 1 && is_new {
        let voters: BTreeMap<u64, BasicNode> =
            (1..=FIRST_VOTERS).map(|server| (server, node(server))).collect();
        raft.initialize(voters).await.map_err(io::Error::other)?;
    }
    watch(&raft, probe).await;
    drop(tasks);
    // It has ended by itself already: this waits for its tasks.
    let _ = raft.shutdown().await;
    Ok(())
}

/// Tells what this server is until openraft ends. Nobody else waits for its metrics: several would be woken
/// in an order that no seed decides.
async fn watch<I: Probe<Step>>(raft: &Raft<Types>, mut probe: I) {
    let mut metrics = raft.metrics();
    let mut before = None;
    loop {
        let (being, term, has_ended) = {
            let now = metrics.borrow_and_update();
            let being = match now.state {
                ServerState::Leader => Being::Leader,
                ServerState::Follower => Being::Follower,
                ServerState::Candidate => Being::Candidate,
                ServerState::Learner | ServerState::Shutdown => Being::Learner,
            };
            (being, now.vote.leader_id().term, now.running_state.is_err())
        };
        if has_ended {
            return;
        }
        if before.replace((being, term)) != Some((being, term)) {
            probe.observe(Step::Is(being, term));
        }
        if metrics.changed().await.is_err() {
            return;
        }
    }
}

/// What an answer needs.
#[derive(Clone)]
struct Desk<H, I> {
    host: H,
    number: u64,
    raft: Raft<Types>,
    shared: Shared,
    probe: I,
}

async fn serve<H: Host, I: Probe<Step> + Sync>(desk: Desk<H, I>, mut listener: H::Listener) {
    let mut connections = JoinSet::new();
    loop {
        match listener.accept().await {
            Ok(stream) => drop(connections.spawn(connection(desk.clone(), stream))),
            Err(_) => desk.host.sleep_ms(AGAIN_MS).await,
        }
        while connections.try_join_next().is_some() {}
    }
}

/// One question after the other, until the stream breaks or nobody asks.
async fn connection<H: Host, I: Probe<Step> + Sync>(mut desk: Desk<H, I>, mut stream: H::Stream) {
    loop {
        let host = desk.host.clone();
        let Ok(Ok(request)) = host.timeout(IDLE_MS, receive(&mut stream)).await else { return };
        let response = match request {
            Request::Append(rpc) => Response::Append(desk.raft.append_entries(rpc).await),
            Request::Vote(rpc) => Response::Vote(desk.raft.vote(rpc).await),
            Request::Snapshot(rpc) => Response::Snapshot(desk.raft.install_snapshot(rpc).await),
            Request::Call(operation) => Response::Call(desk.call(operation).await),
        };
        if send(&mut stream, &response).await.is_err() {
            return;
        }
    }
}

impl<H: Host, I: Probe<Step> + Sync> Desk<H, I> {
    async fn call(&mut self, operation: Operation) -> Called {
        match operation {
            Operation::Register(RegisterOperation::Get { key }) => {
                let host = self.host.clone();
                let read = host.timeout(CALL_MS, self.read(&key)).await;
                read.unwrap_or(Called::Refused("the read took too long".to_owned()))
            }
            Operation::Register(RegisterOperation::Set { key, value }) => {
                self.write(Command::Set { key, value }).await
            }
            Operation::Register(RegisterOperation::Cas { key, old, new }) => {
                self.write(Command::Cas { key, old, new }).await
            }
            Operation::Change(change) => {
                let host = self.host.clone();
                let changed = host.timeout(CALL_MS, self.change(change)).await;
                changed.unwrap_or(Called::Unknown("the change took too long".to_owned()))
            }
        }
    }

    /// As `Raft::ensure_linearizable`, but for the wait, which is our own: see [`watch`].
    async fn read(&self, key: &str) -> Called {
        let leads = || self.raft.metrics().borrow().state == ServerState::Leader;
        if leads() && planted!(I, self.probe, Plant::StaleRead) {
            return Called::Value(self.shared.value(key));
        }
        match self.raft.get_read_log_id().await {
            Ok((needed, _)) => {
                if let Some(needed) = needed {
                    self.shared.applied(needed.index).await;
                }
                Called::Value(self.shared.value(key))
            }
            Err(RaftError::APIError(CheckIsLeaderError::ForwardToLeader(forward))) => {
                elsewhere(forward)
            }
            Err(error) => Called::Refused(error.to_string()),
        }
    }

    async fn write(&mut self, command: Command) -> Called {
        match self.raft.client_write(command).await {
            Ok(response) => {
                self.probe.observe(Step::Answers(position(&response.log_id)));
                match response.data {
                    Reply::Written => Called::Written,
                    Reply::Differs => Called::Differs,
                    Reply::Nothing => Called::Unknown("an answer to nothing".to_owned()),
                }
            }
            Err(RaftError::APIError(ClientWriteError::ForwardToLeader(forward))) => {
                elsewhere(forward)
            }
            Err(error) => Called::Unknown(error.to_string()),
        }
    }

    async fn change(&self, change: Change) -> Called {
        let sets: Vec<BTreeSet<u64>> = {
            let metrics = self.raft.metrics();
            let metrics = metrics.borrow();
            metrics.membership_config.membership().get_joint_config().clone()
        };
        // The last set is the one that a change under way will end with.
        let Some(voters) = sets.last() else { return Called::Elsewhere(None) };
        // Until its next tick a leader that is no member any more leads on, and a change that comes
        // meanwhile fails an assertion of openraft's: so a leader has no part in its own removal, neither
        // one that it is asked for nor one that another leader has begun.
        let is_own_removal = match change {
            Change::AddVoter { .. } => !voters.contains(&self.number),
            Change::RemoveVoter { server } => {
                server == self.number || !voters.contains(&self.number)
            }
        };
        let leads = self.raft.metrics().borrow().state == ServerState::Leader;
        if leads && is_own_removal && !planted!(I, self.probe, Plant::LeaderRemovesItself) {
            return Called::Refused("a leader does not remove itself".to_owned());
        }
        let changes = match change {
            Change::AddVoter { server } => {
                match self.raft.add_learner(server, node(server), false).await {
                    Ok(_) => ChangeMembers::AddVoterIds([server].into()),
                    Err(error) => return unchanged(error),
                }
            }
            Change::RemoveVoter { .. } if voters.len() as u64 <= FIRST_VOTERS => {
                return Called::Refused("too few would be left".to_owned());
            }
            Change::RemoveVoter { server } => ChangeMembers::RemoveVoters([server].into()),
        };
        match self.raft.change_membership(changes, false).await {
            Ok(_) => Called::Changed,
            Err(error) => unchanged(error),
        }
    }
}

fn elsewhere(forward: ForwardToLeader<u64, BasicNode>) -> Called {
    Called::Elsewhere(forward.leader_id)
}

fn unchanged(error: RaftError<u64, ClientWriteError<u64, BasicNode>>) -> Called {
    match error {
        RaftError::APIError(ClientWriteError::ForwardToLeader(forward)) => elsewhere(forward),
        RaftError::APIError(error) => Called::Refused(error.to_string()),
        RaftError::Fatal(error) => Called::Unknown(error.to_string()),
    }
}
