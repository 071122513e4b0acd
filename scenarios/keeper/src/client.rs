//! A simulated client: performs its part of the plan through the real client and writes down what
//! it is told.

mod contend;
mod requests;

use std::sync::{Arc, Mutex};

use keeper_client::{
    Client, ClientError, ClientEvent, ClientEventKind, ClientOptions, Reply, ServerAddress,
};
use keeper_core::ids::SessionId;
use keeper_core::wire::client::{Request, Response};
use platform::Mono;
use tokio::sync::Semaphore;
use tokio::sync::mpsc::UnboundedReceiver;

use sim::Host;

use crate::action::Action;
use crate::notes::ClientNotes;
use crate::record::{
    ClientOperation, ClientOutcome, ClientSessionEvent, ClientWatchEvent, SessionChange,
};
use crate::system::Keeper;
use requests::{Seen, requests};

/// A run's notebook.
type Recording = harness::Recording<Keeper>;

/// Requests of one client that may be under way at a time.
const IN_FLIGHT_MAX: usize = 8;
/// Locks and elections of one client that may be waited for or held at a time.
const CONTENTIONS_MAX: usize = 8;
/// How long a request may wait for a connection, and then for its answer, in milliseconds: long
/// enough that an ensemble which starts answers its first requests.
const REQUEST_TIMEOUT_MIN_MS: u64 = 5_000;
/// Counters of one client's successive sessions are kept apart by this.
const SEQUENCE_STRIDE: u64 = 1 << 40;

/// What a client needs to know.
#[derive(Clone)]
pub(crate) struct ClientPlan {
    /// Its number, from 1.
    pub(crate) number: u32,
    /// Its operations with their positions in the plan, in order of time.
    pub(crate) operations: Vec<ClientAction>,
    /// The servers' client ports.
    pub(crate) servers: Vec<ServerAddress>,
    /// The session time-out to ask for, in milliseconds.
    pub(crate) session_timeout_ms: u64,
    /// To how many bytes its values are filled up.
    pub(crate) value_bytes: u32,
    /// When this client's acknowledged writes show that the ensemble serves again; none for
    /// ordinary clients.
    pub(crate) probes: bool,
}

/// An operation of a client.
#[derive(Clone)]
pub(crate) struct ClientAction {
    /// Its position in the plan.
    pub(crate) position: usize,
    /// Not before this moment.
    pub(crate) at_ms: u64,
    /// What to do.
    pub(crate) action: Action,
}

/// What a client's tasks share.
struct Shared {
    seen: Seen,
    /// The latest of the client's counters that this program has learned of.
    sequence: u64,
    /// How many sessions came before.
    sessions: u64,
    /// The present session is over; the next request needs a new one.
    over: bool,
    session: SessionId,
}

/// Performs a client's part.
pub(crate) async fn run<H: Host>(platform: H, recording: Recording, plan: ClientPlan) {
    let program = Program {
        shared: Arc::new(Mutex::new(Shared {
            seen: Seen::new(),
            sequence: 0,
            sessions: 0,
            over: true,
            session: SessionId(0),
        })),
        slots: Arc::new(Semaphore::new(IN_FLIGHT_MAX)),
        contentions: Arc::new(Semaphore::new(CONTENTIONS_MAX)),
        platform,
        recording,
        plan: Arc::new(plan),
    };
    program.run().await;
    program.recording.notes().state.clients_done += 1;
}

#[derive(Clone)]
struct Program<H> {
    platform: H,
    recording: Recording,
    plan: Arc<ClientPlan>,
    shared: Arc<Mutex<Shared>>,
    slots: Arc<Semaphore>,
    contentions: Arc<Semaphore>,
}

impl<H: Host> Program<H> {
    async fn run(&self) {
        let mut client = self.connect();
        for ClientAction { position, at_ms, action } in &self.plan.operations {
            let at = Mono(at_ms * 1_000_000);
            if self.platform.now() < at {
                self.platform.sleep_until(at).await;
            }
            if self.plan.probes && self.recording.notes().state.probe_served {
                break;
            }
            if self.with(|shared| shared.over) {
                client = self.connect();
            }
            match action {
                Action::NewSession => {
                    self.finish_all().await;
                    self.close(*position, &client).await;
                    client = self.connect();
                }
                Action::Abandon { silent_ms } => {
                    self.finish_all().await;
                    self.finish_contentions().await;
                    drop(client);
                    self.with(|shared| shared.over = true);
                    self.platform.sleep_ms(*silent_ms).await;
                    client = self.connect();
                }
                action @ (Action::Lock { .. } | Action::Lead { .. }) => {
                    self.contend(*position, action, &client).await;
                }
                action => self.request(*position, action, &client).await,
            }
        }
        self.finish_all().await;
        self.finish_contentions().await;
    }

