//! The handle that programs use.

use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use keeper_core::error::Code;
use keeper_core::ids::Zxid;
use keeper_core::record::{Acl, Data, Stat};
use keeper_core::wire::client::{
    CreateMode, CreateRequest, MultiOp, MultiResult, OpCode, Request, Response,
};
use platform::Platform;
use tokio::sync::{mpsc, oneshot, watch};

use crate::error::ClientError;
use crate::event::ClientEvent;
use crate::reply::Reply;
use crate::session::{Resume, ServerAddress, SessionConfig, SessionCore, SessionHandle};
use crate::shell::{Command, Owed, Shell};
use crate::tap::Tap;

/// How a client is to behave.
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// The session time-out to ask for, in milliseconds. The server may grant another.
    pub session_timeout_ms: i32,
    /// How long one attempt to connect may take, in milliseconds. `None`: the session time-out
    /// divided by the number of servers.
    pub connect_timeout_ms: Option<u64>,
    /// How long a request may wait to be sent, and then to be answered, in milliseconds.
    pub request_timeout_ms: Option<u64>,
    /// Requests that may be unanswered at a time; further ones wait.
    pub max_in_flight: usize,
    /// A session to go on with instead of a new one.
    pub resume: Option<Resume>,
}

impl Default for ClientOptions {
    fn default() -> ClientOptions {
        ClientOptions {
            session_timeout_ms: 10_000,
            connect_timeout_ms: None,
            request_timeout_ms: None,
            max_in_flight: 1_000,
            resume: None,
        }
    }
}

/// A client with one session. Clones share it.
///
/// Dropping the last clone without [`Client::close`] leaves the session to expire at the servers.
#[derive(Clone, Debug)]
pub struct Client<P: Platform> {
    platform: P,
    commands: mpsc::UnboundedSender<Command>,
    session: watch::Receiver<Option<SessionHandle>>,
    tap: Option<Arc<dyn Tap>>,
}

type Answer<T> = Result<Reply<T>, ClientError>;

impl<P: Platform> Client<P> {
    /// Starts a client. It connects in the background; requests wait for that.
    ///
    /// Events come in order, as many as happen: a caller that does not read them should drop the
    /// receiver.
    ///
    /// # Panics
    /// If `servers` is empty.
    pub fn connect(
        platform: P,
        servers: Vec<ServerAddress>,
        options: ClientOptions,
    ) -> (Client<P>, mpsc::UnboundedReceiver<ClientEvent>) {
        let mut seed = [0; 8];
        platform.fill(&mut seed);
        let config = SessionConfig {
            timeout_ms: options.session_timeout_ms,
            connect_timeout_ms: options.connect_timeout_ms.unwrap_or_else(|| {
                (options.session_timeout_ms.max(0) as u64 / servers.len().max(1) as u64).max(100)
            }),
            request_timeout_ms: options.request_timeout_ms,
            max_in_flight: options.max_in_flight,
            resume: options.resume,
            ..SessionConfig::new(servers.len(), u64::from_be_bytes(seed))
        };
        let (commands, command_queue) = mpsc::unbounded_channel();
        let (events, event_queue) = mpsc::unbounded_channel();
        let (session_cell, session) = watch::channel(None);
        let core = SessionCore::new(config);
        let shell =
            Shell::new(platform.clone(), servers, core, command_queue, events, session_cell);
        platform.spawn(shell.run());
        (Client { platform, commands, session, tap: None }, event_queue)
    }

    /// Starts a client that goes on with a session, wherever its former client is. That one's
    /// connection is closed by the server.
    pub fn resume(
        platform: P,
        servers: Vec<ServerAddress>,
        session: &SessionHandle,
        last_zxid_seen: Zxid,
        options: ClientOptions,
    ) -> (Client<P>, mpsc::UnboundedReceiver<ClientEvent>) {
        let resume = Resume { id: session.id, password: session.password.clone(), last_zxid_seen };
        let options = ClientOptions { resume: Some(resume), ..options };
        Client::connect(platform, servers, options)
    }

    /// The host that the client runs on.
    pub fn platform(&self) -> &P {
        &self.platform
    }

    /// Events from now on, beside those that [`Client::connect`] handed out. What a request that is
    /// submitted later brings about is among them. They end with the client.
    pub fn events(&self) -> mpsc::UnboundedReceiver<ClientEvent> {
        let (listener, events) = mpsc::unbounded_channel();
        // If the task has ended, so have the events.
        let _ = self.commands.send(Command::Listen(listener));
        events
    }

