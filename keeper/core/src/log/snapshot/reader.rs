//! Reads snapshots piece by piece.

use std::collections::BTreeMap;

use adler2::Adler32;

use crate::ids::{SessionId, Zxid};
use crate::jute::{Decode, DecodeError, Reader};
use crate::record::{Acl, StatPersisted};
use crate::tree::{BuildError, ROOT, TreeBuilder};

use super::{MAGIC, SnapshotData, SnapshotDigest, SnapshotError, VERSION};

/// The largest item accepted: one node with its path and data, or one access control list.
const ITEM_BYTES_MAX: usize = 64 << 20;
/// Seals, digest and zxid together take a hundred bytes; a file with more behind its tree is wrong.
const TRAILER_BYTES_MAX: usize = 1 << 10;
/// Consumed bytes are moved out of the buffer when this many have gathered.
const COMPACT_BYTES: usize = 1 << 20;

/// Takes a snapshot's bytes in pieces of any size.
#[derive(Clone, Debug)]
pub struct SnapshotReader {
    body: Body,
    is_file: bool,
    /// Bytes from `start` on are not consumed yet.
    buffer: Vec<u8>,
    start: usize,
    consumed: u64,
    adler: Adler32,
}

/// How far a snapshot has been read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// More bytes are needed.
    More,
    /// Sessions and tree are complete. Of a stream what follows belongs to somebody else
    /// ([`SnapshotReader::take_rest`]); a file may have more to its end.
    Complete,
}

/// What has been read so far.
#[derive(Clone, Debug)]
struct Body {
    next: Next,
    sessions: BTreeMap<SessionId, i32>,
    builder: TreeBuilder,
}

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Header,
    SessionCount,
    Sessions(i32),
    AclCount,
    Acls(i32),
    Nodes,
    End,
}

/// What an item's bytes turned out to be.
enum ItemError {
    Decode(DecodeError),
    Snapshot(SnapshotError),
}

impl From<DecodeError> for ItemError {
    fn from(error: DecodeError) -> Self {
        ItemError::Decode(error)
    }
}

impl From<SnapshotError> for ItemError {
    fn from(error: SnapshotError) -> Self {
        ItemError::Snapshot(error)
    }
}

impl From<BuildError> for ItemError {
    fn from(error: BuildError) -> Self {
        ItemError::Snapshot(error.into())
    }
}

impl SnapshotReader {
    /// For a file, from its first byte.
    pub fn file() -> SnapshotReader {
        SnapshotReader::new(true, Next::Header)
    }

    /// For what a leader sends: sessions and tree without header and seals.
    pub fn stream() -> SnapshotReader {
        SnapshotReader::new(false, Next::SessionCount)
    }

    fn new(is_file: bool, next: Next) -> SnapshotReader {
        let body = Body { next, sessions: BTreeMap::new(), builder: TreeBuilder::new() };
        let adler = Adler32::new();
        SnapshotReader { body, is_file, buffer: Vec::new(), start: 0, consumed: 0, adler }
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    ///
    /// [`SnapshotError`] if no bytes to come could make this a snapshot; the reader is of no more
    /// use then.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Progress, SnapshotError> {
        self.buffer.extend_from_slice(bytes);
        while self.body.next != Next::End {
            let mut reader = Reader::new(&self.buffer[self.start..]);
            match self.body.read_item(&mut reader) {
                Ok(()) => {
                    let len = reader.offset();
                    self.consume(len);
                }
                Err(ItemError::Decode(DecodeError::Truncated { offset, needed })) => {
                    self.compact();
                    return self.wait_for(offset.saturating_add(needed));
                }
                Err(ItemError::Decode(error)) => {
                    return Err(SnapshotError::Format { item_at: self.consumed, error });
                }
                Err(ItemError::Snapshot(error)) => return Err(error),
            }
        }
        self.compact();
        if self.is_file && self.buffer.len() > TRAILER_BYTES_MAX {
            return Err(SnapshotError::Trailer);
        }
        Ok(Progress::Complete)
    }

    /// How many of the bytes pushed belong to header, sessions and tree as far as they are read.
    pub fn consumed(&self) -> u64 {
        self.consumed
    }

    /// The bytes pushed that were not consumed.
    pub fn take_rest(&mut self) -> Vec<u8> {
        self.compact();
        std::mem::take(&mut self.buffer)
    }

    /// Everything has been pushed. `zxid` is that of the file's name, or of the SNAP packet.
    ///
    /// # Errors
    ///
    /// [`SnapshotError`] if something is missing, a seal is broken or the digest is another tree's.
    pub fn finish(self, zxid: Zxid) -> Result<SnapshotData, SnapshotError> {
        if self.body.next != Next::End {
            let bytes = self.consumed + (self.buffer.len() - self.start) as u64;
            return Err(SnapshotError::Unfinished { bytes });
        }
        let trailer = match self.is_file {
            true => Trailer::read(&self.buffer[self.start..], &self.adler, self.consumed)?,
            false => Trailer::default(),
        };
        let unknown_acls = self.body.builder.unknown_acls();
        let tree = self.body.builder.finish(zxid)?;
        let digest = trailer.digest.filter(SnapshotDigest::is_comparable);
        let compared = digest.filter(|digest| digest.zxid == zxid);
        if let Some(SnapshotDigest { digest: told, .. }) = compared
            && told != tree.digest()
        {
            let (told, actual) = (told.tree_digest, tree.digest().tree_digest);
            return Err(SnapshotError::Digest { zxid, told, actual });
        }
        let exact = compared.is_some() && trailer.last_zxid.is_none_or(|last| last == zxid);
        let sessions = self.body.sessions;
        Ok(SnapshotData { sessions, tree, last_zxid: zxid, digest, exact, unknown_acls })
    }