    fn with<R>(&self, work: impl FnOnce(&mut Shared) -> R) -> R {
        work(&mut self.shared.lock().expect("a panic under the lock ends the run"))
    }

    /// A client with a new session.
    fn connect(&self) -> Client<H> {
        let timeout_ms = self.plan.session_timeout_ms;
        let options = ClientOptions {
            session_timeout_ms: timeout_ms as i32,
            connect_timeout_ms: Some((timeout_ms / 3).max(100)),
            request_timeout_ms: Some(timeout_ms.max(REQUEST_TIMEOUT_MIN_MS)),
            max_in_flight: 64,
            resume: None,
        };
        let base = self.with(|shared| {
            shared.sessions += 1;
            shared.over = false;
            shared.session = SessionId(0);
            shared.sequence = shared.sessions * SEQUENCE_STRIDE;
            shared.sequence
        });
        let servers = self.plan.servers.clone();
        let (client, events) = Client::connect(self.platform.clone(), servers, options);
        self.platform.spawn(self.clone().listen(base, events));
        client
    }

    /// Waits until no lock is waited for or held, and no leadership.
    async fn finish_contentions(&self) {
        let all = self.contentions.acquire_many(CONTENTIONS_MAX as u32).await;
        drop(all.expect("the semaphore is never closed"));
    }

    /// Waits until no request is under way, those of locks and elections aside.
    async fn finish_all(&self) {
        let all = self.slots.acquire_many(IN_FLIGHT_MAX as u32).await;
        drop(all.expect("the semaphore is never closed"));
    }

    /// Makes an action's requests; their ends are written down by a task.
    async fn request(&self, position: usize, action: &Action, client: &Client<H>) {
        let slot = self.slots.clone().acquire_owned().await.expect("never closed");
        let seen = self.with(|shared| shared.seen.clone());
        let base = self.with(|shared| shared.sessions) * SEQUENCE_STRIDE;
        let mut pending = Vec::new();
        for request in requests(action, &seen, self.plan.value_bytes) {
            let note = self.begin(position, request.clone());
            pending.push((note, request.clone(), client.submit(request)));
        }
        let program = self.clone();
        self.platform.spawn(async move {
            for (note, request, answer) in pending {
                let answer = answer.await;
                if let Ok(reply) = &answer {
                    program.remember(&request, &reply.value);
                }
                program.end(note, base, answer);
            }
            drop(slot);
        });
    }

    async fn close(&self, position: usize, client: &Client<H>) {
        let base = self.with(|shared| shared.sessions) * SEQUENCE_STRIDE;
        let note = self.begin(position, Request::CloseSession);
        let answer = client.submit(Request::CloseSession).await;
        let outcome = self.end(note, base, answer);
        let kind = match outcome {
            ClientOutcome::Ok { zxid, .. } => SessionChange::Closed { zxid },
            _ => SessionChange::CloseUnknown,
        };
        let (session, sequence) = self.with(|shared| {
            shared.over = true;
            (shared.session, shared.sequence)
        });
        self.note_session(session, kind, None, sequence);
    }

    fn begin(&self, planned: usize, request: Request) -> usize {
        let (session, sequence) = self.with(|shared| (shared.session, shared.sequence));
        self.recording.begin(ClientOperation {
            client: self.plan.number,
            planned,
            session,
            xid: 0,
            request,
            invoke_ns: self.platform.world_ns(),
            complete_ns: None,
            outcome: ClientOutcome::Unknown,
            // Between what was seen before and what will be seen next.
            invoke_sequence: 2 * sequence + 1,
            sequence: 2 * sequence + 1,
        })
    }

