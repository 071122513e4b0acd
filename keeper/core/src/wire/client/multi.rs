//! Several operations in one packet (`MultiOperationRecord`, `MultiResponse`): each has a
//! `MultiHeader` with its type before it, and a header that says "done" ends the list.

use crate::error::Code;
use crate::jute::{
    Decode, DecodeError, Encode, Fault, Reader, put_bool, put_buffer, put_int, put_long,
    put_string, put_strings,
};
use crate::record::{Data, Stat};
use crate::wire::client::{CreateRequest, OpCode};

/// A write inside a multi.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are those of the lone requests")]
pub enum MultiOp {
    /// create or create2, by `want_stat`.
    Create(CreateRequest),
    /// createContainer.
    CreateContainer(CreateRequest),
    /// createTTL.
    CreateTtl { create: CreateRequest, ttl_ms: i64 },
    /// delete.
    Delete { path: String, version: i32 },
    /// setData.
    SetData { path: String, data: Data, version: i32 },
    /// check.
    Check { path: String, version: i32 },
}

/// A read inside a multiRead. No watch can be set this way.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are those of the lone requests")]
pub enum ReadOp {
    /// getData.
    GetData { path: String },
    /// getChildren.
    GetChildren { path: String },
}

/// How one operation of a multi or multiRead ended.
///
/// In a failed multi every result is an error: [`Code::Ok`] for what stood before the operation
/// that failed, that one's own code, and [`Code::RuntimeInconsistency`] for what stood behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are those of the lone answers")]
pub enum MultiResult {
    /// A create succeeded.
    Create { path: String },
    /// A create2, createContainer or createTTL succeeded.
    Create2 { path: String, stat: Stat },
    /// A setData succeeded.
    SetData { stat: Stat },
    /// A delete succeeded.
    Delete,
    /// A check succeeded.
    Check,
    /// The operation failed, or did not run, or was undone.
    Error(Code),
    /// A getData's answer.
    Data { data: Data, stat: Stat },
    /// A getChildren's answer.
    Children { children: Vec<String> },
}

/// One entry of such a list.
pub(super) trait Entry: Sized {
    /// The header's type.
    fn op(&self) -> OpCode;
    /// The header's error.
    fn error(&self) -> i32;
    /// Appends what follows the header.
    fn encode_body(&self, out: &mut Vec<u8>);
    /// Reads what follows a header of this type, `None` if such an entry may not be here.
    fn decode_body(op: OpCode, reader: &mut Reader<'_>) -> Option<Result<Self, DecodeError>>;
}

pub(super) fn encode_multi<E: Entry>(entries: &[E], out: &mut Vec<u8>) {
    for entry in entries {
        put_header(out, entry.op().to_wire(), false, entry.error());
        entry.encode_body(out);
    }
    put_header(out, -1, true, -1);
}

pub(super) fn decode_multi<E: Entry>(reader: &mut Reader<'_>) -> Result<Vec<E>, DecodeError> {
    let mut entries = Vec::new();
    loop {
        let start = reader.clone();
        let op = OpCode::from_wire(reader.int()?);
        let done = reader.bool()?;
        reader.int()?;
        if done {
            return Ok(entries);
        }
        match E::decode_body(op, reader) {
            Some(entry) => entries.push(entry?),
            None => {
                let fault = Fault::Unknown { what: "entry of a multi", value: op.to_wire().into() };
                return Err(start.malformed(fault));
            }
        }
    }
}

fn put_header(out: &mut Vec<u8>, op: i32, done: bool, error: i32) {
    put_int(out, op);
    put_bool(out, done);
    put_int(out, error);
}

impl Entry for MultiOp {
    fn op(&self) -> OpCode {
        match self {
            MultiOp::Create(create) if create.want_stat => OpCode::Create2,
            MultiOp::Create(_) => OpCode::Create,
            MultiOp::CreateContainer(_) => OpCode::CreateContainer,
            MultiOp::CreateTtl { .. } => OpCode::CreateTtl,
            MultiOp::Delete { .. } => OpCode::Delete,
            MultiOp::SetData { .. } => OpCode::SetData,
            MultiOp::Check { .. } => OpCode::Check,
        }
    }

    fn error(&self) -> i32 {
        -1
    }

    fn encode_body(&self, out: &mut Vec<u8>) {
        match self {
            MultiOp::Create(create) | MultiOp::CreateContainer(create) => create.encode(out),
            MultiOp::CreateTtl { create, ttl_ms } => {
                create.encode(out);
                put_long(out, *ttl_ms);
            }
            MultiOp::Delete { path, version } | MultiOp::Check { path, version } => {
                put_string(out, path);
                put_int(out, *version);
            }
            MultiOp::SetData { path, data, version } => {
                put_string(out, path);
                put_buffer(out, data.as_deref());
                put_int(out, *version);
            }
        }
    }

