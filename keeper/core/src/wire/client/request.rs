//! Requests: what a client asks for, without the header.

use crate::ids::Zxid;
use crate::jute::{
    DecodeError, Encode, Fault, Reader, put_bool, put_buffer, put_int, put_long,
    put_optional_string, put_string, put_strings, put_vector,
};
use crate::record::{Acl, Data};
use crate::wire::client::event::numbered;
use crate::wire::client::multi::{decode_multi, encode_multi};
use crate::wire::client::{AddWatchMode, CreateMode, MultiOp, OpCode, ReadOp, WatcherType};

/// A request's body.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields repeat zookeeper.jute, where they have no more to say")]
pub enum Request {
    /// create or create2, by `want_stat`.
    Create(CreateRequest),
    /// createContainer; answered with a stat.
    CreateContainer(CreateRequest),
    /// createTTL; answered with a stat. The time to live is in milliseconds.
    CreateTtl { create: CreateRequest, ttl_ms: i64 },
    /// delete; version -1 is any.
    Delete { path: String, version: i32 },
    /// exists.
    Exists { path: String, watch: bool },
    /// getData.
    GetData { path: String, watch: bool },
    /// setData; version -1 is any.
    SetData { path: String, data: Data, version: i32 },
    /// getACL.
    GetAcl { path: String },
    /// setACL; the version is the node's aversion, -1 is any.
    SetAcl { path: String, acl: Vec<Acl>, version: i32 },
    /// getChildren.
    GetChildren { path: String, watch: bool },
    /// getChildren2: with the stat.
    GetChildren2 { path: String, watch: bool },
    /// sync; the path is echoed and otherwise without meaning.
    Sync { path: String },
    /// ping.
    Ping,
    /// check.
    Check { path: String, version: i32 },
    /// multi.
    Multi(Vec<MultiOp>),
    /// multiRead.
    MultiRead(Vec<ReadOp>),
    /// auth; `kind` is always 0.
    Auth { kind: i32, scheme: String, auth: Data },
    /// setWatches: what changed after `relative_zxid` is reported at once.
    SetWatches { relative_zxid: Zxid, data: Vec<String>, exist: Vec<String>, child: Vec<String> },
    /// setWatches2: with persistent watches.
    SetWatches2 {
        relative_zxid: Zxid,
        data: Vec<String>,
        exist: Vec<String>,
        child: Vec<String>,
        persistent: Vec<String>,
        persistent_recursive: Vec<String>,
    },
    /// addWatch.
    AddWatch { path: String, mode: AddWatchMode },
    /// checkWatches.
    CheckWatches { path: String, kind: WatcherType },
    /// removeWatches.
    RemoveWatches { path: String, kind: WatcherType },
    /// getEphemerals; null reads as the empty prefix, which means all.
    GetEphemerals { prefix: String },
    /// getAllChildrenNumber.
    GetAllChildrenNumber { path: String },
    /// whoAmI.
    WhoAmI,
    /// reconfig; a list that is not wanted is null.
    Reconfig {
        joining: Option<String>,
        leaving: Option<String>,
        new_members: Option<String>,
        current_config: i64,
    },
    /// sasl.
    Sasl { token: Data },
    /// createSession, between servers only.
    CreateSession { timeout_ms: i32 },
    /// closeSession.
    CloseSession,
}

/// The common part of the creates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateRequest {
    /// The node's path; of a sequential node, what stands before the number.
    pub path: String,
    /// Its data.
    pub data: Data,
    /// Its ACL.
    pub acl: Vec<Acl>,
    /// See [`CreateMode::from_flags`]; kept as sent, because a server has to answer wrong flags.
    pub flags: i32,
    /// Whether the answer has the stat. It follows from the operation: false for create, true for
    /// every other.
    pub want_stat: bool,
}

impl CreateRequest {
    /// The kind of node; `None` if the flags name none.
    pub fn mode(&self) -> Option<CreateMode> {
        CreateMode::from_flags(self.flags)
    }

    /// Reads one with the flags, without a time to live.
    pub(super) fn decode(
        reader: &mut Reader<'_>,
        want_stat: bool,
    ) -> Result<CreateRequest, DecodeError> {
        Ok(CreateRequest {
            path: reader.string()?,
            data: reader.buffer()?,
            acl: Acl::decode_list(reader)?,
            flags: reader.int()?,
            want_stat,
        })
    }
}

impl Encode for CreateRequest {
    fn encode(&self, out: &mut Vec<u8>) {
        put_string(out, &self.path);
        put_buffer(out, self.data.as_deref());
        put_vector(out, &self.acl);
        put_int(out, self.flags);
    }
}

