//! What servers and clients say to each other: frames of JSON with their length before them.

use std::io;
use std::sync::Mutex;

use openraft::error::{
    InstallSnapshotError, NetworkError, RPCError, RaftError, RemoteError, Unreachable,
};
use openraft::network::RPCOption;
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, InstallSnapshotRequest, InstallSnapshotResponse,
    VoteRequest, VoteResponse,
};
use openraft::{BasicNode, RaftNetwork, RaftNetworkFactory};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use squall::prelude::*;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::disk::{decoded, encoded};
use crate::model::Operation;
use crate::types::Types;

/// Where servers listen.
pub const PORT: u16 = 7000;
/// No frame is larger.
const FRAME_MAX: u32 = 16 << 20;

/// What a server is asked.
#[derive(Debug, Serialize, Deserialize)]
pub enum Request {
    /// By a leader.
    Append(AppendEntriesRequest<Types>),
    /// By a candidate.
    Vote(VoteRequest<u64>),
    /// By a leader: a part of a snapshot.
    Snapshot(InstallSnapshotRequest<Types>),
    /// By a client.
    Call(Operation),
}

/// What a server answers.
#[derive(Debug, Serialize, Deserialize)]
pub enum Response {
    /// A leader.
    Append(Result<AppendEntriesResponse<u64>, RaftError<u64>>),
    /// A candidate.
    Vote(Result<VoteResponse<u64>, RaftError<u64>>),
    /// A leader that sends a snapshot.
    Snapshot(Result<InstallSnapshotResponse<u64>, RaftError<u64, InstallSnapshotError>>),
    /// A client.
    Call(Called),
}

/// What a client is answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Called {
    /// The value of a key.
    Value(Option<String>),
    /// It was written.
    Written,
    /// Another value was there.
    Differs,
    /// The membership was changed.
    Changed,
    /// It had no effect; another server may lead.
    Elsewhere(Option<u64>),
    /// It had no effect.
    Refused(String),
    /// It may have had an effect.
    Unknown(String),
}

/// Sends a frame.
///
/// # Errors
/// The stream's.
pub async fn send<T: Serialize>(
    stream: &mut (impl AsyncWrite + Unpin),
    value: &T,
) -> io::Result<()> {
    let body = encoded(value);
    let length = u32::try_from(body.len()).expect("a frame is far below 4 GiB");
    stream.write_all(&[&length.to_be_bytes()[..], &body].concat()).await?;
    stream.flush().await
}

/// Receives a frame.
///
/// # Errors
/// The stream's, and that of a frame that is none.
pub async fn receive<T: DeserializeOwned>(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<T> {
    let length = stream.read_u32().await?;
    if length > FRAME_MAX {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!("a frame of {length} bytes"),
        ));
    }
    let mut body = vec![0; length as usize];
    stream.read_exact(&mut body).await?;
    decoded(&body)
}

/// Makes connections for openraft.
pub struct Network<H>(pub H);

/// The connection to one server. openraft drops a request that takes too long; the stream goes with it.
pub struct Peer<H: Host> {
    host: H,
    name: String,
    target: u64,
    /// openraft wants what threads can share; a stream is not. Nobody locks it.
    stream: Mutex<Option<H::Stream>>,
}

impl<H: Host> RaftNetworkFactory<Types> for Network<H> {
    type Network = Peer<H>;

    async fn new_client(&mut self, target: u64, node: &BasicNode) -> Peer<H> {
        Peer { host: self.0.clone(), name: node.addr.clone(), target, stream: Mutex::default() }
    }
}

/// Why there is no answer.
enum Failure {
    /// There is no connection.
    Connect(io::Error),
    /// The connection broke.
    Talk(io::Error),
}

impl Failure {
    fn said<E: std::error::Error>(self) -> RPCError<u64, BasicNode, E> {
        match self {
            Failure::Connect(error) => RPCError::Unreachable(Unreachable::new(&error)),
            Failure::Talk(error) => RPCError::Network(NetworkError::new(&error)),
        }
    }
}

impl<H: Host> Peer<H> {
    async fn ask(&mut self, request: &Request, option: &RPCOption) -> Result<Response, Failure> {
        let limit_ms = option.hard_ttl().as_millis() as u64;
        let Peer { host, name, stream: kept, .. } = self;
        let kept = kept.get_mut().expect("nobody locks it");
        let asked = host.timeout(limit_ms, async {
            let mut stream = match kept.take() {
                Some(stream) => stream,
                None => host.connect(name, PORT).await.map_err(Failure::Connect)?,
            };
            send(&mut stream, request).await.map_err(Failure::Talk)?;
            let response = receive(&mut stream).await.map_err(Failure::Talk)?;
            // Only a stream whose last question is answered is used again.
            *kept = Some(stream);
            Ok(response)
        });
        asked.await.unwrap_or_else(|_| Err(Failure::Talk(io::ErrorKind::TimedOut.into())))
    }

    fn other(&self) -> Failure {
        let what = format!("{} answered something else", self.name);
        Failure::Talk(io::Error::new(io::ErrorKind::InvalidData, what))
    }

    #[expect(clippy::result_large_err, reason = "the error is openraft's")]
    fn heard<T, E: std::error::Error>(
        &self,
        result: Result<T, E>,
    ) -> Result<T, RPCError<u64, BasicNode, E>> {
        result.map_err(|error| RPCError::RemoteError(RemoteError::new(self.target, error)))
    }
}

impl<H: Host> RaftNetwork<Types> for Peer<H> {
    async fn append_entries(
        &mut self,
        rpc: AppendEntriesRequest<Types>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<u64>, RPCError<u64, BasicNode, RaftError<u64>>> {
        match self.ask(&Request::Append(rpc), &option).await {
            Ok(Response::Append(result)) => self.heard(result),
            Ok(_) => Err(self.other().said()),
            Err(failure) => Err(failure.said()),
        }
    }

    async fn vote(
        &mut self,
        rpc: VoteRequest<u64>,
        option: RPCOption,
    ) -> Result<VoteResponse<u64>, RPCError<u64, BasicNode, RaftError<u64>>> {
        match self.ask(&Request::Vote(rpc), &option).await {
            Ok(Response::Vote(result)) => self.heard(result),
            Ok(_) => Err(self.other().said()),
            Err(failure) => Err(failure.said()),
        }
    }

    async fn install_snapshot(
        &mut self,
        rpc: InstallSnapshotRequest<Types>,
        option: RPCOption,
    ) -> Result<
        InstallSnapshotResponse<u64>,
        RPCError<u64, BasicNode, RaftError<u64, InstallSnapshotError>>,
    > {
        match self.ask(&Request::Snapshot(rpc), &option).await {
            Ok(Response::Snapshot(result)) => self.heard(result),
            Ok(_) => Err(self.other().said()),
            Err(failure) => Err(failure.said()),
        }
    }
}
