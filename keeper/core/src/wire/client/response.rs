//! Answers: what a server sends behind a header that says that all went well.

use crate::error::Code;
use crate::jute::{
    Decode, DecodeError, Encode, Fault, Reader, put_buffer, put_int, put_string, put_strings,
    put_vector,
};
use crate::record::{Acl, Data, Stat};
use crate::wire::client::multi::{decode_multi, encode_multi};
use crate::wire::client::{MultiResult, OpCode};

/// An answer's body. Which one it is follows from the request's operation.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields repeat zookeeper.jute, where they have no more to say")]
pub enum Response {
    /// Nothing: delete, check, ping, auth, setWatches, checkWatches, removeWatches, closeSession.
    Empty,
    /// create (with the number of a sequential node) and sync.
    Path(String),
    /// create2, createContainer, createTTL.
    PathStat { path: String, stat: Stat },
    /// exists, setData, setACL.
    Stat(Stat),
    /// getData, reconfig (the new configuration).
    DataStat { data: Data, stat: Stat },
    /// getChildren: names, not paths.
    Children(Vec<String>),
    /// getChildren2.
    ChildrenStat { children: Vec<String>, stat: Stat },
    /// getACL.
    AclStat { acl: Vec<Acl>, stat: Stat },
    /// multi, multiRead.
    Multi(Vec<MultiResult>),
    /// getAllChildrenNumber.
    Count(i32),
    /// getEphemerals.
    Paths(Vec<String>),
    /// whoAmI.
    ClientInfos(Vec<ClientInfo>),
    /// addWatch.
    Status(Code),
    /// sasl.
    Token(Data),
}

/// One identity of a session, without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientInfo {
    /// The scheme that established it.
    pub scheme: String,
    /// The user's name, or an address.
    pub user: String,
}

impl Encode for ClientInfo {
    fn encode(&self, out: &mut Vec<u8>) {
        put_string(out, &self.scheme);
        put_string(out, &self.user);
    }
}

impl Decode for ClientInfo {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(ClientInfo { scheme: reader.string()?, user: reader.string()? })
    }
}

impl Encode for Response {
    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Response::Empty => {}
            Response::Path(path) => put_string(out, path),
            Response::PathStat { path, stat } => {
                put_string(out, path);
                stat.encode(out);
            }
            Response::Stat(stat) => stat.encode(out),
            Response::DataStat { data, stat } => {
                put_buffer(out, data.as_deref());
                stat.encode(out);
            }
            Response::Children(names) | Response::Paths(names) => put_strings(out, names),
            Response::ChildrenStat { children, stat } => {
                put_strings(out, children);
                stat.encode(out);
            }
            Response::AclStat { acl, stat } => {
                put_vector(out, acl);
                stat.encode(out);
            }
            Response::Multi(results) => encode_multi(results, out),
            Response::Count(count) => put_int(out, *count),
            Response::ClientInfos(infos) => put_vector(out, infos),
            Response::Status(code) => put_int(out, code.to_wire()),
            Response::Token(token) => put_buffer(out, token.as_deref()),
        }
    }
}

impl Response {
    /// Reads the answer to a request for `op`.
    ///
    /// # Errors
    /// [`DecodeError`] for an operation that has no answer, and for bytes that do not form it.
    pub fn decode(op: OpCode, reader: &mut Reader<'_>) -> Result<Response, DecodeError> {
        Ok(match op {
            OpCode::Delete
            | OpCode::Check
            | OpCode::Ping
            | OpCode::Auth
            | OpCode::SetWatches
            | OpCode::SetWatches2
            | OpCode::CheckWatches
            | OpCode::RemoveWatches
            | OpCode::CloseSession => Response::Empty,
            OpCode::Create | OpCode::Sync => Response::Path(reader.string()?),
            OpCode::Create2 | OpCode::CreateContainer | OpCode::CreateTtl => {
                Response::PathStat { path: reader.string()?, stat: Stat::decode(reader)? }
            }
            OpCode::Exists | OpCode::SetData | OpCode::SetAcl => {
                Response::Stat(Stat::decode(reader)?)
            }
            OpCode::GetData | OpCode::Reconfig => {
                Response::DataStat { data: reader.buffer()?, stat: Stat::decode(reader)? }
            }
            OpCode::GetChildren => Response::Children(reader.strings()?),
            OpCode::GetChildren2 => {
                Response::ChildrenStat { children: reader.strings()?, stat: Stat::decode(reader)? }
            }
            OpCode::GetAcl => {
                Response::AclStat { acl: Acl::decode_list(reader)?, stat: Stat::decode(reader)? }
            }
            OpCode::Multi | OpCode::MultiRead => Response::Multi(decode_multi(reader)?),
            OpCode::GetAllChildrenNumber => Response::Count(reader.int()?),
            OpCode::GetEphemerals => Response::Paths(reader.strings()?),
            OpCode::WhoAmI => Response::ClientInfos(reader.vector(8, ClientInfo::decode)?),
            OpCode::AddWatch => Response::Status(Code::from_wire(reader.int()?)),
            OpCode::Sasl => Response::Token(reader.buffer()?),
            OpCode::Notification
            | OpCode::DeleteContainer
            | OpCode::CreateSession
            | OpCode::Error
            | OpCode::Other(_) => {
                let fault = Fault::Unknown { what: "answer", value: op.to_wire().into() };
                return Err(reader.malformed(fault));
            }
        })
    }
}
