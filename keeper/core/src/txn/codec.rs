//! Transactions as the log and the proposals carry them (`zookeeper.jute`, module txn;
//! `SerializeUtils.deserializeTxn`).
//!
//! A transaction is its header, the body that the header's type names, and since 3.6 the digest of
//! the tree afterwards. Three forms must be told apart by what follows the header, because the type
//! does not say: the oldest create has no parent's `cversion`; an old closeSession has no body; the
//! digest may be absent.

use bytes::Bytes;

use crate::error::Code;
use crate::ids::{SessionId, Zxid};
use crate::jute::{
    Decode, DecodeError, Encode, Fault, Reader, put_bool, put_buffer, put_count, put_int, put_long,
    put_nested, put_string, put_strings, put_vector,
};
use crate::record::Acl;
use crate::txn::{CreateTxn, Txn, TxnBody, TxnHeader};
use crate::wire::client::OpCode;

/// The tree's digest once a transaction is applied (`TxnDigest`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TxnDigest {
    /// The digest's algorithm: [`TxnDigest::VERSION`].
    pub version: i32,
    /// The digest (`AdHash` over the nodes).
    pub tree_digest: i64,
}

impl TxnDigest {
    /// `DigestCalculator.DIGEST_VERSION`, the only one in use since 3.6.
    pub const VERSION: i32 = 2;

    /// The bytes that one takes up.
    const BYTES: usize = 12;
}

impl Encode for TxnDigest {
    fn encode(&self, out: &mut Vec<u8>) {
        put_int(out, self.version);
        put_long(out, self.tree_digest);
    }
}

impl Decode for TxnDigest {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(TxnDigest { version: reader.int()?, tree_digest: reader.long()? })
    }
}

/// How a client asked for the node that a [`TxnBody::Create`] makes. Apache's servers answer a
/// create2 from a transaction of that same type only: they have no stat to send for any other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AskedAs {
    /// By `create`, which is answered by the path.
    #[default]
    Create,
    /// By `create2`, which is answered by path and stat.
    Create2,
}

/// Appends a transaction, every create in it typed `create`.
pub fn encode_txn(txn: &Txn, digest: Option<TxnDigest>, out: &mut Vec<u8>) {
    encode_txn_asked(txn, digest, &[], out);
}

/// Appends a transaction; `asked[i]` says how the `i`th part of a multi (or, at index 0, a lone
/// create) was asked for. What the list does not reach, and what is no create, is not affected.
pub fn encode_txn_asked(
    txn: &Txn,
    digest: Option<TxnDigest>,
    asked: &[AskedAs],
    out: &mut Vec<u8>,
) {
    put_long(out, txn.header.session.0);
    put_int(out, txn.header.cxid);
    put_long(out, txn.header.zxid.to_wire());
    put_long(out, txn.header.time_ms);
    put_int(out, type_as_asked(&txn.body, asked.first()).to_wire());
    match &txn.body {
        TxnBody::Multi(parts) => encode_parts(parts, asked, out),
        body => encode_body(body, out),
    }
    if let Some(digest) = digest {
        digest.encode(out);
    }
}

/// Reads a transaction that takes up all of `bytes`, its digest included if there is one.
///
/// # Errors
/// [`DecodeError`] for a type that no log holds and for bytes that do not form the type's body.
pub fn decode_txn(bytes: &[u8]) -> Result<(Txn, Option<TxnDigest>), DecodeError> {
    decode_from(Reader::new(bytes))
}

/// The same, and the data in the transaction share `bytes`.
///
/// # Errors
/// As [`decode_txn`].
pub fn decode_txn_shared(bytes: &Bytes) -> Result<(Txn, Option<TxnDigest>), DecodeError> {
    decode_from(Reader::sharing(bytes))
}

fn decode_from(mut reader: Reader<'_>) -> Result<(Txn, Option<TxnDigest>), DecodeError> {
    let (header, op) = decode_header(&mut reader)?;
    let body = match op {
        OpCode::Multi => decode_parts(&mut reader)?,
        OpCode::CloseSession => decode_close_session(&mut reader)?,
        op => decode_body(op, &mut reader)?,
    };
    let digest = match reader.remaining() {
        TxnDigest::BYTES => Some(TxnDigest::decode(&mut reader)?),
        _ => None,
    };
    reader.finish()?;
    Ok((Txn { header, body }, digest))
}

