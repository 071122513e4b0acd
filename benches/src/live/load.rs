//! A load of requests on running servers.
//!
//! Closed loop: every client keeps so many requests unanswered, and makes the next one when one is
//! answered; a latency is that of the request alone. With a rate, requests are due at fixed times
//! whatever the servers do, and a latency counts from the time at which its request was due: a
//! server that stands still delays all requests due meanwhile, and all are counted (no coordinated
//! omission). tokio's timer starts them up to a millisecond late, which counts too.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use keeper_client::{Client, ClientError, ClientEvent, ClientOptions, Reply, ServerAddress};
use keeper_core::record::Acl;
use keeper_core::wire::client::{CreateMode, CreateRequest, Request, Response};
use platform::tokio_platform::TokioPlatform;
use tokio::sync::mpsc::UnboundedReceiver;

use super::LiveError;
use super::ensemble::Ensemble;
use crate::histogram;
use crate::machine::process_cpu_s;

/// Nodes that setData and getData go round.
const NODES: u64 = 1_000;
/// Load before anything counts.
const WARM_UP: Duration = Duration::from_secs(1);
/// How long what is under way may take when the load ends.
const DRAIN_LIMIT: Duration = Duration::from_secs(20);

/// What clients ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Workload {
    /// New persistent nodes.
    Create,
    /// setData on a thousand nodes.
    Set,
    /// getData of a thousand nodes.
    Get,
    /// Nine getData, one setData.
    Mix,
    /// A lock by ephemeral sequential nodes, taken and released; each client has its own.
    LockOwn,
    /// The same, all clients at one lock.
    LockShared,
}

impl Workload {
    /// Every one, in the order of measurement.
    pub const ALL: [Workload; 6] = [
        Workload::Create,
        Workload::Set,
        Workload::Get,
        Workload::Mix,
        Workload::LockOwn,
        Workload::LockShared,
    ];

    /// As the command line spells it.
    pub fn name(self) -> &'static str {
        match self {
            Workload::Create => "create",
            Workload::Set => "set",
            Workload::Get => "get",
            Workload::Mix => "mix",
            Workload::LockOwn => "lock-own",
            Workload::LockShared => "lock-shared",
        }
    }

    /// Whether it takes locks; a client then has one request under way at a time.
    pub fn is_lock(self) -> bool {
        matches!(self, Workload::LockOwn | Workload::LockShared)
    }
}

/// A load.
#[derive(Clone, Debug)]
pub(super) struct Load {
    pub(super) workload: Workload,
    pub(super) clients: usize,
    /// Requests of each client that are unanswered at a time.
    pub(super) outstanding: usize,
    /// Requests due per second, of all clients together; none for a closed loop.
    pub(super) rate: Option<u64>,
    pub(super) payload_bytes: usize,
    pub(super) duration: Duration,
    /// Distinguishes the nodes of one load from those of others in one ensemble.
    pub(super) number: usize,
}

/// What came of a load.
#[derive(Clone, Debug)]
pub(super) struct Loaded {
    pub(super) tally: Tally,
    /// What the answers are divided by, in seconds.
    pub(super) seconds: f64,
    /// CPU time of all servers while it counted, in seconds.
    pub(super) servers_cpu_s: f64,
    /// CPU time of this program, likewise.
    pub(super) own_cpu_s: f64,
}

/// Answers that count.
#[derive(Clone, Debug)]
pub(super) struct Tally {
    pub(super) latencies: Histogram<u64>,
    pub(super) answered: u64,
    pub(super) failed: u64,
    pub(super) first_failure: Option<ClientError>,
    pub(super) lock_overlaps: u64,
    last: Option<Instant>,
}

/// What the tasks of a load share.
pub(super) struct Context {
    pub(super) load: Load,
    begin: Instant,
    counts_from: Instant,
    until: Instant,
    /// The next request that is due, counted from 0.
    next: AtomicU64,
    payload: Vec<u8>,
    tally: Mutex<Tally>,
}

pub(super) type LiveClient = (Client<TokioPlatform>, UnboundedReceiver<ClientEvent>);

impl Load {
    /// In figures: the workload, clients and requests outstanding, as `set c4 d64`.
    pub(super) fn label(&self) -> String {
        let (name, clients, depth) = (self.workload.name(), self.clients, self.outstanding);
        let label = match self.workload.is_lock() {
            true => format!("{name} c{clients}"),
            false => format!("{name} c{clients} d{depth}"),
        };
        match self.rate {
            Some(rate) => format!("{label} at {rate}/s"),
            None => label,
        }
    }

    pub(super) fn root(&self) -> String {
        format!("/load-{}", self.number)
    }
}

/// A client of one server, so that clients are spread evenly and stay where they are.
pub(super) async fn connect(
    platform: &TokioPlatform,
    server: &ServerAddress,
    outstanding: usize,
) -> Result<LiveClient, LiveError> {
    let options = ClientOptions {
        session_timeout_ms: 20_000,
        max_in_flight: outstanding.max(1) + 8,
        ..ClientOptions::default()
    };
    let client = Client::connect(platform.clone(), vec![server.clone()], options);
    let granted = tokio::time::timeout(DRAIN_LIMIT, client.0.granted()).await;
    granted.ok().flatten().ok_or_else(|| LiveError::NoSession(server.to_string()))?;
    Ok(client)
}

