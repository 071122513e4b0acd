//! Records that the wire, the log and the snapshots share (`zookeeper.jute`, module data).

use bytes::Bytes;

use crate::ids::Zxid;
use crate::jute::{Decode, DecodeError, Encode, Reader, put_int, put_long, put_string};

/// A znode's data. `None` is jute's null buffer, which clients can tell from an empty one.
pub type Data = Option<Bytes>;

/// Who somebody is, under one authentication scheme.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id {
    /// `world`, `auth`, `digest`, `ip`, ...
    pub scheme: String,
    /// The scheme's own name of the identity.
    pub id: String,
}

/// One entry of an access control list.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Acl {
    /// Bits: read 1, write 2, create 4, delete 8, admin 16.
    pub perms: i32,
    /// Whom the bits are granted to.
    pub id: Id,
}

impl Acl {
    /// Every permission.
    pub const ALL: i32 = 31;

    /// `ZooDefs.Ids.OPEN_ACL_UNSAFE`: everybody may do everything.
    pub fn open() -> Vec<Acl> {
        vec![Acl { perms: Acl::ALL, id: Id { scheme: "world".into(), id: "anyone".into() } }]
    }

    /// Everybody may read (`ZooDefs.Ids.READ_ACL_UNSAFE`).
    pub fn read() -> Vec<Acl> {
        vec![Acl { perms: 1, id: Id { scheme: "world".into(), id: "anyone".into() } }]
    }
}

/// What a client learns about a znode besides its data and children.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stat {
    /// The transaction that created the node.
    pub czxid: Zxid,
    /// The transaction that last set its data.
    pub mzxid: Zxid,
    /// Creation, wall-clock milliseconds since the Unix epoch at the leader.
    pub ctime_ms: i64,
    /// Last `setData`, wall-clock milliseconds.
    pub mtime_ms: i64,
    /// How often the data was set.
    pub version: i32,
    /// Changes to the set of children.
    pub cversion: i32,
    /// Changes to the ACL.
    pub aversion: i32,
    /// The owning session if ephemeral, else 0.
    pub ephemeral_owner: i64,
    /// Bytes of data.
    pub data_length: i32,
    /// Children that live.
    pub num_children: i32,
    /// The transaction that last added or removed a child.
    pub pzxid: Zxid,
}

/// The part of a [`Stat`] that snapshots hold and the digest covers.
///
/// Its `cversion` is the number of children ever *created*, as in ZooKeeper's `DataNode`: a client
/// sees `2 * created - living`, so that deletions count too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StatPersisted {
    /// See [`Stat::czxid`].
    pub czxid: Zxid,
    /// See [`Stat::mzxid`].
    pub mzxid: Zxid,
    /// See [`Stat::ctime_ms`].
    pub ctime_ms: i64,
    /// See [`Stat::mtime_ms`].
    pub mtime_ms: i64,
    /// See [`Stat::version`].
    pub version: i32,
    /// Children ever created.
    pub cversion: i32,
    /// See [`Stat::aversion`].
    pub aversion: i32,
    /// See [`Stat::ephemeral_owner`].
    pub ephemeral_owner: i64,
    /// See [`Stat::pzxid`].
    pub pzxid: Zxid,
}

impl Encode for Id {
    fn encode(&self, out: &mut Vec<u8>) {
        put_string(out, &self.scheme);
        put_string(out, &self.id);
    }
}

impl Id {
    /// The least number of bytes that one takes up.
    pub(crate) const MIN_BYTES: usize = 8;
}

impl Decode for Id {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Id { scheme: reader.string()?, id: reader.string()? })
    }
}

impl Encode for Acl {
    fn encode(&self, out: &mut Vec<u8>) {
        put_int(out, self.perms);
        self.id.encode(out);
    }
}

impl Acl {
    /// The least number of bytes that one takes up.
    pub(crate) const MIN_BYTES: usize = 4 + Id::MIN_BYTES;

    /// A list as requests, transactions and snapshots carry it; null reads as empty.
    ///
    /// # Errors
    /// As [`Reader::vector`].
    pub fn decode_list(reader: &mut Reader<'_>) -> Result<Vec<Acl>, DecodeError> {
        reader.vector(Acl::MIN_BYTES, Acl::decode)
    }
}

impl Decode for Acl {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Acl { perms: reader.int()?, id: Id::decode(reader)? })
    }
}

impl Encode for Stat {
    fn encode(&self, out: &mut Vec<u8>) {
        put_long(out, self.czxid.to_wire());
        put_long(out, self.mzxid.to_wire());
        put_long(out, self.ctime_ms);
        put_long(out, self.mtime_ms);
        put_int(out, self.version);
        put_int(out, self.cversion);
        put_int(out, self.aversion);
        put_long(out, self.ephemeral_owner);
        put_int(out, self.data_length);
        put_int(out, self.num_children);
        put_long(out, self.pzxid.to_wire());
    }
}

impl Decode for Stat {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Stat {
            czxid: Zxid::from_wire(reader.long()?),
            mzxid: Zxid::from_wire(reader.long()?),
            ctime_ms: reader.long()?,
            mtime_ms: reader.long()?,
            version: reader.int()?,
            cversion: reader.int()?,
            aversion: reader.int()?,
            ephemeral_owner: reader.long()?,
            data_length: reader.int()?,
            num_children: reader.int()?,
            pzxid: Zxid::from_wire(reader.long()?),
        })
    }
}

impl Encode for StatPersisted {
    fn encode(&self, out: &mut Vec<u8>) {
        put_long(out, self.czxid.to_wire());
        put_long(out, self.mzxid.to_wire());
        put_long(out, self.ctime_ms);
        put_long(out, self.mtime_ms);
        put_int(out, self.version);
        put_int(out, self.cversion);
        put_int(out, self.aversion);
        put_long(out, self.ephemeral_owner);
        put_long(out, self.pzxid.to_wire());
    }
}

impl Decode for StatPersisted {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(StatPersisted {
            czxid: Zxid::from_wire(reader.long()?),
            mzxid: Zxid::from_wire(reader.long()?),
            ctime_ms: reader.long()?,
            mtime_ms: reader.long()?,
            version: reader.int()?,
            cversion: reader.int()?,
            aversion: reader.int()?,
            ephemeral_owner: reader.long()?,
            pzxid: Zxid::from_wire(reader.long()?),
        })
    }
}