    fn end(
        &self,
        note: usize,
        base: u64,
        answer: Result<Reply<Response>, ClientError>,
    ) -> ClientOutcome {
        let (outcome, origin, sequence) = match answer {
            Ok(reply) => {
                let outcome = ClientOutcome::Ok { zxid: reply.zxid, response: reply.value };
                (outcome, Some(reply.origin), Some(reply.sequence))
            }
            Err(ClientError::Server { code, zxid, sequence, origin }) => {
                (ClientOutcome::Error { zxid, code }, Some(origin), Some(sequence))
            }
            Err(ClientError::ConnectionLoss { sequence, origin, .. }) => {
                (ClientOutcome::Unknown, Some(origin), Some(sequence))
            }
            Err(
                ClientError::SessionExpired
                | ClientError::Closed
                | ClientError::Timeout
                | ClientError::NotForCallers(_)
                | ClientError::WrongAnswer(_),
            ) => (ClientOutcome::NotSent, None, None),
        };
        let sequence = sequence.map(|sequence| base + sequence);
        let probes = self.plan.probes;
        let ended = self.recording.end(&self.platform, note, |operation| {
            operation.outcome = outcome;
            if let Some(origin) = origin {
                operation.session = origin.session;
                operation.xid = origin.xid;
            }
            if let Some(sequence) = sequence {
                operation.sequence = 2 * sequence;
            }
        });
        if let Some(sequence) = sequence {
            self.with(|shared| shared.sequence = shared.sequence.max(sequence));
        }
        if probes && matches!(ended, ClientOutcome::Ok { .. }) {
            self.recording.notes().state.probe_served = true;
        }
        ended
    }

    /// Versions that later compare-and-sets rely on.
    fn remember(&self, request: &Request, response: &Response) {
        let stat = match response {
            Response::Stat(stat)
            | Response::DataStat { stat, .. }
            | Response::PathStat { stat, .. } => stat,
            _ => return,
        };
        let path = match request {
            Request::SetData { path, .. }
            | Request::GetData { path, .. }
            | Request::Exists { path, .. } => path.clone(),
            Request::Create(create) => create.path.clone(),
            _ => return,
        };
        self.with(|shared| shared.seen.insert(path, stat.version));
    }

    /// Writes down what happens to the session without a request.
    async fn listen(self, base: u64, mut events: UnboundedReceiver<ClientEvent>) {
        let mut session = SessionId(0);
        while let Some(ClientEvent { sequence, kind }) = events.recv().await {
            let sequence = base + sequence;
            let current = base == self.with(|shared| shared.sessions) * SEQUENCE_STRIDE;
            if current {
                self.with(|shared| shared.sequence = shared.sequence.max(sequence));
            }
            match kind {
                ClientEventKind::Watch { event, zxid, .. } => {
                    self.recording.watch(
                        &self.platform,
                        ClientWatchEvent {
                            client: self.plan.number,
                            session,
                            kind: event.kind,
                            path: event.path,
                            zxid,
                            at_ns: self.platform.world_ns(),
                            sequence: 2 * sequence,
                        },
                    );
                }
                ClientEventKind::Connected { session: handle, server, resumed } => {
                    session = handle.id;
                    if current {
                        self.with(|shared| shared.session = session);
                    }
                    let timeout_ms = handle.timeout_ms as u64;
                    let kind = if resumed {
                        SessionChange::Reconnected
                    } else {
                        SessionChange::Created { timeout_ms }
                    };
                    self.note_session(session, kind, Some(server), sequence);
                }
                ClientEventKind::Disconnected { server, .. } => {
                    if session != SessionId(0) {
                        let kind = SessionChange::Disconnected;
                        self.note_session(session, kind, Some(server), sequence);
                    }
                }
                ClientEventKind::Expired => {
                    if current {
                        self.with(|shared| shared.over = true);
                    }
                    self.note_session(session, SessionChange::Expired, None, sequence);
                }
                ClientEventKind::Closed => return,
            }
        }
    }

    fn note_session(
        &self,
        session: SessionId,
        kind: SessionChange,
        server: Option<usize>,
        sequence: u64,
    ) {
        let server = server.map(|server| self.plan.servers[server].host.clone());
        let event = ClientSessionEvent {
            client: self.plan.number,
            session,
            kind,
            server,
            at_ns: self.platform.world_ns(),
            sequence: 2 * sequence,
        };
        self.recording.session(&self.platform, event);
    }
}