/// Reads only the header and the type.
///
/// # Errors
/// [`DecodeError::Truncated`] if the bytes end inside it.
pub fn peek_txn_header(bytes: &[u8]) -> Result<(TxnHeader, OpCode), DecodeError> {
    decode_header(&mut Reader::new(bytes))
}

/// The type that the header of a transaction with this body has.
pub fn txn_type(body: &TxnBody) -> OpCode {
    match body {
        TxnBody::Create(_) => OpCode::Create,
        TxnBody::CreateContainer(_) => OpCode::CreateContainer,
        TxnBody::CreateTtl { .. } => OpCode::CreateTtl,
        TxnBody::Delete { .. } => OpCode::Delete,
        TxnBody::SetData { .. } => OpCode::SetData,
        TxnBody::SetAcl { .. } => OpCode::SetAcl,
        TxnBody::CheckVersion { .. } => OpCode::Check,
        TxnBody::CreateSession { .. } => OpCode::CreateSession,
        TxnBody::CloseSession { .. } => OpCode::CloseSession,
        TxnBody::Error { .. } => OpCode::Error,
        TxnBody::Multi(_) => OpCode::Multi,
    }
}

fn type_as_asked(body: &TxnBody, asked: Option<&AskedAs>) -> OpCode {
    match (body, asked) {
        (TxnBody::Create(_), Some(AskedAs::Create2)) => OpCode::Create2,
        (body, _) => txn_type(body),
    }
}

fn decode_header(reader: &mut Reader<'_>) -> Result<(TxnHeader, OpCode), DecodeError> {
    let header = TxnHeader {
        session: SessionId(reader.long()?),
        cxid: reader.int()?,
        zxid: Zxid::from_wire(reader.long()?),
        time_ms: reader.long()?,
    };
    Ok((header, OpCode::from_wire(reader.int()?)))
}

fn encode_parts(parts: &[TxnBody], asked: &[AskedAs], out: &mut Vec<u8>) {
    put_count(out, parts.len());
    for (index, part) in parts.iter().enumerate() {
        let op = type_as_asked(part, asked.get(index));
        assert!(may_be_part(op), "a multi may not contain {op:?}");
        put_int(out, op.to_wire());
        put_nested(out, |out| encode_body(part, out));
    }
}

fn decode_parts(reader: &mut Reader<'_>) -> Result<TxnBody, DecodeError> {
    let parts = reader.vector(8, |reader| {
        let at_type = reader.clone();
        let op = OpCode::from_wire(reader.int()?);
        if !may_be_part(op) {
            return Err(at_type.malformed(unknown_type(op)));
        }
        let at_body = reader.clone();
        let bytes = reader.slice()?.ok_or_else(|| at_body.malformed(Fault::Null))?;
        let mut inner = reader.of_part(bytes);
        let body = decode_body(op, &mut inner).and_then(|body| inner.finish().map(|()| body));
        body.map_err(|error| within(error, at_body.offset() + 4))
    })?;
    Ok(TxnBody::Multi(parts))
}

/// An error inside a nested buffer as one of the whole: a nested record that ends early is wrong,
/// no bytes behind the buffer could complete it.
fn within(error: DecodeError, base: usize) -> DecodeError {
    match error {
        DecodeError::Truncated { offset, .. } => {
            DecodeError::Malformed { offset: base + offset, fault: Fault::ShortBuffer }
        }
        DecodeError::Malformed { offset, fault } => {
            DecodeError::Malformed { offset: base + offset, fault }
        }
    }
}

fn may_be_part(op: OpCode) -> bool {
    matches!(
        op,
        OpCode::Create
            | OpCode::Create2
            | OpCode::CreateTtl
            | OpCode::CreateContainer
            | OpCode::Delete
            | OpCode::DeleteContainer
            | OpCode::SetData
            | OpCode::Check
            | OpCode::Error
    )
}

fn unknown_type(op: OpCode) -> Fault {
    Fault::Unknown { what: "transaction type", value: op.to_wire().into() }
}