    fn consume(&mut self, len: usize) {
        self.adler.write_slice(&self.buffer[self.start..self.start + len]);
        self.start += len;
        self.consumed += len as u64;
        if self.start >= COMPACT_BYTES {
            self.compact();
        }
    }

    fn compact(&mut self) {
        self.buffer.drain(..self.start);
        self.start = 0;
    }

    fn wait_for(&self, bytes: usize) -> Result<Progress, SnapshotError> {
        match bytes > ITEM_BYTES_MAX {
            true => Err(SnapshotError::TooLarge { item_at: self.consumed, bytes }),
            false => Ok(Progress::More),
        }
    }
}

impl Body {
    /// Reads one item; nothing has changed if its bytes are not all there.
    fn read_item(&mut self, reader: &mut Reader<'_>) -> Result<(), ItemError> {
        self.next = match self.next {
            Next::Header => {
                let (magic, version) = (reader.raw(4)?, reader.int()?);
                let _db_id = reader.long()?;
                if magic != MAGIC || version != VERSION {
                    return Err(SnapshotError::Header.into());
                }
                Next::SessionCount
            }
            Next::SessionCount => Next::Sessions(count(reader)?),
            Next::Sessions(0) => Next::AclCount,
            Next::Sessions(left) => {
                let (session, timeout_ms) = (SessionId(reader.long()?), reader.int()?);
                self.sessions.insert(session, timeout_ms);
                Next::Sessions(left - 1)
            }
            Next::AclCount => Next::Acls(count(reader)?),
            Next::Acls(0) => Next::Nodes,
            Next::Acls(left) => {
                let (id, list) = (reader.long()?, Acl::decode_list(reader)?);
                self.builder.define_acl(id, list)?;
                Next::Acls(left - 1)
            }
            Next::Nodes => self.read_node(reader)?,
            Next::End => Next::End,
        };
        Ok(())
    }

    fn read_node(&mut self, reader: &mut Reader<'_>) -> Result<Next, ItemError> {
        let path = reader.string()?;
        if path == ROOT {
            return Ok(Next::End);
        }
        let (data, acl) = (reader.buffer()?, reader.long()?);
        let stat = StatPersisted::decode(reader)?;
        let path = if path.is_empty() { ROOT } else { &path };
        self.builder.insert(path, data, acl, stat)?;
        Ok(Next::Nodes)
    }
}

fn count(reader: &mut Reader<'_>) -> Result<i32, ItemError> {
    match reader.int()? {
        count if count < 0 => Err(SnapshotError::Count { count }.into()),
        count => Ok(count),
    }
}

/// What follows the tree in a file.
#[derive(Clone, Copy, Default)]
struct Trailer {
    digest: Option<SnapshotDigest>,
    last_zxid: Option<Zxid>,
}

impl Trailer {
    /// `body` is the checksum over everything before `bytes`, `at` how much that is. Nothing says
    /// which parts there are; a seal fits at the end of the right ones only.
    fn read(bytes: &[u8], body: &Adler32, at: u64) -> Result<Trailer, SnapshotError> {
        let seals = Seals { bytes, body, at };
        let mut reader = Reader::new(bytes);
        seals.check(&mut reader)?;
        if reader.remaining() == 0 {
            return Ok(Trailer::default());
        }
        let with_digest = seals.digest_and_zxid(reader.clone());
        match seals.zxid(reader) {
            Ok(last_zxid) => Ok(Trailer { digest: None, last_zxid: Some(last_zxid) }),
            Err(_) => with_digest,
        }
    }
}

struct Seals<'a> {
    bytes: &'a [u8],
    body: &'a Adler32,
    at: u64,
}

impl Seals<'_> {
    fn digest_and_zxid(&self, mut reader: Reader<'_>) -> Result<Trailer, SnapshotError> {
        let digest = SnapshotDigest::decode(&mut reader).map_err(|error| self.format(error))?;
        self.check(&mut reader)?;
        let last_zxid = match reader.remaining() {
            0 => None,
            _ => Some(self.zxid(reader)?),
        };
        Ok(Trailer { digest: Some(digest), last_zxid })
    }

    fn zxid(&self, mut reader: Reader<'_>) -> Result<Zxid, SnapshotError> {
        let zxid = reader.long().map_err(|error| self.format(error))?;
        self.check(&mut reader)?;
        match reader.remaining() {
            0 => Ok(Zxid::from_wire(zxid)),
            _ => Err(SnapshotError::Trailer),
        }
    }

    /// Reads a seal over everything before it.
    fn check(&self, reader: &mut Reader<'_>) -> Result<(), SnapshotError> {
        let mut adler = *self.body;
        adler.write_slice(&self.bytes[..reader.offset()]);
        let told = reader.long().map_err(|error| self.format(error))?;
        reader.optional_string().map_err(|error| self.format(error))?;
        match told == i64::from(adler.checksum()) {
            true => Ok(()),
            false => Err(SnapshotError::Checksum),
        }
    }

    fn format(&self, error: DecodeError) -> SnapshotError {
        SnapshotError::Format { item_at: self.at, error }
    }
}
