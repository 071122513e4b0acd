//! Requests that the tree of this server answers, and the watches that they leave.

use bytes::Bytes;

use crate::error::Code;
use crate::ids::ConnectionId;
use crate::limits;
use crate::observation::Observation;
use crate::path;
use crate::pipeline::client::reply_packet;
use crate::tree::{WatchKind, WatchedPaths};
use crate::wire::client::{
    EventType, MultiResult, ReadOp, Request, Response, WatcherEvent, encode_event,
};
use crate::{planted, sometimes};
use probe::Probe;

use super::Replica;

impl<I: Probe<Observation>> Replica<I> {
    pub(super) fn answer_read(&mut self, connection: ConnectionId, xid: i32, request: &Request) {
        let zxid = self.applied();
        let (code, response) = match self.read(connection, request) {
            Ok(response) => (Code::Ok, response),
            Err(code) => (code, Response::Empty),
        };
        self.send(connection, reply_packet(xid, zxid, code, &response));
    }

    fn read(&mut self, connection: ConnectionId, request: &Request) -> Result<Response, Code> {
        match request {
            Request::Ping => Ok(Response::Empty),
            Request::Exists { path, watch } => self.exists(connection, path, *watch),
            Request::GetData { path, watch } => {
                let response = self.get_data(path)?;
                self.watch(connection, WatchKind::Data, path, *watch)?;
                Ok(response)
            }
            Request::GetChildren { path, watch } => {
                let (children, _) = self.children(path)?;
                self.watch(connection, WatchKind::Child, path, *watch)?;
                Ok(Response::Children(children))
            }
            Request::GetChildren2 { path, watch } => {
                let (children, stat) = self.children(path)?;
                self.watch(connection, WatchKind::Child, path, *watch)?;
                Ok(Response::ChildrenStat { children, stat })
            }
            Request::GetAcl { path } => {
                let stat = self.stat(path)?;
                let acl = self.tree.acl(path).ok_or(Code::NoNode)?.to_vec();
                Ok(Response::AclStat { acl, stat })
            }
            Request::GetAllChildrenNumber { path } => {
                self.stat(path)?;
                Ok(Response::Count(self.tree.descendants(path) as i32))
            }
            Request::GetEphemerals { prefix } => self.own_ephemerals(connection, prefix),
            Request::MultiRead(ops) => {
                let results = ops.iter().map(|op| self.read_part(op)).collect();
                Ok(Response::Multi(results))
            }
            Request::SetWatches { relative_zxid, data, exist, child } => {
                let wanted = data.len() + exist.len() + child.len();
                if self.watches.connection_len(connection) + wanted > limits::WATCHES_MAX {
                    return Err(Code::SystemError);
                }
                let paths = WatchedPaths { data, exist, child };
                let mut seen = *relative_zxid;
                if seen < self.applied() && planted!(self, Zk1412) {
                    // Planted: the client is taken to have seen all that this server has.
                    seen = self.applied();
                }
                let missed = self.watches.set_watches(seen, paths, connection, &self.tree);
                sometimes!(self, WatchMissed, !missed.is_empty());
                for event in missed {
                    self.send_event(connection, event.kind, &event.path);
                }
                Ok(Response::Empty)
            }
            _ => Err(Code::Unimplemented),
        }
    }

    /// A watch is left also where there is no node: that is how clients wait for one.
    fn exists(
        &mut self,
        connection: ConnectionId,
        path: &str,
        watch: bool,
    ) -> Result<Response, Code> {
        let stat = self.stat(path);
        if stat != Err(Code::BadArguments) {
            self.watch(connection, WatchKind::Exists, path, watch)?;
        }
        Ok(Response::Stat(stat?))
    }

    fn get_data(&self, path: &str) -> Result<Response, Code> {
        path::validate(path, false).map_err(|_| Code::BadArguments)?;
        let node = self.tree.get(path).ok_or(Code::NoNode)?;
        Ok(Response::DataStat { data: node.data().clone(), stat: node.stat() })
    }

    fn children(&self, path: &str) -> Result<(Vec<String>, crate::record::Stat), Code> {
        let stat = self.stat(path)?;
        let children = self.tree.children(path).ok_or(Code::NoNode)?;
        Ok((children.map(str::to_owned).collect(), stat))
    }

    fn stat(&self, path: &str) -> Result<crate::record::Stat, Code> {
        path::validate(path, false).map_err(|_| Code::BadArguments)?;
        Ok(self.tree.get(path).ok_or(Code::NoNode)?.stat())
    }

    fn own_ephemerals(&mut self, connection: ConnectionId, prefix: &str) -> Result<Response, Code> {
        let session = self.clients.get(connection).map(|client| client.session);
        let session = session.ok_or(Code::SessionExpired)?;
        let paths = self.tree.ephemerals(session).filter(|path| path.starts_with(prefix));
        Ok(Response::Paths(paths.map(str::to_owned).collect()))
    }

    fn read_part(&self, op: &ReadOp) -> MultiResult {
        let result = match op {
            ReadOp::GetData { path } => self.get_data(path).map(|response| match response {
                Response::DataStat { data, stat } => MultiResult::Data { data, stat },
                _ => MultiResult::Error(Code::RuntimeInconsistency),
            }),
            ReadOp::GetChildren { path } => {
                self.children(path).map(|(children, _)| MultiResult::Children { children })
            }
        };
        result.unwrap_or_else(MultiResult::Error)
    }

    fn watch(
        &mut self,
        connection: ConnectionId,
        kind: WatchKind,
        path: &str,
        wanted: bool,
    ) -> Result<(), Code> {
        if wanted {
            if self.watches.connection_len(connection) >= limits::WATCHES_MAX {
                return Err(Code::SystemError);
            }
            self.watches.add(kind, path, connection);
        }
        Ok(())
    }

    /// Tells a client of a change, before any answer that shows it.
    pub(super) fn send_event(&mut self, connection: ConnectionId, kind: EventType, path: &str) {
        let mut packet = Vec::with_capacity(48 + path.len());
        encode_event(self.applied(), &WatcherEvent::new(kind, path), &mut packet);
        self.send(connection, Bytes::from(packet));
    }
}