fn encode_body(body: &TxnBody, out: &mut Vec<u8>) {
    match body {
        TxnBody::Create(create) => {
            encode_create(create, out);
            put_bool(out, create.ephemeral);
            put_int(out, create.parent_cversion);
        }
        TxnBody::CreateContainer(create) => {
            encode_create(create, out);
            put_int(out, create.parent_cversion);
        }
        TxnBody::CreateTtl { create, ttl_ms } => {
            encode_create(create, out);
            put_int(out, create.parent_cversion);
            put_long(out, *ttl_ms);
        }
        TxnBody::Delete { path } => put_string(out, path),
        TxnBody::SetData { path, data, version } => {
            put_string(out, path);
            put_buffer(out, data.as_deref());
            put_int(out, *version);
        }
        TxnBody::SetAcl { path, acl, version } => {
            put_string(out, path);
            put_vector(out, acl);
            put_int(out, *version);
        }
        TxnBody::CheckVersion { path, version } => {
            put_string(out, path);
            put_int(out, *version);
        }
        TxnBody::CreateSession { timeout_ms } => put_int(out, *timeout_ms),
        TxnBody::CloseSession { paths } => {
            if let Some(paths) = paths {
                put_strings(out, paths);
            }
        }
        TxnBody::Error { code } => put_int(out, code.to_wire()),
        TxnBody::Multi(_) => unreachable!("a multi is encoded by its parts and never nested"),
    }
}

fn encode_create(create: &CreateTxn, out: &mut Vec<u8>) {
    put_string(out, &create.path);
    put_buffer(out, create.data.as_deref());
    put_vector(out, &create.acl);
}

fn decode_body(op: OpCode, reader: &mut Reader<'_>) -> Result<TxnBody, DecodeError> {
    Ok(match op {
        OpCode::Create | OpCode::Create2 => {
            let mut create = decode_create(reader)?;
            create.ephemeral = reader.bool()?;
            // Before 3.4 the record ended here; -1 has the tree work out the parent's cversion.
            create.parent_cversion = if reader.remaining() == 0 { -1 } else { reader.int()? };
            TxnBody::Create(create)
        }
        OpCode::CreateContainer => {
            let mut create = decode_create(reader)?;
            create.parent_cversion = reader.int()?;
            TxnBody::CreateContainer(create)
        }
        OpCode::CreateTtl => {
            let mut create = decode_create(reader)?;
            create.parent_cversion = reader.int()?;
            TxnBody::CreateTtl { create, ttl_ms: reader.long()? }
        }
        OpCode::Delete | OpCode::DeleteContainer => TxnBody::Delete { path: reader.string()? },
        // A reconfiguration is logged as the data that it sets on /zookeeper/config.
        OpCode::SetData | OpCode::Reconfig => TxnBody::SetData {
            path: reader.string()?,
            data: reader.buffer()?,
            version: reader.int()?,
        },
        OpCode::SetAcl => TxnBody::SetAcl {
            path: reader.string()?,
            acl: Acl::decode_list(reader)?,
            version: reader.int()?,
        },
        OpCode::Check => TxnBody::CheckVersion { path: reader.string()?, version: reader.int()? },
        OpCode::CreateSession => TxnBody::CreateSession { timeout_ms: reader.int()? },
        OpCode::Error => TxnBody::Error { code: Code::from_wire(reader.int()?) },
        op => return Err(reader.malformed(unknown_type(op))),
    })
}

fn decode_create(reader: &mut Reader<'_>) -> Result<CreateTxn, DecodeError> {
    Ok(CreateTxn {
        path: reader.string()?,
        data: reader.buffer()?,
        acl: Acl::decode_list(reader)?,
        ephemeral: false,
        parent_cversion: -1,
    })
}

/// The list of paths came with 3.6 (ZOOKEEPER-3145) and can be switched off, so that the header may
/// be followed by nothing, by the digest alone, by the list, or by both. A digest alone is twelve
/// bytes that begin with its version 2; read as a list, those would be two paths of no length at
/// all, and a path has one character at least. So the two are never confused.
fn decode_close_session(reader: &mut Reader<'_>) -> Result<TxnBody, DecodeError> {
    let rest = reader.peek();
    let digest_alone =
        rest.len() == TxnDigest::BYTES && rest[..4] == TxnDigest::VERSION.to_be_bytes();
    let paths = if rest.is_empty() || digest_alone { None } else { Some(reader.strings()?) };
    Ok(TxnBody::CloseSession { paths })
}
