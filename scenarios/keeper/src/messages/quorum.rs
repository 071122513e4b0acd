//! The quorum protocol: packets without frames both ways; behind a SNAP the leader's tree.

use keeper_core::ids::Zxid;
use keeper_core::jute::{Decode, DecodeError, Reader};
use keeper_core::log::{Progress, SnapshotReader};
use keeper_core::txn::{TxnBody, decode_txn};
use keeper_core::wire::client::{OpCode, Request};
use keeper_core::wire::quorum::{
    EpochAck, ForwardedRequest, PacketKind, QuorumPacket, Revalidate, Revalidated,
};

use super::{Said, client};

/// What a learner says.
pub(super) fn learner(bytes: &[u8]) -> Vec<Said> {
    packets(bytes, true)
}

/// What a leader says.
pub(super) fn leader(bytes: &[u8]) -> Vec<Said> {
    packets(bytes, false)
}

fn packets(bytes: &[u8], from_learner: bool) -> Vec<Said> {
    let mut said = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let mut reader = Reader::new(&bytes[at..]);
        let packet = match QuorumPacket::decode(&mut reader) {
            Ok(packet) => packet,
            Err(DecodeError::Truncated { .. }) => break,
            Err(error) => {
                said.push(Said::unreadable(bytes, at, error));
                break;
            }
        };
        at += reader.offset();
        said.push(told(&packet, at, from_learner));
        if packet.kind == PacketKind::Snap && !from_learner {
            match tree(&bytes[at..]) {
                Ok(Some(len)) => {
                    at += len;
                    said.push(Said::new(at, format!("tree at {}", packet.zxid)));
                }
                Ok(None) => break,
                Err(why) => {
                    said.push(Said::unreadable(bytes, at, why));
                    break;
                }
            }
        }
    }
    said
}

/// How many bytes a tree and its signature take; none if they are not whole.
fn tree(bytes: &[u8]) -> Result<Option<usize>, String> {
    let mut reader = SnapshotReader::stream();
    match reader.push(bytes).map_err(|error| error.to_string())? {
        Progress::More => return Ok(None),
        Progress::Complete => {}
    }
    let rest = reader.take_rest();
    let mut signature = Reader::new(&rest);
    match signature.string() {
        Ok(_) => Ok(Some(bytes.len() - rest.len() + signature.offset())),
        Err(DecodeError::Truncated { .. }) => Ok(None),
        Err(error) => Err(error.to_string()),
    }
}

fn told(packet: &QuorumPacket, end: usize, from_learner: bool) -> Said {
    let QuorumPacket { kind, zxid, .. } = *packet;
    let data = packet.data.as_deref().unwrap_or_default();
    let word = format!("{kind:?}").to_uppercase();
    let with_zxid = || Said::new(end, format!("{word} {zxid}"));
    match kind {
        PacketKind::Ping => Said::new(end, word).ping(),
        PacketKind::Proposal | PacketKind::Inform => with_zxid().with(transaction(data)),
        PacketKind::FollowerInfo | PacketKind::ObserverInfo => {
            Said::new(end, format!("{word} accepted {}", zxid.epoch()))
        }
        PacketKind::LeaderInfo => Said::new(end, format!("{word} epoch {}", zxid.epoch())),
        PacketKind::AckEpoch => {
            let current = EpochAck::decode(&mut Reader::new(data)).ok().and_then(|ack| ack.0);
            let current = current.map_or("promised before".to_owned(), |e| format!("current {e}"));
            Said::new(end, format!("{word} {zxid}")).with(current)
        }
        PacketKind::Request => match ForwardedRequest::decode(&mut Reader::new(data)) {
            Ok(request) => forwarded(&request, end),
            Err(error) => Said::new(end, "REQUEST, unreadable").with(error.to_string()),
        },
        PacketKind::Revalidate if from_learner => {
            let asked = Revalidate::decode(&mut Reader::new(data));
            let session = asked.map(|asked| format!("session {}", asked.session));
            Said::new(end, word).with(session.unwrap_or_else(|error| error.to_string()))
        }
        PacketKind::Revalidate => {
            let answer = Revalidated::decode(&mut Reader::new(data));
            let words = answer.map(|answer| {
                let is = if answer.valid { "is alive" } else { "is no more" };
                format!("session {} {is}", answer.session)
            });
            Said::new(end, word).with(words.unwrap_or_else(|error| error.to_string()))
        }
        _ if zxid == QuorumPacket::NO_ZXID || zxid == Zxid::ZERO => Said::new(end, word),
        _ => with_zxid(),
    }
}

