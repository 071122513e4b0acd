//! The election protocol (`QuorumCnxManager`, `FastLeaderElection`).
//!
//! Whoever connects says who it is in an [`InitialMessage`]; from then on both sides send
//! [`Notification`]s, each a frame of four-byte length. Notifications have grown twice, and every
//! length that Apache's servers accept is accepted here.

use bytes::{Bytes, BytesMut};

use crate::ids::{Epoch, ServerId, Zxid};
use crate::jute::{Decode, DecodeError, Encode, Fault, Reader, put_int, put_long, put_nested};

/// The largest frame, in bytes (`PACKETMAXSIZE`).
pub const FRAME_BYTES_MAX: usize = 512 << 10;
/// The longest list of addresses in an initial message, in bytes (`maxBuffer`).
const ADDRESSES_BYTES_MAX: usize = 2_048;
/// Announces one address (since 3.5).
const ONE_ADDRESS: i64 = -65_536;
/// Announces several addresses, separated by `|` (since 3.6).
const MANY_ADDRESSES: i64 = -65_535;

/// What a server does at present, as notifications say it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ServerState {
    /// 0: looking for a leader.
    Looking,
    /// 1: following one.
    Following,
    /// 2: leading.
    Leading,
    /// 3: observing.
    Observing,
}

impl ServerState {
    /// From the wire.
    pub fn from_wire(value: i32) -> Option<ServerState> {
        Some(match value {
            0 => ServerState::Looking,
            1 => ServerState::Following,
            2 => ServerState::Leading,
            3 => ServerState::Observing,
            _ => return None,
        })
    }

    /// As the wire carries it.
    pub fn to_wire(self) -> i32 {
        match self {
            ServerState::Looking => 0,
            ServerState::Following => 1,
            ServerState::Leading => 2,
            ServerState::Observing => 3,
        }
    }
}

/// A vote and the state of the server that casts it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    /// The sender's state.
    pub state: ServerState,
    /// Whom it votes for. An Apache observer, whose votes do not count, writes the least `long`.
    pub leader: ServerId,
    /// The candidate's last logged transaction.
    pub zxid: Zxid,
    /// The sender's election round (`electionEpoch`).
    pub round: u64,
    /// The candidate's current epoch. What is no epoch, as observers write it, reads as 0.
    pub peer_epoch: Epoch,
    /// The sender's quorum configuration; `None` is the form without one (before 3.5).
    pub config: Option<Bytes>,
}

impl Notification {
    /// The version from which on a configuration follows.
    const WITH_CONFIG: i32 = 2;
    /// The oldest form, which ends before the peer epoch.
    const BYTES_OLDEST: usize = 28;
    /// The form that ends with a version that readers take no notice of.
    const BYTES_WITHOUT_CONFIG: usize = 40;

    /// Appends the notification as a frame, its length included.
    pub fn encode_frame(&self, out: &mut Vec<u8>) {
        put_nested(out, |out| self.encode(out));
    }
}

impl Encode for Notification {
    fn encode(&self, out: &mut Vec<u8>) {
        put_int(out, self.state.to_wire());
        put_long(out, self.leader.0 as i64);
        put_long(out, self.zxid.to_wire());
        put_long(out, self.round as i64);
        put_long(out, self.peer_epoch.0.into());
        match &self.config {
            None => put_int(out, 1),
            Some(config) => {
                put_int(out, Notification::WITH_CONFIG);
                put_nested(out, |out| out.extend_from_slice(config));
            }
        }
    }
}

impl Decode for Notification {
    /// Reads a whole frame: the form follows from its length. What stands behind is ignored, as
    /// Apache ignores it.
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let len = reader.remaining();
        let start = reader.clone();
        let state = reader.int()?;
        let leader = ServerId(reader.long()? as u64);
        let zxid = Zxid::from_wire(reader.long()?);
        let round = reader.long()? as u64;
        let peer_epoch = match len {
            Notification::BYTES_OLDEST => zxid.epoch(),
            _ => Epoch(u32::try_from(reader.long()?).unwrap_or(0)),
        };
        let version = match len {
            Notification::BYTES_OLDEST => 0,
            Notification::BYTES_WITHOUT_CONFIG => reader.int()?.min(1),
            _ => reader.int()?,
        };
        let config = match version {
            Notification::WITH_CONFIG.. => {
                let at_config = reader.clone();
                let config = reader.buffer()?;
                Some(config.ok_or_else(|| at_config.malformed(Fault::Null))?)
            }
            _ => None,
        };
        reader.rest();
        let state = ServerState::from_wire(state).ok_or_else(|| {
            start.malformed(Fault::Unknown { what: "server state", value: state.into() })
        })?;
        Ok(Notification { state, leader, zxid, round, peer_epoch, config })
    }
}

