//! The quorum protocol between a leader and its learners (`Leader`, `LearnerHandler`, `Learner`).
//!
//! Packets follow each other without frames. What a packet's data hold depends on its kind: see
//! [`payload`]. After a SNAP packet the stream carries a snapshot, which
//! [`QuorumDecoder::take_rest`] hands over undecoded.

pub mod payload;

use bytes::{Buf, Bytes, BytesMut};

use crate::ids::Zxid;
use crate::jute::{
    Decode, DecodeError, Encode, Fault, Reader, put_buffer, put_int, put_long, put_vector,
};
use crate::record::{Data, Id};

pub use payload::{
    EpochAck, ForwardedRequest, LeaderInfo, LearnerInfo, Revalidate, Revalidated, SessionTouches,
};

/// A packet between servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuorumPacket {
    /// What it says.
    pub kind: PacketKind,
    /// The transaction that it is about; an epoch's first zxid during discovery; -1 for none.
    pub zxid: Zxid,
    /// Depends on the kind.
    pub data: Data,
    /// The identities of the client that a REQUEST comes from. Null on the wire reads as empty.
    pub auth: Vec<Id>,
}

impl QuorumPacket {
    /// The zxid of packets that are about no transaction: -1 on the wire.
    pub const NO_ZXID: Zxid = Zxid(u64::MAX);

    /// A packet without data.
    pub fn bare(kind: PacketKind, zxid: Zxid) -> QuorumPacket {
        QuorumPacket { kind, zxid, data: None, auth: Vec::new() }
    }

    /// A packet with data and no identities.
    pub fn with_data(kind: PacketKind, zxid: Zxid, data: impl Into<Bytes>) -> QuorumPacket {
        QuorumPacket { data: Some(data.into()), ..QuorumPacket::bare(kind, zxid) }
    }
}

impl Encode for QuorumPacket {
    /// An empty list of identities is null, except in a REQUEST: Apache's leader goes through that
    /// list without asking whether there is one.
    fn encode(&self, out: &mut Vec<u8>) {
        put_int(out, self.kind.to_wire());
        put_long(out, self.zxid.to_wire());
        put_buffer(out, self.data.as_deref());
        if self.auth.is_empty() && self.kind != PacketKind::Request {
            put_int(out, -1);
        } else {
            put_vector(out, &self.auth);
        }
    }
}

impl Decode for QuorumPacket {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(QuorumPacket {
            kind: decode_kind(reader)?,
            zxid: Zxid::from_wire(reader.long()?),
            data: reader.buffer()?,
            auth: reader.vector(Id::MIN_BYTES, Id::decode)?,
        })
    }
}

fn decode_kind(reader: &mut Reader<'_>) -> Result<PacketKind, DecodeError> {
    let start = reader.clone();
    let value = reader.int()?;
    PacketKind::from_wire(value).ok_or_else(|| {
        start.malformed(Fault::Unknown { what: "quorum packet", value: value.into() })
    })
}

/// What a packet says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PacketKind {
    /// 1, learner: a client's write or sync, forwarded.
    Request,
    /// 2, leader: a transaction to be logged.
    Proposal,
    /// 3, follower: the transaction is durable here.
    Ack,
    /// 4, leader: a quorum has logged the transaction.
    Commit,
    /// 5, leader: are you there; learner: yes, and these sessions are alive.
    Ping,
    /// 6, learner: is this session alive; leader: whether it is.
    Revalidate,
    /// 7, leader: answers the oldest unanswered sync.
    Sync,
    /// 8, leader to observers: a committed transaction.
    Inform,
    /// 9, leader: commit a reconfiguration.
    CommitAndActivate,
    /// 10, leader: the history is complete up to here.
    NewLeader,
    /// 11, follower: who I am and which epoch I accepted last.
    FollowerInfo,
    /// 12, leader: serve clients.
    UpToDate,
    /// 13, leader: what you miss follows as proposals and commits.
    Diff,
    /// 14, leader: cut your log after this transaction.
    Trunc,
    /// 15, leader: a snapshot follows.
    Snap,
    /// 16, observer: as FOLLOWERINFO.
    ObserverInfo,
    /// 17, leader: the new epoch.
    LeaderInfo,
    /// 18, learner: the new epoch is accepted, and this is my history.
    AckEpoch,
    /// 19, leader to observers: a committed reconfiguration.
    InformAndActivate,
}

impl PacketKind {
    const ALL: [PacketKind; 19] = [
        PacketKind::Request,
        PacketKind::Proposal,
        PacketKind::Ack,
        PacketKind::Commit,
        PacketKind::Ping,
        PacketKind::Revalidate,
        PacketKind::Sync,
        PacketKind::Inform,
        PacketKind::CommitAndActivate,
        PacketKind::NewLeader,
        PacketKind::FollowerInfo,
        PacketKind::UpToDate,
        PacketKind::Diff,
        PacketKind::Trunc,
        PacketKind::Snap,
        PacketKind::ObserverInfo,
        PacketKind::LeaderInfo,
        PacketKind::AckEpoch,
        PacketKind::InformAndActivate,
    ];

    /// From the wire.
    pub fn from_wire(value: i32) -> Option<PacketKind> {
        let index = usize::try_from(value).ok()?.checked_sub(1)?;
        PacketKind::ALL.get(index).copied()
    }

    /// As the wire carries it.
    pub fn to_wire(self) -> i32 {
        self as i32 + 1
    }
}

