//! What learners say to their leader.

use crate::ids::{ConnectionId, Zxid};
use crate::jute::{Decode, Encode, Reader, from_bytes};
use crate::observation::Observation;
use crate::session::Origin;
use crate::wire::client::Request;
use crate::wire::quorum::payload::DAMAGED;
use crate::wire::quorum::{
    EpochAck, ForwardedRequest, LearnerInfo, PacketKind, QuorumPacket, Revalidate, Revalidated,
    SessionTouches,
};
use crate::zab::leader::LearnerPhase;
use crate::{always, planted, sometimes};
use probe::Probe;

use super::clients::is_forwardable;
use super::{Replica, Role};

/// Why a learner's connection is closed.
type Refusal = String;

impl<I: Probe<Observation>> Replica<I> {
    pub(super) fn on_learner_bytes(&mut self, connection: ConnectionId, bytes: &[u8]) {
        let now_ms = self.now.mono_ms;
        if let Some(learner) = self.learner(connection) {
            learner.heard_ms = now_ms;
            learner.decoder.push(bytes);
        }
        // A packet may end the connection or this server's leadership: look it up anew each time.
        while let Some(learner) = self.learner(connection) {
            let handled = match learner.decoder.next_packet() {
                Ok(Some(packet)) => self.on_learner_packet(connection, packet),
                Ok(None) => break,
                Err(error) => Err(error.to_string()),
            };
            if let Err(reason) = handled {
                return self.drop_learner(connection, &reason);
            }
        }
    }

    fn on_learner_packet(
        &mut self,
        connection: ConnectionId,
        packet: QuorumPacket,
    ) -> Result<(), Refusal> {
        let Some(learner) = self.learner(connection) else { return Ok(()) };
        let data = packet.data.as_deref().unwrap_or_default();
        match (learner.phase, packet.kind) {
            (LearnerPhase::AwaitingInfo, PacketKind::FollowerInfo) => {
                let info = LearnerInfo::decode(&mut Reader::new(data)).map_err(describe)?;
                if packet.zxid.epoch().0 == u32::MAX {
                    return Err(format!("server {} has no epoch left", info.server));
                }
                let config = self.ensemble.config_version;
                if info.config_version.is_some_and(|version| version > config as i64) {
                    return Err(format!("server {} has a later configuration", info.server));
                }
                if let Some(learner) = self.learner(connection) {
                    learner.is_damaged = info.extra == DAMAGED;
                }
                self.learner_informs(connection, info.server, packet.zxid.epoch());
            }
            (LearnerPhase::AwaitingEpochAck, PacketKind::AckEpoch) => {
                let EpochAck(current) =
                    EpochAck::decode(&mut Reader::new(data)).map_err(describe)?;
                self.learner_promises(connection, current, packet.zxid);
            }
            (LearnerPhase::AwaitingNewLeaderAck, PacketKind::Ack) => {
                if packet.zxid.counter() != 0 {
                    let what = format!("acknowledged {} before NEWLEADER", packet.zxid);
                    return self.unexpected(what);
                }
                self.learner_synced(connection);
            }
            (LearnerPhase::Synced | LearnerPhase::Active, kind) => {
                self.on_member_packet(connection, kind, packet.zxid, data)?;
            }
            (phase, kind) => {
                return self.unexpected(format!("a learner sent {kind:?} while {phase:?}"));
            }
        }
        Ok(())
    }

    /// A packet of a synchronised learner.
    fn on_member_packet(
        &mut self,
        connection: ConnectionId,
        kind: PacketKind,
        zxid: Zxid,
        data: &[u8],
    ) -> Result<(), Refusal> {
        match kind {
            PacketKind::Ack => self.on_ack(connection, zxid),
            PacketKind::Ping => {
                let touches = SessionTouches::decode(&mut Reader::new(data)).map_err(describe)?;
                self.on_ping_echo(connection, &touches);
            }
            PacketKind::Request => {
                let forwarded =
                    ForwardedRequest::decode(&mut Reader::new(data)).map_err(describe)?;
                self.on_forwarded(connection, &forwarded);
            }
            PacketKind::Revalidate => {
                let asked = from_bytes::<Revalidate>(data).map_err(describe)?;
                self.on_revalidate(connection, asked);
            }
            kind => return self.unexpected(format!("a follower sent {kind:?}")),
        }
        Ok(())
    }

    fn on_ack(&mut self, connection: ConnectionId, zxid: Zxid) {
        let last = self.last_proposed();
        let is_proposal = zxid.counter() != 0;
        always!(self, AcknowledgedWasProposed, !is_proposal || zxid <= last, "{zxid} after {last}");
        let Some(learner) = self.learner(connection) else { return };
        // Counter 0 repeats the acknowledgement of NEWLEADER after UPTODATE.
        if zxid.counter() != 0 && zxid > learner.acked {
            learner.acked = zxid;
            self.commit_what_is_acked();
        }
    }

    fn on_ping_echo(&mut self, connection: ConnectionId, touches: &SessionTouches) {
        let now_ms = self.now.mono_ms;
        let Role::Leading(leader) = &mut self.role else { return };
        if let Some(learner) = leader.learners.get_mut(&connection) {
            learner.echo(now_ms);
        }
        if let Some(tracker) = leader.sessions.as_mut() {
            for (session, _) in &touches.0 {
                tracker.touch(now_ms, *session);
            }
        }
        self.pass_barriers();
    }

    fn on_forwarded(&mut self, connection: ConnectionId, forwarded: &ForwardedRequest) {
        let ForwardedRequest { session, cxid, op, ref body } = *forwarded;
        let now_ms = self.now.mono_ms;
        if let Role::Leading(leader) = &mut self.role
            && let Some(tracker) = leader.sessions.as_mut()
        {
            // The request itself shows that the client lives, before the next ping would.
            tracker.touch(now_ms, session);
        }
        let request = Request::decode_body(op, &mut Reader::new(body));
        match request.ok().filter(is_forwardable) {
            Some(request) => self.submit(Origin::Learner(connection), session, cxid, &request),
            None => self.submit_malformed(session, cxid),
        }
    }

    fn on_revalidate(&mut self, connection: ConnectionId, asked: Revalidate) {
        let now_ms = self.now.mono_ms;
        let Role::Leading(leader) = &mut self.role else { return };
        let Some(tracker) = leader.sessions.as_mut() else { return };
        let origin = Origin::Learner(connection);
        sometimes!(self, SessionMoves, tracker.is_owned_elsewhere(asked.session, origin));
        sometimes!(self, ReturnsToClosing, tracker.is_closing(asked.session));
        // Planted (here and where clients come to the leader itself): a session whose end is under
        // way is taken to be alive.
        let valid = tracker.claim(now_ms, asked.session, origin)
            || I::EVENTS && tracker.is_tracked(asked.session) && planted!(self, Zk1496);
        let mut data = Vec::new();
        Revalidated { session: asked.session, valid }.encode(&mut data);
        let packet = QuorumPacket::with_data(PacketKind::Revalidate, QuorumPacket::NO_ZXID, data);
        self.send_packet(connection, packet);
    }
}

fn describe(error: crate::jute::DecodeError) -> Refusal {
    error.to_string()
}
