//! The loss of leaders under writes: how long nobody is served, and whether anything that was
//! acknowledged is gone afterwards.
//!
//! Each writer creates one node after another, so that every acknowledged write can be looked for by
//! its name, at each server, when all is over.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use keeper_client::{Client, ClientError, ClientOptions, ServerAddress};
use keeper_core::error::Code;
use keeper_core::record::Acl;
use keeper_core::wire::client::CreateMode;
use platform::tokio_platform::TokioPlatform;

use super::LiveError;
use super::ensemble::Ensemble;
use super::load::connect;
use crate::Measured;
use crate::outage::{Acknowledgement, Outage, outage};

const WRITERS: usize = 6;
/// The session time-out that writers ask for; they give a silent server up after two thirds of it.
pub(super) const SESSION_TIMEOUT_MS: i32 = 4_000;
/// How long a writer tries one server. A paused server's kernel still accepts connections, so this
/// is what an attempt at it costs.
pub(super) const CONNECT_TIMEOUT_MS: u64 = 500;
/// A writer's pause between two writes.
const PAUSE: Duration = Duration::from_millis(4);
/// Nodes below one parent, so that their names fit into one answer.
const NODES_PER_PARENT: u64 = 1_000;
/// Before a leader is lost, all is well for so long.
const SETTLED: Duration = Duration::from_millis(600);
/// How long clients may wait to be served again.
const OUTAGE_LIMIT: Duration = Duration::from_secs(60);
/// Acknowledgements before a loss that are looked at, so that the last of every writer is among them.
const KEPT_BEFORE: usize = 1_000;
const ROOT: &str = "/failover";

/// How a leader is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Loss {
    /// SIGKILL: its connections close at once.
    Kill,
    /// SIGSTOP: it falls silent, and comes back later.
    Pause,
}

impl Loss {
    pub(super) fn name(self) -> &'static str {
        match self {
            Loss::Kill => "kill",
            Loss::Pause => "pause",
        }
    }
}

/// What the writers know.
struct Book {
    origin: Instant,
    stop: AtomicBool,
    notes: Mutex<Notes>,
}

#[derive(Default)]
struct Notes {
    acknowledged: Vec<Acknowledgement>,
    /// Parent and name of each.
    written: BTreeSet<(String, String)>,
    sessions_lost: u64,
    failed: u64,
}

impl Book {
    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().expect("a panic of a task ends the program")
    }

    fn ns(&self, at: Instant) -> u64 {
        at.saturating_duration_since(self.origin).as_nanos() as u64
    }
}

/// Loses the leader `count` times in each way and notes what it costs.
pub(super) async fn measure(
    platform: &TokioPlatform,
    ensemble: &mut Ensemble,
    count: u32,
    measured: &mut Measured,
    progress: &dyn Fn(&str),
) -> Result<(), LiveError> {
    let (client, _events) = connect(platform, &ensemble.addresses[0], 1).await?;
    let open = Acl::open();
    client.create(ROOT, "", open, CreateMode::Persistent).await.map_err(LiveError::Request)?;
    drop(client);
    let book = Arc::new(Book {
        origin: Instant::now(),
        stop: AtomicBool::new(false),
        notes: Mutex::default(),
    });
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let (platform, addresses) = (platform.clone(), ensemble.addresses.clone());
            tokio::spawn(write(writer, platform, addresses, Arc::clone(&book)))
        })
        .collect();
    let mut lost = Ok(());
    for number in 0..2 * count {
        // The two ways take turns, so that what changes with time changes both.
        let loss = if number % 2 == 0 { Loss::Kill } else { Loss::Pause };
        progress(&format!("leader lost by {}, {}/{count}", loss.name(), number / 2 + 1));
        match lose(ensemble, &book, loss, number).await {
            Ok(outage) => measured.failover(
                loss.name(),
                outage.any_ms,
                outage.worst_client_ms,
                outage.leader_ms,
            ),
            Err(error) => {
                lost = Err(error);
                break;
            }
        }
    }
    book.stop.store(true, Ordering::Relaxed);
    for writer in writers {
        writer.await.expect("a panic of a task ends the program");
    }
    progress("looking for every acknowledged write at every server");
    {
        let notes = book.notes();
        measured.safety.acknowledged_writes += notes.written.len() as u64;
        measured.safety.clients_dropped += notes.sessions_lost;
        measured.safety.failed_requests += notes.failed;
    }
    lost?;
    ensemble.all_serve().await?;
    let expected = book.notes().written.clone();
    let mut missing = BTreeSet::new();
    for address in &ensemble.addresses {
        missing.extend(missing_at(platform, address, &expected).await?);
    }
    measured.safety.lost_writes += missing.len() as u64;
    let named = missing.iter().take(5).map(|(parent, name)| format!("{parent}/{name}"));
    let named: Vec<String> = named.collect();
    if !named.is_empty() {
        measured.notes.push(format!("lost writes, the first of them: {}", named.join(", ")));
    }
    Ok(())
}