impl Request {
    /// The operation that the header names.
    pub fn op(&self) -> OpCode {
        match self {
            Request::Create(create) if create.want_stat => OpCode::Create2,
            Request::Create(_) => OpCode::Create,
            Request::CreateContainer(_) => OpCode::CreateContainer,
            Request::CreateTtl { .. } => OpCode::CreateTtl,
            Request::Delete { .. } => OpCode::Delete,
            Request::Exists { .. } => OpCode::Exists,
            Request::GetData { .. } => OpCode::GetData,
            Request::SetData { .. } => OpCode::SetData,
            Request::GetAcl { .. } => OpCode::GetAcl,
            Request::SetAcl { .. } => OpCode::SetAcl,
            Request::GetChildren { .. } => OpCode::GetChildren,
            Request::GetChildren2 { .. } => OpCode::GetChildren2,
            Request::Sync { .. } => OpCode::Sync,
            Request::Ping => OpCode::Ping,
            Request::Check { .. } => OpCode::Check,
            Request::Multi(_) => OpCode::Multi,
            Request::MultiRead(_) => OpCode::MultiRead,
            Request::Auth { .. } => OpCode::Auth,
            Request::SetWatches { .. } => OpCode::SetWatches,
            Request::SetWatches2 { .. } => OpCode::SetWatches2,
            Request::AddWatch { .. } => OpCode::AddWatch,
            Request::CheckWatches { .. } => OpCode::CheckWatches,
            Request::RemoveWatches { .. } => OpCode::RemoveWatches,
            Request::GetEphemerals { .. } => OpCode::GetEphemerals,
            Request::GetAllChildrenNumber { .. } => OpCode::GetAllChildrenNumber,
            Request::WhoAmI => OpCode::WhoAmI,
            Request::Reconfig { .. } => OpCode::Reconfig,
            Request::Sasl { .. } => OpCode::Sasl,
            Request::CreateSession { .. } => OpCode::CreateSession,
            Request::CloseSession => OpCode::CloseSession,
        }
    }

    /// Whether the request takes a place in the order of transactions.
    pub fn is_write(&self) -> bool {
        self.op().is_write()
    }

    /// Appends the body.
    pub fn encode_body(&self, out: &mut Vec<u8>) {
        match self {
            Request::Create(create) | Request::CreateContainer(create) => create.encode(out),
            Request::CreateTtl { create, ttl_ms } => {
                create.encode(out);
                put_long(out, *ttl_ms);
            }
            Request::SetData { path, data, version } => {
                put_string(out, path);
                put_buffer(out, data.as_deref());
                put_int(out, *version);
            }
            Request::SetAcl { path, acl, version } => {
                put_string(out, path);
                put_vector(out, acl);
                put_int(out, *version);
            }
            Request::Delete { path, version } | Request::Check { path, version } => {
                put_string(out, path);
                put_int(out, *version);
            }
            Request::Exists { path, watch }
            | Request::GetData { path, watch }
            | Request::GetChildren { path, watch }
            | Request::GetChildren2 { path, watch } => {
                put_string(out, path);
                put_bool(out, *watch);
            }
            Request::GetAcl { path }
            | Request::Sync { path }
            | Request::GetEphemerals { prefix: path }
            | Request::GetAllChildrenNumber { path } => put_string(out, path),
            Request::Multi(ops) => encode_multi(ops, out),
            Request::MultiRead(ops) => encode_multi(ops, out),
            Request::AddWatch { path, mode } => {
                put_string(out, path);
                put_int(out, mode.to_wire());
            }
            Request::CheckWatches { path, kind } | Request::RemoveWatches { path, kind } => {
                put_string(out, path);
                put_int(out, kind.to_wire());
            }
            Request::Ping | Request::WhoAmI | Request::CloseSession => {}
            session => session.encode_session_body(out),
        }
    }

    /// [`Request::encode_body`] for what concerns the session rather than nodes.
    fn encode_session_body(&self, out: &mut Vec<u8>) {
        match self {
            Request::Auth { kind, scheme, auth } => {
                put_int(out, *kind);
                put_string(out, scheme);
                put_buffer(out, auth.as_deref());
            }
            Request::SetWatches { relative_zxid, data, exist, child } => {
                put_long(out, relative_zxid.to_wire());
                for paths in [data, exist, child] {
                    put_strings(out, paths);
                }
            }
            Request::SetWatches2 {
                relative_zxid,
                data,
                exist,
                child,
                persistent,
                persistent_recursive,
            } => {
                put_long(out, relative_zxid.to_wire());
                for paths in [data, exist, child, persistent, persistent_recursive] {
                    put_strings(out, paths);
                }
            }
            Request::Reconfig { joining, leaving, new_members, current_config } => {
                put_optional_string(out, joining.as_deref());
                put_optional_string(out, leaving.as_deref());
                put_optional_string(out, new_members.as_deref());
                put_long(out, *current_config);
            }
            Request::Sasl { token } => put_buffer(out, token.as_deref()),
            Request::CreateSession { timeout_ms } => put_int(out, *timeout_ms),
            other => unreachable!("{:?} concerns nodes", other.op()),
        }
    }

