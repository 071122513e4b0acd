//! What the machines ask for is noted in the trace and sent on its way.

use bytes::Bytes;
use keeper_core::effect::{DiskOp, Effect};
use keeper_core::event::{DiskToken, Event};
use keeper_core::ids::{ConnectionId, ServerId};

use super::{Flight, Host, Lane, What, World};
use crate::disk::op_text;
use crate::text::vote_text;

impl World {
    pub(super) fn perform(&mut self, server: u64, effects: Vec<Effect>) {
        let me = Host::Server(server);
        for effect in effects {
            match effect {
                Effect::Notify { to, notification } => {
                    self.note(format!("n{server} -> n{to} {}", vote_text(&notification)));
                    let event = Event::Election { from: ServerId(server), notification };
                    if !self.is_cut(me, to.0) {
                        self.fly_in(Lane::Votes, me, to.0, event);
                    }
                }
                Effect::ConnectLeader { connection, leader, .. } => {
                    self.note(format!("n{server} -> n{leader} connects"));
                    let what = What::Connect(connection);
                    let lane = Lane::Packets;
                    self.flights.push_back(Flight { lane, from: me, to: leader.0, what });
                }
                Effect::Send { connection, bytes } => self.send(server, connection, bytes),
                Effect::ReportDrained { connection } => {
                    self.fly(me, server, Event::Drained { connection });
                }
                Effect::Read { connection, on } => {
                    let peer = self.ends[&(server, connection)].peer;
                    self.note(format!("n{server} reads from {peer}: {on}"));
                }
                Effect::Close { connection } => self.close(server, connection),
                Effect::Disk { token, op } => self.disk(server, token, op),
                Effect::Fatal { reason } => self.note(format!("n{server} FATAL: {reason}")),
                Effect::Log { message, session, .. } => {
                    let session = session.map(|session| format!(" ({session})"));
                    self.note(format!("n{server}: {message}{}", session.unwrap_or_default()));
                }
            }
        }
    }

    fn send(&mut self, server: u64, connection: ConnectionId, bytes: Bytes) {
        let Some(end) = self.ends.get_mut(&(server, connection)) else { return };
        let (peer, peer_connection) = (end.peer, end.peer_connection);
        let lines = match peer {
            Host::Client(client) => {
                let client = self.clients.get_mut(&client).unwrap();
                client.receive(&bytes, &mut self.names)
            }
            Host::Server(to) => {
                let event = Event::Bytes { connection: peer_connection, bytes: bytes.clone() };
                let lines = end.sent.read(&bytes, &mut self.names);
                self.fly(Host::Server(server), to, event);
                lines
            }
        };
        for line in lines {
            if self.shows_pings || !line.starts_with("PING") {
                self.note(format!("n{server} -> {peer} {line}"));
            }
        }
    }

    fn close(&mut self, server: u64, connection: ConnectionId) {
        let Some(end) = self.ends.remove(&(server, connection)) else { return };
        self.note(format!("n{server} -> {} closes", end.peer));
        if let Host::Server(to) = end.peer {
            let connection = end.peer_connection;
            self.fly(Host::Server(server), to, Event::Closed { connection });
        }
    }

    fn disk(&mut self, server: u64, token: DiskToken, op: DiskOp) {
        self.note(format!("n{server} disk {}", op_text(&op)));
        let disk = self.disks.get_mut(&server).unwrap();
        disk.queue(token, op);
        if !disk.held {
            let from = Host::Server(server);
            let lane = Lane::Packets;
            self.flights.push_back(Flight { lane, from, to: server, what: What::Sync });
        }
    }
}