/// Puts a load on the ensemble.
pub(super) async fn run(
    platform: &TokioPlatform,
    ensemble: &Ensemble,
    load: Load,
) -> Result<Loaded, LiveError> {
    let mut clients = Vec::new();
    for index in 0..load.clients {
        let server = &ensemble.addresses[index % ensemble.addresses.len()];
        clients.push(connect(platform, server, load.outstanding).await?);
    }
    prepare(&clients[0].0, &load).await?;
    for (client, _) in &clients {
        // A follower may not have applied what was prepared through another one.
        client.sync("/").await.map_err(LiveError::Request)?;
    }
    let context = Arc::new(Context::new(load));
    let mut tasks = Vec::new();
    let handles: Vec<Client<TokioPlatform>> =
        clients.iter().map(|(client, _)| client.clone()).collect();
    if context.load.workload.is_lock() {
        let locks = super::lock::locks(&context.load);
        for (index, (client, events)) in clients.into_iter().enumerate() {
            let lock = locks[index % locks.len()].clone();
            tasks.push(tokio::spawn(super::lock::take_turns(
                Arc::clone(&context),
                client,
                events,
                lock,
            )));
        }
    } else {
        for (index, (client, _)) in clients.into_iter().enumerate() {
            for slot in 0..context.load.outstanding {
                let worker = work(Arc::clone(&context), client.clone(), index, slot);
                tasks.push(tokio::spawn(worker));
            }
        }
    }
    tokio::time::sleep_until(context.counts_from.into()).await;
    let before = (ensemble.cpu_s(), process_cpu_s());
    tokio::time::sleep_until(context.until.into()).await;
    let after = (ensemble.cpu_s(), process_cpu_s());
    let drained = async {
        for task in tasks {
            task.await.expect("a panic of a task ends the program");
        }
        for client in handles {
            // The session would only expire later.
            let _ = client.close().await;
        }
    };
    tokio::time::timeout(DRAIN_LIMIT, drained).await.map_err(|_| LiveError::NotDrained)?;
    let tally = context.tally().clone();
    let end = tally.last.filter(|_| context.load.rate.is_some());
    let end = end.map_or(context.until, |last| last.max(context.until));
    Ok(Loaded {
        seconds: (end - context.counts_from).as_secs_f64(),
        tally,
        servers_cpu_s: after.0 - before.0,
        own_cpu_s: after.1 - before.1,
    })
}

/// Creates the nodes that a load needs.
async fn prepare(client: &Client<TokioPlatform>, load: &Load) -> Result<(), LiveError> {
    let root = load.root();
    let mut paths = vec![root.clone()];
    match load.workload {
        Workload::Create => paths.extend((0..load.clients).map(|each| format!("{root}/c{each}"))),
        Workload::Set | Workload::Get | Workload::Mix => {
            paths.extend((0..NODES).map(|node| format!("{root}/n{node}")));
        }
        Workload::LockOwn | Workload::LockShared => {
            paths.extend((0..load.clients).map(|each| format!("{root}/lock-{each}")));
        }
    }
    let payload = vec![b'x'; load.payload_bytes];
    let answers: Vec<_> =
        paths.into_iter().map(|path| client.submit(create(path, payload.clone()))).collect();
    for answer in answers {
        answer.await.map_err(LiveError::Request)?;
    }
    Ok(())
}

fn create(path: String, data: Vec<u8>) -> Request {
    Request::Create(CreateRequest {
        path,
        data: Some(data.into()),
        acl: Acl::open(),
        flags: CreateMode::Persistent.to_flags(),
        want_stat: false,
    })
}

/// One request after another, in one of a client's slots.
async fn work(context: Arc<Context>, client: Client<TokioPlatform>, index: usize, slot: usize) {
    let mut turn = 0;
    while let Some(due) = context.next_start().await {
        let answer = client.submit(context.request(index, slot, turn)).await;
        turn += 1;
        if !context.note(due, &answer) {
            return;
        }
    }
}

impl Context {
    fn new(load: Load) -> Context {
        let begin = Instant::now();
        let counts_from = begin + WARM_UP;
        let until = counts_from + load.duration;
        let tally = Mutex::new(Tally {
            latencies: histogram::new(),
            answered: 0,
            failed: 0,
            first_failure: None,
            lock_overlaps: 0,
            last: None,
        });
        let payload = vec![b'x'; load.payload_bytes];
        Context { load, begin, counts_from, until, next: AtomicU64::new(0), payload, tally }
    }