/// Reads a quorum connection as its bytes arrive.
///
/// A packet is decoded once, when it is there as a whole; until then only its lengths are looked
/// at, and those not again before the bytes have come that the last look found missing.
#[derive(Clone, Debug)]
pub struct QuorumDecoder {
    bytes: BytesMut,
    max_bytes: usize,
    /// With fewer buffered bytes than this no packet can be whole.
    wanted: usize,
    failed: Option<DecodeError>,
}

impl QuorumDecoder {
    /// Takes packets of at most `max_bytes` bytes.
    pub fn new(max_bytes: usize) -> QuorumDecoder {
        QuorumDecoder { bytes: BytesMut::new(), max_bytes, wanted: 0, failed: None }
    }

    /// Adds the stream's next bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.failed.is_none() {
            self.bytes.extend_from_slice(bytes);
        }
    }

    /// The next packet, or `None` until more bytes come.
    ///
    /// # Errors
    /// [`DecodeError::Malformed`] if the stream cannot be read any further; the same again at every
    /// later call.
    pub fn next_packet(&mut self) -> Result<Option<QuorumPacket>, DecodeError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        if self.bytes.len() < self.wanted {
            return Ok(None);
        }
        match self.whole_packet() {
            Ok(packet) => Ok(packet),
            Err(error) => {
                self.failed = Some(error);
                Err(error)
            }
        }
    }

    /// The bytes behind the packets taken so far; they are no longer the decoder's.
    pub fn take_rest(&mut self) -> Bytes {
        self.wanted = 0;
        self.bytes.split().freeze()
    }

    fn whole_packet(&mut self) -> Result<Option<QuorumPacket>, DecodeError> {
        let len = match measure(&self.bytes) {
            Ok(len) => len,
            Err(DecodeError::Truncated { offset, needed }) => {
                let len = offset.saturating_add(needed).max(self.bytes.len() + 1);
                self.check(len)?;
                self.wanted = len;
                return Ok(None);
            }
            Err(malformed) => return Err(malformed),
        };
        self.check(len)?;
        let packet = QuorumPacket::decode(&mut Reader::new(&self.bytes[..len]))?;
        self.bytes.advance(len);
        self.wanted = 0;
        Ok(Some(packet))
    }

    fn check(&self, len: usize) -> Result<(), DecodeError> {
        if len <= self.max_bytes {
            return Ok(());
        }
        let fault = Fault::TooLong { what: "quorum packet", len, max: self.max_bytes };
        Err(DecodeError::Malformed { offset: 0, fault })
    }
}

/// The length of the packet at the start of `bytes`, found without copying anything of it.
fn measure(bytes: &[u8]) -> Result<usize, DecodeError> {
    let mut reader = Reader::new(bytes);
    decode_kind(&mut reader)?;
    reader.long()?;
    skip_buffer(&mut reader)?;
    reader.vector(Id::MIN_BYTES, |reader| {
        skip_buffer(reader)?;
        skip_buffer(reader)
    })?;
    Ok(reader.offset())
}

/// Skips a buffer; if it is not whole, the error counts what is missing from its very end on.
fn skip_buffer(reader: &mut Reader<'_>) -> Result<(), DecodeError> {
    match reader.int()? {
        ..0 => Ok(()),
        len => reader.raw(len as usize).map(drop),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_have_the_numbers_of_the_protocol() {
        for value in 1..=19 {
            assert_eq!(PacketKind::from_wire(value).map(PacketKind::to_wire), Some(value));
        }
        assert_eq!(PacketKind::from_wire(0), None);
        assert_eq!(PacketKind::from_wire(20), None);
        assert_eq!(PacketKind::NewLeader.to_wire(), 10);
        assert_eq!(PacketKind::AckEpoch.to_wire(), 18);
    }

    #[test]
    fn a_huge_packet_is_not_looked_at_again_before_it_can_be_whole() {
        let packet = QuorumPacket::with_data(PacketKind::Proposal, Zxid(7), vec![1; 100_000]);
        let bytes = crate::jute::to_bytes(&packet);
        let mut decoder = QuorumDecoder::new(1 << 20);
        decoder.push(&bytes[..16]);
        assert_eq!(decoder.next_packet(), Ok(None));
        assert_eq!(decoder.wanted, 16 + 100_000);
        decoder.push(&bytes[16..]);
        assert_eq!(decoder.next_packet(), Ok(Some(packet)));
        assert_eq!(decoder.take_rest(), Bytes::new());
    }

    #[test]
    fn a_packet_above_the_limit_is_refused_by_its_length_alone() {
        let packet = QuorumPacket::with_data(PacketKind::Proposal, Zxid(7), vec![1; 1_000]);
        let mut decoder = QuorumDecoder::new(1_000);
        decoder.push(&crate::jute::to_bytes(&packet)[..16]);
        let fault = Fault::TooLong { what: "quorum packet", len: 1_016, max: 1_000 };
        let error = Err(DecodeError::Malformed { offset: 0, fault });
        assert_eq!(decoder.next_packet(), error);
        assert_eq!(decoder.next_packet(), error);
    }

    #[test]
    fn the_stream_behind_a_snap_packet_is_handed_over() {
        let mut bytes = crate::jute::to_bytes(&QuorumPacket::bare(PacketKind::Snap, Zxid(9)));
        bytes.extend_from_slice(b"snapshot");
        let mut decoder = QuorumDecoder::new(1 << 20);
        decoder.push(&bytes);
        let packet = decoder.next_packet().unwrap().unwrap();
        assert_eq!(packet.kind, PacketKind::Snap);
        assert_eq!(decoder.take_rest(), Bytes::from_static(b"snapshot"));
        assert_eq!(decoder.next_packet(), Ok(None));
    }
}