    /// A handle of the same client whose requests are told to `tap` as well.
    pub fn tapped(&self, tap: Arc<dyn Tap>) -> Client<P> {
        Client { tap: Some(tap), ..self.clone() }
    }

    /// The session, once a server has granted it.
    pub fn session(&self) -> Option<SessionHandle> {
        self.session.borrow().clone()
    }

    /// Waits until a server has granted the session; `None` if the client ends before.
    pub async fn granted(&self) -> Option<SessionHandle> {
        let mut session = self.session.clone();
        session.wait_for(Option::is_some).await.ok()?.clone()
    }

    /// Sends a request. It has its place among this client's requests from this call on, whether or
    /// not the future is polled; so requests can be sent without waiting for one another.
    pub fn submit(
        &self,
        request: Request,
    ) -> impl Future<Output = Answer<Response>> + Send + use<P> {
        let (answer, answered) = oneshot::channel();
        let tap = self.tap.clone().map(|tap| {
            let note = tap.submitted(&request);
            (tap, note)
        });
        let command = Command::Request { request, owed: Owed { answer, tap } };
        if let Err(mpsc::error::SendError(Command::Request { owed, .. })) =
            self.commands.send(command)
            && let Some((tap, note)) = owed.tap
        {
            // The task has ended; the answer's sender is dropped with the command.
            tap.answered(note, &Err(ClientError::Closed));
        }
        async move { answered.await.unwrap_or(Err(ClientError::Closed)) }
    }

    /// Creates a node and returns its path, with the number that a sequential node got. Not for the
    /// modes with a time to live: submit [`Request::CreateTtl`] for those.
    pub async fn create(
        &self,
        path: &str,
        data: impl Into<Bytes>,
        acl: Vec<Acl>,
        mode: CreateMode,
    ) -> Answer<String> {
        let request = create_request(path, data.into(), acl, mode, false);
        let op = request.op();
        expect(op, self.submit(request).await, |response| match response {
            Response::Path(path) | Response::PathStat { path, .. } => Some(path),
            _ => None,
        })
    }

    /// [`Client::create`] with the new node's stat.
    pub async fn create2(
        &self,
        path: &str,
        data: impl Into<Bytes>,
        acl: Vec<Acl>,
        mode: CreateMode,
    ) -> Answer<(String, Stat)> {
        let request = create_request(path, data.into(), acl, mode, true);
        let op = request.op();
        expect(op, self.submit(request).await, |response| match response {
            Response::PathStat { path, stat } => Some((path, stat)),
            _ => None,
        })
    }

    /// Deletes a node; version -1 deletes any.
    pub async fn delete(&self, path: &str, version: i32) -> Answer<()> {
        let answer = self.submit(Request::Delete { path: path.into(), version }).await;
        answer.map(|reply| reply.map(drop))
    }

    /// A node's stat, `None` if there is no such node; the watch is set in both cases.
    pub async fn exists(&self, path: &str, watch: bool) -> Answer<Option<Stat>> {
        match self.submit(Request::Exists { path: path.into(), watch }).await {
            Err(ClientError::Server { code: Code::NoNode, zxid, sequence, origin }) => {
                Ok(Reply { value: None, zxid, sequence, origin })
            }
            answer => expect(OpCode::Exists, answer, stat_of).map(|reply| reply.map(Some)),
        }
    }

    /// A node's data and stat.
    pub async fn get_data(&self, path: &str, watch: bool) -> Answer<(Data, Stat)> {
        let answer = self.submit(Request::GetData { path: path.into(), watch });
        expect(OpCode::GetData, answer.await, data_of)
    }

    /// Replaces a node's data; version -1 replaces any.
    pub async fn set_data(&self, path: &str, data: impl Into<Bytes>, version: i32) -> Answer<Stat> {
        let data = Some(data.into());
        let answer = self.submit(Request::SetData { path: path.into(), data, version });
        expect(OpCode::SetData, answer.await, stat_of)
    }

    /// The names of a node's children.
    pub async fn get_children(&self, path: &str, watch: bool) -> Answer<Vec<String>> {
        let answer = self.submit(Request::GetChildren { path: path.into(), watch });
        expect(OpCode::GetChildren, answer.await, |response| match response {
            Response::Children(children) => Some(children),
            _ => None,
        })
    }