    pub(super) fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().expect("a panic of a task ends the program")
    }

    /// When the next request is due, once that time has come; none after the end.
    pub(super) async fn next_start(&self) -> Option<Instant> {
        let Some(rate) = self.load.rate else {
            return Some(Instant::now()).filter(|now| *now < self.until);
        };
        let due = self.begin + due_after(self.next.fetch_add(1, Ordering::Relaxed), rate);
        if due >= self.until {
            return None;
        }
        if due > Instant::now() {
            tokio::time::sleep_until(due.into()).await;
        }
        Some(due)
    }

    /// Counts an answer to what was due at `due`; false if the client is of no more use.
    pub(super) fn note<T>(&self, due: Instant, answer: &Result<Reply<T>, ClientError>) -> bool {
        let now = Instant::now();
        let mut tally = self.tally();
        if let Err(error) = answer {
            tally.failed += 1;
            tally.first_failure.get_or_insert_with(|| error.clone());
            return !matches!(error, ClientError::SessionExpired | ClientError::Closed);
        }
        // With a rate, what is late counts all the same; else only what the window holds.
        let counts = match self.load.rate {
            Some(_) => due >= self.counts_from,
            None => now >= self.counts_from && now < self.until,
        };
        if counts {
            tally.answered += 1;
            tally.last = Some(now);
            histogram::record(&mut tally.latencies, now - due);
        }
        true
    }

    fn request(&self, index: usize, slot: usize, turn: u64) -> Request {
        let root = self.load.root();
        let mixed = (slot as u64).wrapping_mul(7_919).wrapping_add(turn.wrapping_mul(31));
        let node = || format!("{root}/n{}", (index as u64 * 131 + mixed) % NODES);
        let get = || Request::GetData { path: node(), watch: false };
        let set = || {
            let data = Some(self.payload.clone().into());
            Request::SetData { path: node(), data, version: -1 }
        };
        match self.load.workload {
            Workload::Create => {
                create(format!("{root}/c{index}/{slot}-{turn}"), self.payload.clone())
            }
            Workload::Set => set(),
            Workload::Get => get(),
            Workload::Mix if (turn + slot as u64) % 10 == 9 => set(),
            Workload::Mix => get(),
            Workload::LockOwn | Workload::LockShared => unreachable!("locks are lock.rs's"),
        }
    }
}

/// When a request is due, after the beginning.
fn due_after(number: u64, rate: u64) -> Duration {
    Duration::from_nanos((u128::from(number) * 1_000_000_000 / u128::from(rate.max(1))) as u64)
}

/// What a client was told of one request, for [`Context::note`].
pub(super) type Answer<T = Response> = Result<Reply<T>, ClientError>;

#[cfg(test)]
mod tests {
    use super::*;

    fn load(workload: Workload, rate: Option<u64>) -> Load {
        let duration = Duration::from_secs(1);
        Load { workload, clients: 4, outstanding: 16, rate, payload_bytes: 3, duration, number: 7 }
    }

    #[test]
    fn labels_tell_loads_apart() {
        assert_eq!(load(Workload::Set, None).label(), "set c4 d16");
        assert_eq!(load(Workload::Get, Some(50)).label(), "get c4 d16 at 50/s");
        assert_eq!(load(Workload::LockOwn, None).label(), "lock-own c4");
    }

    #[test]
    fn requests_are_due_evenly() {
        assert_eq!(due_after(0, 1_000), Duration::ZERO);
        assert_eq!(due_after(1_500, 1_000), Duration::from_millis(1_500));
        assert_eq!(due_after(u64::MAX / 1_000_000_000, 1), Duration::from_secs(18_446_744_073));
    }

    #[test]
    fn creates_never_repeat_and_a_mix_is_one_in_ten_writes() {
        let context = Context::new(load(Workload::Create, None));
        let mut paths = std::collections::BTreeSet::new();
        for (index, slot, turn) in [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)] {
            let Request::Create(create) = context.request(index, slot, turn) else { panic!() };
            assert!(paths.insert(create.path));
        }
        let context = Context::new(load(Workload::Mix, None));
        let writes = (0..1_000).filter(|turn| context.request(0, 3, *turn).is_write()).count();
        assert_eq!(writes, 100);
    }

    #[test]
    fn a_late_answer_counts_from_when_it_was_due() {
        let reply = Reply {
            value: (),
            zxid: keeper_core::ids::Zxid::ZERO,
            sequence: 0,
            origin: keeper_client::Origin {
                session: keeper_core::ids::SessionId(1),
                xid: 1,
                server: 0,
            },
        };
        let context = Context::new(load(Workload::Get, Some(1)));
        // As if the load had begun long ago: the answer comes nine seconds after its time.
        let context = Context {
            counts_from: context.begin - Duration::from_secs(10),
            until: context.begin - Duration::from_secs(5),
            ..context
        };
        let due = context.begin - Duration::from_secs(9);
        assert!(context.note(due, &Ok(reply.clone())));
        assert!(context.tally().latencies.max() >= 9_000_000);
        let closed = Context { load: load(Workload::Get, None), ..context };
        assert!(closed.note(due, &Ok(reply)));
        assert_eq!(closed.tally().answered, 1, "in a closed loop it is outside the window");
        assert!(closed.note::<()>(due, &Err(ClientError::Timeout)));
        assert!(!closed.note::<()>(due, &Err(ClientError::Closed)));
        assert_eq!(closed.tally().failed, 2);
    }
}