    fn decode_body(op: OpCode, reader: &mut Reader<'_>) -> Option<Result<Self, DecodeError>> {
        Some(match op {
            OpCode::Create => CreateRequest::decode(reader, false).map(MultiOp::Create),
            OpCode::Create2 => CreateRequest::decode(reader, true).map(MultiOp::Create),
            OpCode::CreateContainer => {
                CreateRequest::decode(reader, true).map(MultiOp::CreateContainer)
            }
            OpCode::CreateTtl => CreateRequest::decode(reader, true)
                .and_then(|create| Ok(MultiOp::CreateTtl { create, ttl_ms: reader.long()? })),
            OpCode::Delete => {
                path_and_version(reader).map(|(path, version)| MultiOp::Delete { path, version })
            }
            OpCode::Check => {
                path_and_version(reader).map(|(path, version)| MultiOp::Check { path, version })
            }
            OpCode::SetData => reader.string().and_then(|path| {
                Ok(MultiOp::SetData { path, data: reader.buffer()?, version: reader.int()? })
            }),
            _ => return None,
        })
    }
}

fn path_and_version(reader: &mut Reader<'_>) -> Result<(String, i32), DecodeError> {
    Ok((reader.string()?, reader.int()?))
}

impl Entry for ReadOp {
    fn op(&self) -> OpCode {
        match self {
            ReadOp::GetData { .. } => OpCode::GetData,
            ReadOp::GetChildren { .. } => OpCode::GetChildren,
        }
    }

    fn error(&self) -> i32 {
        -1
    }

    fn encode_body(&self, out: &mut Vec<u8>) {
        let (ReadOp::GetData { path } | ReadOp::GetChildren { path }) = self;
        put_string(out, path);
        put_bool(out, false);
    }

    fn decode_body(op: OpCode, reader: &mut Reader<'_>) -> Option<Result<Self, DecodeError>> {
        let read: fn(String) -> ReadOp = match op {
            OpCode::GetData => |path| ReadOp::GetData { path },
            OpCode::GetChildren => |path| ReadOp::GetChildren { path },
            _ => return None,
        };
        Some(reader.string().and_then(|path| {
            reader.bool()?;
            Ok(read(path))
        }))
    }
}

impl Entry for MultiResult {
    fn op(&self) -> OpCode {
        match self {
            MultiResult::Create { .. } => OpCode::Create,
            MultiResult::Create2 { .. } => OpCode::Create2,
            MultiResult::SetData { .. } => OpCode::SetData,
            MultiResult::Delete => OpCode::Delete,
            MultiResult::Check => OpCode::Check,
            MultiResult::Error(_) => OpCode::Error,
            MultiResult::Data { .. } => OpCode::GetData,
            MultiResult::Children { .. } => OpCode::GetChildren,
        }
    }

    fn error(&self) -> i32 {
        match self {
            MultiResult::Error(code) => code.to_wire(),
            _ => 0,
        }
    }

    fn encode_body(&self, out: &mut Vec<u8>) {
        match self {
            MultiResult::Create { path } => put_string(out, path),
            MultiResult::Create2 { path, stat } => {
                put_string(out, path);
                stat.encode(out);
            }
            MultiResult::SetData { stat } => stat.encode(out),
            MultiResult::Delete | MultiResult::Check => {}
            MultiResult::Error(code) => put_int(out, code.to_wire()),
            MultiResult::Data { data, stat } => {
                put_buffer(out, data.as_deref());
                stat.encode(out);
            }
            MultiResult::Children { children } => put_strings(out, children),
        }
    }

    fn decode_body(op: OpCode, reader: &mut Reader<'_>) -> Option<Result<Self, DecodeError>> {
        Some(match op {
            OpCode::Create => reader.string().map(|path| MultiResult::Create { path }),
            OpCode::Create2 => reader
                .string()
                .and_then(|path| Ok(MultiResult::Create2 { path, stat: Stat::decode(reader)? })),
            OpCode::SetData => Stat::decode(reader).map(|stat| MultiResult::SetData { stat }),
            OpCode::Delete => Ok(MultiResult::Delete),
            OpCode::Check => Ok(MultiResult::Check),
            OpCode::Error => reader.int().map(|code| MultiResult::Error(Code::from_wire(code))),
            OpCode::GetData => reader
                .buffer()
                .and_then(|data| Ok(MultiResult::Data { data, stat: Stat::decode(reader)? })),
            OpCode::GetChildren => {
                reader.strings().map(|children| MultiResult::Children { children })
            }
            _ => return None,
        })
    }
}
