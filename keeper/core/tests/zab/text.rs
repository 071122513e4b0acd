//! What servers send each other, one line for each packet.

use std::collections::BTreeMap;

use keeper_core::ids::{SessionId, Zxid};
use keeper_core::jute::{Decode, Reader, from_bytes};
use keeper_core::limits::QUORUM_PACKET_BYTES_MAX;
use keeper_core::log::{Progress, SnapshotReader};
use keeper_core::txn::{Txn, TxnBody, decode_txn};
use keeper_core::wire::client::Request;
use keeper_core::wire::election::{Notification, ServerState};
use keeper_core::wire::quorum::{
    EpochAck, ForwardedRequest, PacketKind, QuorumDecoder, QuorumPacket, Revalidate, Revalidated,
    SessionTouches,
};

/// Short names of sessions, in the order in which they are first seen.
#[derive(Default)]
pub(crate) struct Names(BTreeMap<SessionId, usize>);

impl Names {
    pub(crate) fn of(&mut self, session: SessionId) -> String {
        let next = self.0.len() + 1;
        format!("s{}", self.0.entry(session).or_insert(next))
    }
}

/// Reads one direction of a quorum connection along.
pub(crate) struct QuorumText {
    decoder: QuorumDecoder,
    snapshot: Option<(Zxid, SnapshotReader)>,
}

impl QuorumText {
    pub(crate) fn new() -> QuorumText {
        QuorumText { decoder: QuorumDecoder::new(QUORUM_PACKET_BYTES_MAX), snapshot: None }
    }

    /// The packets and snapshots that are now complete.
    pub(crate) fn read(&mut self, bytes: &[u8], names: &mut Names) -> Vec<String> {
        let mut lines = Vec::new();
        match self.snapshot {
            Some(_) => lines.extend(self.read_snapshot(bytes)),
            None => self.decoder.push(bytes),
        }
        while self.snapshot.is_none()
            && let Some(packet) = self.decoder.next_packet().unwrap()
        {
            lines.push(packet_text(&packet, names));
            if packet.kind == PacketKind::Snap {
                let rest = self.decoder.take_rest();
                self.snapshot = Some((packet.zxid, SnapshotReader::stream()));
                lines.extend(self.read_snapshot(&rest));
            }
        }
        lines
    }

    /// A leader signs a snapshot in the same write that ends it.
    fn read_snapshot(&mut self, bytes: &[u8]) -> Option<String> {
        let (zxid, reader) = self.snapshot.as_mut().unwrap();
        if let Progress::More = reader.push(bytes).unwrap() {
            return None;
        }
        let (zxid, rest) = (*zxid, reader.take_rest());
        let mut signature = Reader::new(&rest);
        assert_eq!(signature.string().unwrap(), "BenWasHere");
        self.decoder.push(&rest[signature.offset()..]);
        self.snapshot = None;
        Some(format!("the tree at {zxid}"))
    }
}

/// An election message.
pub(crate) fn vote_text(vote: &Notification) -> String {
    let state = match vote.state {
        ServerState::Looking => "looking",
        ServerState::Following => "following",
        ServerState::Leading => "leading",
        ServerState::Observing => "observing",
    };
    let Notification { leader, peer_epoch, zxid, round, .. } = vote;
    format!("{state}: vote n{leader} (epoch {peer_epoch}, {zxid}) in round {round}")
}

fn packet_text(packet: &QuorumPacket, names: &mut Names) -> String {
    let QuorumPacket { kind, zxid, .. } = *packet;
    let data = packet.data.as_deref().unwrap_or_default();
    match kind {
        PacketKind::FollowerInfo => format!("FOLLOWERINFO accepted epoch {}", zxid.epoch()),
        PacketKind::LeaderInfo => format!("LEADERINFO epoch {}", zxid.epoch()),
        PacketKind::AckEpoch => match EpochAck::decode(&mut Reader::new(data)).unwrap().0 {
            Some(current) => format!("ACKEPOCH current epoch {current}, log ends {zxid}"),
            None => format!("ACKEPOCH promised before, log ends {zxid}"),
        },
        PacketKind::Proposal => {
            let (txn, _) = decode_txn(data).unwrap();
            format!("PROPOSAL {zxid} {}", txn_text(&txn, names))
        }
        PacketKind::Request => {
            let asked = ForwardedRequest::decode(&mut Reader::new(data)).unwrap();
            let request = Request::decode_body(asked.op, &mut Reader::new(&asked.body)).unwrap();
            format!("REQUEST {} of {}", request_text(&request), names.of(asked.session))
        }
        PacketKind::Ping => {
            let touches = SessionTouches::decode(&mut Reader::new(data)).unwrap().0;
            let alive = touches.iter().map(|(session, _)| format!(" {}", names.of(*session)));
            format!("PING{}", alive.collect::<String>())
        }
        PacketKind::Revalidate => revalidate_text(data, names),
        PacketKind::Sync if zxid == QuorumPacket::NO_ZXID => "SYNC refused".to_owned(),
        PacketKind::Sync => "SYNC".to_owned(),
        kind => format!("{} {zxid}", format!("{kind:?}").to_uppercase()),
    }
}

fn revalidate_text(data: &[u8], names: &mut Names) -> String {
    match from_bytes::<Revalidate>(data) {
        Ok(asked) => format!("REVALIDATE {}?", names.of(asked.session)),
        Err(_) => {
            let answer = from_bytes::<Revalidated>(data).unwrap();
            let verdict = if answer.valid { "alive" } else { "no more" };
            format!("REVALIDATE {}: {verdict}", names.of(answer.session))
        }
    }
}

/// A request in a few words.
pub(crate) fn request_text(request: &Request) -> String {
    match request {
        Request::Create(create) => format!("create {}", create.path),
        Request::GetChildren { path, .. } => format!("getChildren {path}"),
        Request::Sync { .. } => "sync".to_owned(),
        Request::CreateSession { .. } => "createSession".to_owned(),
        Request::CloseSession => "closeSession".to_owned(),
        other => format!("{other:?}"),
    }
}

fn txn_text(txn: &Txn, names: &mut Names) -> String {
    let session = names.of(txn.header.session);
    match &txn.body {
        TxnBody::Create(create) if create.ephemeral => {
            format!("create {} ephemeral of {session}", create.path)
        }
        TxnBody::Create(create) => format!("create {}", create.path),
        TxnBody::CreateSession { .. } => format!("createSession {session}"),
        TxnBody::CloseSession { paths } => {
            format!("closeSession {session} with {:?}", paths.as_deref().unwrap_or_default())
        }
        TxnBody::Error { code } => format!("error {code:?}"),
        other => format!("{other:?}"),
    }
}