fn forwarded(request: &ForwardedRequest, end: usize) -> Said {
    let what = match request.op {
        // Servers forward these without a body that a client would send.
        OpCode::CreateSession | OpCode::CloseSession => client::word(request.op),
        op => Request::decode_body(op, &mut Reader::new(&request.body))
            .map_or_else(|_| client::word(op), |request| client::name(&request)),
    };
    let whose = format!("session {}, xid {}", request.session, request.cxid);
    Said::new(end, format!("REQUEST {what}")).with(whose)
}

fn transaction(data: &[u8]) -> String {
    match decode_txn(data) {
        Ok((txn, _)) => {
            let header = txn.header;
            format!("{}, session {}, xid {}", body(&txn.body), header.session, header.cxid)
        }
        Err(error) => error.to_string(),
    }
}

/// A transaction's effect in a few words.
fn body(body: &TxnBody) -> String {
    match body {
        TxnBody::Create(create) | TxnBody::CreateContainer(create) => {
            format!("create {}", create.path)
        }
        TxnBody::CreateTtl { create, .. } => format!("create {}", create.path),
        TxnBody::Delete { path } => format!("delete {path}"),
        TxnBody::SetData { path, version, .. } => format!("set {path} to version {version}"),
        TxnBody::SetAcl { path, version, .. } => format!("setACL {path} to version {version}"),
        TxnBody::CheckVersion { path, version } => format!("check {path} version {version}"),
        TxnBody::CreateSession { timeout_ms } => format!("createSession for {timeout_ms} ms"),
        TxnBody::CloseSession { .. } => "closeSession".to_owned(),
        TxnBody::Error { code } => format!("nothing: {code}"),
        TxnBody::Multi(parts) => {
            let parts: Vec<String> = parts.iter().map(self::body).collect();
            format!("multi [{}]", parts.join("; "))
        }
    }
}

#[cfg(test)]
mod tests {
    use keeper_core::jute::{put_string, to_bytes};
    use keeper_core::log::SnapshotWriter;
    use keeper_core::tree::Tree;

    use super::*;

    fn bare(kind: PacketKind, zxid: u64) -> Vec<u8> {
        to_bytes(&QuorumPacket::bare(kind, Zxid(zxid)))
    }

    fn labels(said: &[Said]) -> Vec<&str> {
        said.iter().map(|said| said.label.as_str()).collect()
    }

    #[test]
    fn packets_are_told_with_their_zxids() {
        let mut bytes = bare(PacketKind::FollowerInfo, 3 << 32);
        bytes.extend(bare(PacketKind::Ack, 0x3_0000_0001));
        bytes.extend(bare(PacketKind::Ping, 7));
        let whole = bytes.len();
        bytes.extend(&bare(PacketKind::Ack, 9)[..10]);
        let said = learner(&bytes);
        assert_eq!(labels(&said), ["FOLLOWERINFO accepted 3", "ACK 0x300000001", "PING"]);
        assert_eq!(said[2].end as usize, whole);
        assert!(said[2].is_ping);
    }

    #[test]
    fn what_follows_a_tree_is_found() {
        let mut bytes = bare(PacketKind::Snap, 5);
        let mut tree = Tree::new();
        let mut writer = SnapshotWriter::stream(&mut tree, &Default::default(), &mut bytes);
        while !writer.chunk(&mut tree, 1 << 20, &mut bytes) {}
        put_string(&mut bytes, "BenWasHere");
        let cut = bytes.len() - 3;
        bytes.extend(bare(PacketKind::NewLeader, 0x2_0000_0000));
        let said = leader(&bytes);
        assert_eq!(labels(&said), ["SNAP 0x5", "tree at 0x5", "NEWLEADER 0x200000000"]);
        assert_eq!(said[1].end as usize, cut + 3);
        assert_eq!(labels(&leader(&bytes[..cut])), ["SNAP 0x5"]);
    }

    #[test]
    fn a_packet_of_no_kind_ends_the_telling() {
        let mut bytes = bare(PacketKind::UpToDate, u64::MAX);
        bytes.extend([0, 0, 0, 99, 1]);
        assert_eq!(labels(&leader(&bytes)), ["UPTODATE", "5 unreadable bytes"]);
    }
}
