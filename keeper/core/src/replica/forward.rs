//! A follower between its clients and the leader: requests up, results of its own clients down.

use bytes::Bytes;

use crate::ids::{ConnectionId, SessionId, Zxid};
use crate::jute::{Encode, from_bytes};
use crate::observation::Observation;
use crate::wire::client::Request;
use crate::wire::quorum::{
    ForwardedRequest, PacketKind, QuorumPacket, Revalidate, Revalidated, SessionTouches,
};
use probe::Probe;

use super::{Replica, Role};

impl<I: Probe<Observation>> Replica<I> {
    /// Sends a client's write, sync or new session to the leader.
    pub(super) fn forward(&mut self, session: SessionId, cxid: i32, request: &Request) {
        let connection = self.clients.of_session(session).unwrap_or(ConnectionId(0));
        let Role::Following(follower) = &mut self.role else { return };
        if matches!(request, Request::Sync { .. }) {
            follower.syncs.push_back((connection, cxid));
        }
        let mut body = Vec::new();
        request.encode_body(&mut body);
        let forwarded =
            ForwardedRequest { session, cxid, op: request.op(), body: Bytes::from(body) };
        let mut data = Vec::new();
        forwarded.encode(&mut data);
        let packet = QuorumPacket::with_data(PacketKind::Request, QuorumPacket::NO_ZXID, data);
        self.send_leader(packet);
    }

    /// Asks the leader whether a session that reconnected here is alive.
    pub(super) fn forward_revalidation(&mut self, session: SessionId, timeout_ms: i32) {
        let mut data = Vec::new();
        Revalidate { session, timeout_ms }.encode(&mut data);
        let packet = QuorumPacket::with_data(PacketKind::Revalidate, QuorumPacket::NO_ZXID, data);
        self.send_leader(packet);
    }

    /// Echoes the leader's ping, and says which sessions were heard from since the last one.
    pub(super) fn on_ping(&mut self, zxid: Zxid) {
        let Role::Following(follower) = &mut self.role else { return };
        let touches = SessionTouches(follower.touched.take().into_iter().collect());
        let mut data = Vec::new();
        touches.encode(&mut data);
        self.send_leader(QuorumPacket::with_data(PacketKind::Ping, zxid, data));
    }

    /// A packet that only a serving follower gets.
    pub(super) fn on_serving_packet(
        &mut self,
        kind: PacketKind,
        packet: &QuorumPacket,
    ) -> Result<(), String> {
        match kind {
            PacketKind::Sync => {
                let Role::Following(follower) = &mut self.role else { return Ok(()) };
                let pending = follower.syncs.pop_front();
                let (connection, cxid) = pending.ok_or("an answer to no sync")?;
                if packet.zxid == QuorumPacket::NO_ZXID {
                    // The session is ending; its client hears that where it connects next.
                    self.drop_client(connection);
                } else if let Some(connection) = self.clients.complete_sync(connection, cxid) {
                    self.sync_passed(connection);
                }
            }
            PacketKind::Revalidate => {
                let data = packet.data.as_deref().unwrap_or_default();
                let answer = from_bytes::<Revalidated>(data).map_err(|error| error.to_string())?;
                if let Some(connection) = self.clients.of_session(answer.session) {
                    self.open_session(connection, answer.valid);
                }
            }
            kind => {
                return self.unexpected(format!("the leader sent {kind:?} to a serving follower"));
            }
        }
        Ok(())
    }
}