    /// The names of a node's children, and its stat.
    pub async fn get_children2(&self, path: &str, watch: bool) -> Answer<(Vec<String>, Stat)> {
        let answer = self.submit(Request::GetChildren2 { path: path.into(), watch });
        expect(OpCode::GetChildren2, answer.await, |response| match response {
            Response::ChildrenStat { children, stat } => Some((children, stat)),
            _ => None,
        })
    }

    /// A node's ACL and stat.
    pub async fn get_acl(&self, path: &str) -> Answer<(Vec<Acl>, Stat)> {
        let answer = self.submit(Request::GetAcl { path: path.into() });
        expect(OpCode::GetAcl, answer.await, |response| match response {
            Response::AclStat { acl, stat } => Some((acl, stat)),
            _ => None,
        })
    }

    /// Replaces a node's ACL; `version` is compared with its aversion, -1 replaces any.
    pub async fn set_acl(&self, path: &str, acl: Vec<Acl>, version: i32) -> Answer<Stat> {
        let answer = self.submit(Request::SetAcl { path: path.into(), acl, version });
        expect(OpCode::SetAcl, answer.await, stat_of)
    }

    /// Brings the server up to the leader.
    pub async fn sync(&self, path: &str) -> Answer<()> {
        let answer = self.submit(Request::Sync { path: path.into() }).await;
        answer.map(|reply| reply.map(drop))
    }

    /// A sync and a read that follows it on the same session: the read sees everything that was
    /// written before this call, if the leader's sync is a barrier. Fails if either fails.
    pub async fn sync_then_get(&self, path: &str, watch: bool) -> Answer<(Data, Stat)> {
        let synced = self.submit(Request::Sync { path: path.into() });
        let answer = self.submit(Request::GetData { path: path.into(), watch });
        synced.await?;
        expect(OpCode::GetData, answer.await, data_of)
    }

    /// Several writes, all or nothing. A multi that failed is answered too: see [`multi_failure`].
    pub async fn multi(&self, ops: Vec<MultiOp>) -> Answer<Vec<MultiResult>> {
        expect(OpCode::Multi, self.submit(Request::Multi(ops)).await, |response| match response {
            Response::Multi(results) => Some(results),
            _ => None,
        })
    }

    /// Whether a node has this version; it goes through the leader like a write. Sent as a multi,
    /// because Apache's servers know a check nowhere else.
    pub async fn check(&self, path: &str, version: i32) -> Answer<()> {
        let reply = self.multi(vec![MultiOp::Check { path: path.into(), version }]).await?;
        match multi_failure(&reply.value) {
            None => Ok(reply.map(drop)),
            Some((_, code)) => {
                let Reply { zxid, sequence, origin, .. } = reply;
                Err(ClientError::Server { code, zxid, sequence, origin })
            }
        }
    }

    /// Ends the session: its ephemeral nodes go, and so does the client. Requests submitted before
    /// are answered first.
    pub async fn close(&self) -> Answer<()> {
        self.submit(Request::CloseSession).await.map(|reply| reply.map(drop))
    }
}

/// Which operation of a multi failed, and why; `None` if the multi succeeded.
pub fn multi_failure(results: &[MultiResult]) -> Option<(usize, Code)> {
    results.iter().enumerate().find_map(|(index, result)| match result {
        MultiResult::Error(code) if !code.is_ok() => Some((index, *code)),
        _ => None,
    })
}

fn create_request(
    path: &str,
    data: Bytes,
    acl: Vec<Acl>,
    mode: CreateMode,
    want_stat: bool,
) -> Request {
    let want_stat = want_stat || mode.is_container();
    let flags = mode.to_flags();
    let create = CreateRequest { path: path.into(), data: Some(data), acl, flags, want_stat };
    if mode.is_container() { Request::CreateContainer(create) } else { Request::Create(create) }
}

fn stat_of(response: Response) -> Option<Stat> {
    match response {
        Response::Stat(stat) => Some(stat),
        _ => None,
    }
}

fn data_of(response: Response) -> Option<(Data, Stat)> {
    match response {
        Response::DataStat { data, stat } => Some((data, stat)),
        _ => None,
    }
}

/// The value that an answer to `op` has.
fn expect<T>(
    op: OpCode,
    answer: Answer<Response>,
    value: impl FnOnce(Response) -> Option<T>,
) -> Answer<T> {
    let Reply { value: response, zxid, sequence, origin } = answer?;
    let value = value(response).ok_or(ClientError::WrongAnswer(op))?;
    Ok(Reply { value, zxid, sequence, origin })
}