/// What the side that connects says first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InitialMessage {
    /// Who connects.
    pub server: ServerId,
    /// Its election addresses, `host:port` each; none from servers before 3.5.
    pub addresses: Vec<String>,
}

impl Encode for InitialMessage {
    /// One address takes the form that every server since 3.5 reads, several the one since 3.6.
    fn encode(&self, out: &mut Vec<u8>) {
        if self.addresses.is_empty() {
            put_long(out, self.server.0 as i64);
            return;
        }
        put_long(out, if self.addresses.len() == 1 { ONE_ADDRESS } else { MANY_ADDRESSES });
        put_long(out, self.server.0 as i64);
        put_nested(out, |out| out.extend_from_slice(self.addresses.join("|").as_bytes()));
    }
}

impl Decode for InitialMessage {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let start = reader.clone();
        let protocol = reader.long()?;
        if protocol >= 0 {
            return Ok(InitialMessage { server: ServerId(protocol as u64), addresses: Vec::new() });
        }
        if protocol != ONE_ADDRESS && protocol != MANY_ADDRESSES {
            let fault = Fault::Unknown { what: "election protocol", value: protocol };
            return Err(start.malformed(fault));
        }
        let server = ServerId(reader.long()? as u64);
        limit_length(reader, "list of addresses", ADDRESSES_BYTES_MAX)?;
        let addresses = reader.string()?.split('|').map(str::to_owned).collect();
        Ok(InitialMessage { server, addresses })
    }
}

/// Refuses a length that is not positive or exceeds `max`, without reading it.
fn limit_length(reader: &Reader<'_>, what: &'static str, max: usize) -> Result<usize, DecodeError> {
    let len = reader.clone().int()?;
    match usize::try_from(len) {
        Err(_) | Ok(0) => Err(reader.malformed(Fault::BadLength(len))),
        Ok(len) if len > max => Err(reader.malformed(Fault::TooLong { what, len, max })),
        Ok(len) => Ok(len),
    }
}

/// One thing that an election connection brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ElectionMessage {
    /// The other side said who it is.
    Initial(InitialMessage),
    /// The other side voted.
    Notification(Notification),
    /// A frame that is no notification. Apache's servers log and skip it; the stream is intact.
    Skipped(DecodeError),
}

/// Reads an election connection as its bytes arrive. It holds one frame at most, provided that the
/// messages are taken after every push.
#[derive(Clone, Debug)]
pub struct ElectionDecoder {
    bytes: BytesMut,
    initial_due: bool,
    failed: Option<DecodeError>,
}

impl ElectionDecoder {
    /// For a connection that the other side made: its initial message comes first.
    pub fn accepted() -> ElectionDecoder {
        ElectionDecoder { bytes: BytesMut::new(), initial_due: true, failed: None }
    }

    /// For a connection that this side made: notifications only.
    pub fn connected() -> ElectionDecoder {
        ElectionDecoder { initial_due: false, ..ElectionDecoder::accepted() }
    }

    /// Adds the stream's next bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.failed.is_none() {
            self.bytes.extend_from_slice(bytes);
        }
    }

    /// The next message, or `None` until more bytes come.
    ///
    /// # Errors
    /// [`DecodeError::Malformed`] if the stream cannot be read any further; the same again at every
    /// later call.
    pub fn next_message(&mut self) -> Result<Option<ElectionMessage>, DecodeError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let next = if self.initial_due { self.initial() } else { self.notification() };
        match next {
            Ok(message) => Ok(Some(message)),
            Err(error) if error.is_truncated() => Ok(None),
            Err(error) => {
                self.failed = Some(error);
                Err(error)
            }
        }
    }

    fn initial(&mut self) -> Result<ElectionMessage, DecodeError> {
        let mut reader = Reader::new(&self.bytes);
        let message = InitialMessage::decode(&mut reader)?;
        let consumed = reader.offset();
        let _ = self.bytes.split_to(consumed);
        self.initial_due = false;
        Ok(ElectionMessage::Initial(message))
    }

    fn notification(&mut self) -> Result<ElectionMessage, DecodeError> {
        let mut reader = Reader::new(&self.bytes);
        let len = limit_length(&reader, "notification", FRAME_BYTES_MAX)?;
        reader.raw(4)?;
        let message = match Notification::decode(&mut Reader::new(reader.raw(len)?)) {
            Ok(notification) => ElectionMessage::Notification(notification),
            Err(error) => ElectionMessage::Skipped(error),
        };
        let _ = self.bytes.split_to(4 + len);
        Ok(message)
    }
}