/// One writer: a node, a pause, the next node.
async fn write(
    writer: usize,
    platform: TokioPlatform,
    servers: Vec<ServerAddress>,
    book: Arc<Book>,
) {
    let options = || ClientOptions {
        session_timeout_ms: SESSION_TIMEOUT_MS,
        connect_timeout_ms: Some(CONNECT_TIMEOUT_MS),
        request_timeout_ms: Some(5_000),
        ..ClientOptions::default()
    };
    let connect = || Client::connect(platform.clone(), servers.clone(), options());
    let (mut client, mut events) = connect();
    let mut turn = 0;
    let mut made: Option<u64> = None;
    while !book.stop.load(Ordering::Relaxed) {
        // Nobody reads them, and they must not pile up.
        while events.try_recv().is_ok() {}
        let number = turn / NODES_PER_PARENT;
        let parent = format!("{ROOT}/w{writer}-{number}");
        let asked = Instant::now();
        let is_parent = made != Some(number);
        let name = format!("n{turn}");
        let path = if is_parent { parent.clone() } else { format!("{parent}/{name}") };
        let answer = client.create(&path, "", Acl::open(), CreateMode::Persistent).await;
        let exists =
            is_parent && matches!(&answer, Err(error) if error.code() == Some(Code::NodeExists));
        match answer {
            Ok(_) if is_parent => made = Some(number),
            Err(_) if exists => made = Some(number),
            Ok(_) => {
                let at_ns = book.ns(Instant::now());
                let asked_ns = book.ns(asked);
                let mut notes = book.notes();
                notes.acknowledged.push(Acknowledgement { client: writer, asked_ns, at_ns });
                notes.written.insert((parent, name));
                turn += 1;
            }
            // Perhaps it was written: the next one has another name.
            Err(ClientError::ConnectionLoss { .. } | ClientError::Timeout) => turn += 1,
            Err(ClientError::SessionExpired | ClientError::Closed) => {
                book.notes().sessions_lost += 1;
                (client, events) = connect();
            }
            Err(_) => {
                book.notes().failed += 1;
                turn += 1;
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
    // The session would only expire later.
    let _ = tokio::time::timeout(Duration::from_secs(5), client.close()).await;
}

/// Loses the leader once, waits until everybody is served again, and restores the server.
async fn lose(
    ensemble: &mut Ensemble,
    book: &Book,
    loss: Loss,
    number: u32,
) -> Result<Outage, LiveError> {
    ensemble.all_serve().await?;
    let all_wrote_since = |from_ns: u64| {
        let notes = book.notes();
        let again = |writer: usize| {
            let mut newest = notes.acknowledged.iter().rev().take(KEPT_BEFORE);
            newest.any(|each| each.client == writer && each.asked_ns >= from_ns)
        };
        (0..WRITERS).all(again)
    };
    let from = Instant::now();
    while !all_wrote_since(book.ns(from)) {
        give_up_after(from)?;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // Where in a tick the leader is lost matters, so each loss comes at another moment.
    let moment = Duration::from_millis(u64::from(number) * 37 % 100);
    tokio::time::sleep(SETTLED + moment).await;
    let Some((index, epoch)) = ensemble.leader() else {
        return Err(LiveError::NotServing(String::new()));
    };
    let mark = book.notes().acknowledged.len().saturating_sub(KEPT_BEFORE);
    let lost = match loss {
        Loss::Kill => ensemble.kill(index)?,
        Loss::Pause => ensemble.set_stopped(index, true)?,
    };
    let serves = loop {
        match ensemble.leader() {
            Some((_, next)) if next > epoch => break Instant::now(),
            _ => give_up_after(lost)?,
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    };
    let seen = loop {
        let recent = book.notes().acknowledged[mark..].to_vec();
        if let Some(seen) = outage(&recent, book.ns(lost), book.ns(serves), WRITERS) {
            break seen;
        }
        give_up_after(lost)?;
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    match loss {
        Loss::Kill => ensemble.restart(index)?,
        Loss::Pause => drop(ensemble.set_stopped(index, false)?),
    }
    Ok(seen)
}

fn give_up_after(from: Instant) -> Result<(), LiveError> {
    if from.elapsed() > OUTAGE_LIMIT { Err(LiveError::NotServed(OUTAGE_LIMIT)) } else { Ok(()) }
}

/// The writes that a server does not have though it has caught up.
async fn missing_at(
    platform: &TokioPlatform,
    address: &ServerAddress,
    expected: &BTreeSet<(String, String)>,
) -> Result<BTreeSet<(String, String)>, LiveError> {
    let (client, _events) = connect(platform, address, 16).await?;
    client.sync("/").await.map_err(LiveError::Request)?;
    let parents: BTreeSet<&String> = expected.iter().map(|(parent, _)| parent).collect();
    let mut there = BTreeSet::new();
    for parent in parents {
        let children = match client.get_children(parent, false).await {
            Ok(children) => children.value,
            // A parent that is gone has lost all its children.
            Err(error) if error.code() == Some(Code::NoNode) => Vec::new(),
            Err(error) => return Err(LiveError::Request(error)),
        };
        there.extend(children.into_iter().map(|name| (parent.clone(), name)));
    }
    // The session would only expire later.
    let _ = client.close().await;
    Ok(missing(expected, &there))
}

fn missing(
    expected: &BTreeSet<(String, String)>,
    there: &BTreeSet<(String, String)>,
) -> BTreeSet<(String, String)> {
    expected.difference(there).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(names: &[&str]) -> BTreeSet<(String, String)> {
        names.iter().map(|name| ("/p".to_owned(), (*name).to_owned())).collect()
    }

    #[test]
    fn only_what_was_acknowledged_must_be_there() {
        assert_eq!(missing(&written(&["a", "b"]), &written(&["a", "b", "unknown"])), written(&[]));
        assert_eq!(missing(&written(&["a", "b"]), &written(&["a"])), written(&["b"]));
    }
}