    /// Reads the body of a request for `op`. Bytes behind it are left, as Apache leaves them.
    ///
    /// # Errors
    /// [`DecodeError`] for an operation that clients and learners do not send, and for bytes that
    /// do not form its body.
    pub fn decode_body(op: OpCode, reader: &mut Reader<'_>) -> Result<Request, DecodeError> {
        Ok(match op {
            OpCode::Create => Request::Create(CreateRequest::decode(reader, false)?),
            OpCode::Create2 => Request::Create(CreateRequest::decode(reader, true)?),
            OpCode::CreateContainer => {
                Request::CreateContainer(CreateRequest::decode(reader, true)?)
            }
            OpCode::CreateTtl => Request::CreateTtl {
                create: CreateRequest::decode(reader, true)?,
                ttl_ms: reader.long()?,
            },
            OpCode::Delete => Request::Delete { path: reader.string()?, version: reader.int()? },
            OpCode::Exists => Request::Exists { path: reader.string()?, watch: reader.bool()? },
            OpCode::GetData => Request::GetData { path: reader.string()?, watch: reader.bool()? },
            OpCode::SetData => Request::SetData {
                path: reader.string()?,
                data: reader.buffer()?,
                version: reader.int()?,
            },
            OpCode::GetAcl => Request::GetAcl { path: reader.string()? },
            OpCode::SetAcl => Request::SetAcl {
                path: reader.string()?,
                acl: Acl::decode_list(reader)?,
                version: reader.int()?,
            },
            OpCode::GetChildren => {
                Request::GetChildren { path: reader.string()?, watch: reader.bool()? }
            }
            OpCode::GetChildren2 => {
                Request::GetChildren2 { path: reader.string()?, watch: reader.bool()? }
            }
            OpCode::Sync => Request::Sync { path: reader.string()? },
            OpCode::Check => Request::Check { path: reader.string()?, version: reader.int()? },
            OpCode::Multi => Request::Multi(decode_multi(reader)?),
            OpCode::MultiRead => Request::MultiRead(decode_multi(reader)?),
            op => return Request::decode_session_body(op, reader),
        })
    }

    /// [`Request::decode_body`] for what concerns watches and the session rather than nodes.
    fn decode_session_body(op: OpCode, reader: &mut Reader<'_>) -> Result<Request, DecodeError> {
        Ok(match op {
            OpCode::Ping => Request::Ping,
            OpCode::Auth => Request::Auth {
                kind: reader.int()?,
                scheme: reader.string()?,
                auth: reader.buffer()?,
            },
            OpCode::SetWatches => Request::SetWatches {
                relative_zxid: Zxid::from_wire(reader.long()?),
                data: reader.strings()?,
                exist: reader.strings()?,
                child: reader.strings()?,
            },
            OpCode::SetWatches2 => Request::SetWatches2 {
                relative_zxid: Zxid::from_wire(reader.long()?),
                data: reader.strings()?,
                exist: reader.strings()?,
                child: reader.strings()?,
                persistent: reader.strings()?,
                persistent_recursive: reader.strings()?,
            },
            OpCode::AddWatch => Request::AddWatch {
                path: reader.string()?,
                mode: numbered(reader, "watch mode", AddWatchMode::from_wire)?,
            },
            OpCode::CheckWatches => Request::CheckWatches {
                path: reader.string()?,
                kind: numbered(reader, "watcher type", WatcherType::from_wire)?,
            },
            OpCode::RemoveWatches => Request::RemoveWatches {
                path: reader.string()?,
                kind: numbered(reader, "watcher type", WatcherType::from_wire)?,
            },
            OpCode::GetEphemerals => {
                Request::GetEphemerals { prefix: reader.optional_string()?.unwrap_or_default() }
            }
            OpCode::GetAllChildrenNumber => {
                Request::GetAllChildrenNumber { path: reader.string()? }
            }
            OpCode::WhoAmI => Request::WhoAmI,
            OpCode::Reconfig => Request::Reconfig {
                joining: reader.optional_string()?,
                leaving: reader.optional_string()?,
                new_members: reader.optional_string()?,
                current_config: reader.long()?,
            },
            OpCode::Sasl => Request::Sasl { token: reader.buffer()? },
            OpCode::CreateSession => Request::CreateSession { timeout_ms: reader.int()? },
            OpCode::CloseSession => Request::CloseSession,
            op => {
                let fault = Fault::Unknown { what: "request", value: op.to_wire().into() };
                return Err(reader.malformed(fault));
            }
        })
    }
}
