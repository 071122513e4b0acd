//! An honest ensemble for tests: one that answers at once and records everything.
//!
//! Tests run a few operations on it and then tamper with the history that it recorded.

use std::collections::BTreeMap;

use super::tree::Tree;
use super::watch_once::{WatchKind, registered};
use super::{
    Claims, ClientId, Commit, CommitKind, CreateMode, Cxid, Data, ErrorCode, MultiOp, MultiResult,
    Outcome, Request, Response, SessionEvent, SessionEventKind, SessionId, Stat, WatchEvent,
    WatchEventKind, ZHistory, ZOperation, Zxid,
};

impl From<&str> for Data {
    fn from(text: &str) -> Data {
        Data::text(text)
    }
}

pub(crate) struct Ensemble {
    tree: Tree,
    zxid: u64,
    now_ns: u64,
    sequence: u64,
    cxid: i32,
    clients: BTreeMap<SessionId, ClientId>,
    watches: Vec<(SessionId, String, WatchKind)>,
    history: ZHistory,
}

impl Ensemble {
    pub(crate) const TIMEOUT_MS: u64 = 4_000;

    pub(crate) fn new() -> Ensemble {
        let history =
            ZHistory { commits: Some(Vec::new()), claims: Claims::default(), ..Default::default() };
        Ensemble {
            tree: Tree::new(),
            zxid: 0,
            now_ns: 0,
            sequence: 0,
            cxid: 0,
            clients: BTreeMap::new(),
            watches: Vec::new(),
            history,
        }
    }

    pub(crate) fn into_history(self) -> ZHistory {
        self.history
    }

    fn tick(&mut self) -> u64 {
        self.now_ns += 1_000_000;
        self.sequence += 1;
        self.now_ns
    }

    fn commit(&mut self, session: SessionId, cxid: Cxid, kind: CommitKind) -> Zxid {
        self.zxid += 1;
        let zxid = Zxid(self.zxid);
        self.history.commits.as_mut().unwrap().push(Commit { zxid, session, cxid, kind });
        zxid
    }

    pub(crate) fn session(&mut self, client: u32) -> SessionId {
        let session = SessionId(0x100 + self.clients.len() as i64);
        self.clients.insert(session, ClientId(client));
        self.commit(session, Cxid(0), CommitKind::CreateSession);
        self.session_event(session, SessionEventKind::Created { timeout_ms: Self::TIMEOUT_MS });
        session
    }

    pub(crate) fn session_event(&mut self, session: SessionId, kind: SessionEventKind) {
        let at_ns = self.tick();
        self.history.sessions.push(SessionEvent {
            client: self.clients[&session],
            session,
            kind,
            server: Some("n1".to_owned()),
            at_ns,
            sequence: self.sequence,
        });
    }

    pub(crate) fn wait_ms(&mut self, ms: u64) {
        self.now_ns += ms * 1_000_000;
    }

    pub(crate) fn close(&mut self, session: SessionId) {
        let zxid = self.end(session);
        self.session_event(session, SessionEventKind::Closed { zxid: Some(zxid) });
    }

    pub(crate) fn expire(&mut self, session: SessionId) {
        self.end(session);
        self.session_event(session, SessionEventKind::Expired);
    }

    fn end(&mut self, session: SessionId) -> Zxid {
        let zxid = self.commit(session, Cxid(0), CommitKind::CloseSession);
        self.watches.retain(|watch| watch.0 != session);
        self.tree.close(session, zxid);
        self.fire();
        zxid
    }

    /// The ensemble forgets a write to the data of a znode.
    pub(crate) fn tree_forgets_data(&mut self, path: &str, data: &str, version: i32) {
        let stat = Stat { version: version - 1, ..self.tree.stat(path).unwrap() };
        let back = MultiOp::SetData { path: path.to_owned(), data: data.into(), version: -1 };
        let stat = Stat { version: stat.version + 1, ..stat };
        self.tree.force(&back, &MultiResult::Set { stat }, SessionId(0), stat.mzxid);
        self.tree.take_changes();
    }

    pub(crate) fn create(
        &mut self,
        s: SessionId,
        path: &str,
        data: &str,
        mode: CreateMode,
    ) -> usize {
        self.run(s, Request::Create { path: path.to_owned(), data: data.into(), mode }, false)
    }

    pub(crate) fn delete(&mut self, s: SessionId, path: &str, version: i32) -> usize {
        self.run(s, Request::Delete { path: path.to_owned(), version }, false)
    }

    pub(crate) fn set(&mut self, s: SessionId, path: &str, data: &str, version: i32) -> usize {
        let request = Request::SetData { path: path.to_owned(), data: data.into(), version };
        self.run(s, request, false)
    }

    pub(crate) fn multi(&mut self, s: SessionId, ops: Vec<MultiOp>) -> usize {
        self.run(s, Request::Multi { ops }, false)
    }

    pub(crate) fn get(&mut self, s: SessionId, path: &str) -> usize {
        self.run(s, Request::GetData { path: path.to_owned() }, false)
    }

    pub(crate) fn exists(&mut self, s: SessionId, path: &str) -> usize {
        self.run(s, Request::Exists { path: path.to_owned() }, false)
    }

    pub(crate) fn children(&mut self, s: SessionId, path: &str) -> usize {
        self.run(s, Request::GetChildren2 { path: path.to_owned() }, false)
    }

    pub(crate) fn sync(&mut self, s: SessionId, path: &str) -> usize {
        self.run(s, Request::Sync { path: path.to_owned() }, false)
    }

    pub(crate) fn watch_get(&mut self, s: SessionId, path: &str) -> usize {
        self.run(s, Request::GetData { path: path.to_owned() }, true)
    }

    pub(crate) fn watch_exists(&mut self, s: SessionId, path: &str) -> usize {
        self.run(s, Request::Exists { path: path.to_owned() }, true)
    }

    pub(crate) fn watch_children(&mut self, s: SessionId, path: &str) -> usize {
        self.run(s, Request::GetChildren2 { path: path.to_owned() }, true)
    }

    pub(crate) fn run(&mut self, session: SessionId, request: Request, watch: bool) -> usize {
        let invoke_ns = self.tick();
        let invoke_sequence = self.sequence;
        self.cxid += 1;
        let cxid = Cxid(self.cxid);
        let outcome = if request.is_write() {
            let zxid = self.commit(session, cxid, CommitKind::Operation);
            let outcome = self.write(session, &request, zxid);
            self.fire();
            outcome
        } else {
            self.read(&request)
        };
        let complete_ns = Some(self.tick());
        let operation = ZOperation {
            client: self.clients[&session],
            session,
            cxid,
            request,
            watch,
            invoke_ns,
            complete_ns,
            outcome,
            zxid: Some(Zxid(self.zxid)),
            invoke_sequence,
            sequence: self.sequence,
        };
        if let Some((path, kind)) = registered(&operation) {
            self.watches.push((session, path.to_owned(), kind));
        }
        self.history.operations.push(operation);
        self.history.operations.len() - 1
    }

    fn write(&mut self, session: SessionId, request: &Request, zxid: Zxid) -> Outcome {
        let is_multi = matches!(request, Request::Multi { .. });
        match self.tree.apply(&request.parts(), session, zxid) {
            Ok(mut results) => {
                for result in &mut results {
                    if let MultiResult::Created { stat: Some(stat), .. }
                    | MultiResult::Set { stat } = result
                    {
                        *stat = timed(*stat);
                    }
                }
                if is_multi {
                    return Outcome::Ok(Response::Multi { results });
                }
                Outcome::Ok(match results.remove(0) {
                    MultiResult::Created { path, stat } => Response::Created { path, stat },
                    MultiResult::Set { stat } => Response::Set { stat },
                    _ => Response::Deleted,
                })
            }
            Err(errors) if is_multi => {
                let results = errors.into_iter().map(MultiResult::Error).collect();
                Outcome::Ok(Response::Multi { results })
            }
            Err(errors) => Outcome::Error(errors[0]),
        }
    }

    fn read(&self, request: &Request) -> Outcome {
        let path = request.path().unwrap();
        if matches!(request, Request::Sync { .. }) {
            return Outcome::Ok(Response::Synced);
        }
        let Some(znode) = self.tree.get(path) else { return Outcome::Error(ErrorCode::NO_NODE) };
        let stat = timed(self.tree.stat(path).unwrap());
        Outcome::Ok(match request {
            Request::Exists { .. } => Response::Exists { stat },
            Request::GetData { .. } => Response::Data { data: znode.data.clone(), stat },
            _ => Response::Children { children: znode.children.iter().cloned().collect(), stat },
        })
    }

    fn fire(&mut self) {
        for change in self.tree.take_changes() {
            let fires = |watch: &(SessionId, String, WatchKind)| {
                watch.1 == change.path && watch.2.is_fired_by(change.kind)
            };
            let mut fired: Vec<SessionId> =
                self.watches.iter().filter(|watch| fires(watch)).map(|watch| watch.0).collect();
            fired.sort_unstable();
            fired.dedup();
            self.watches.retain(|watch| !fires(watch));
            fired.into_iter().for_each(|session| self.event(session, &change.path, change.kind));
        }
    }

    fn event(&mut self, session: SessionId, path: &str, kind: WatchEventKind) {
        let at_ns = self.tick();
        self.history.watches.push(WatchEvent {
            client: self.clients[&session],
            session,
            kind,
            path: path.to_owned(),
            zxid: Some(Zxid(self.zxid)),
            at_ns,
            sequence: self.sequence,
        });
    }
}

/// The leader's clock at a transaction, as good as any.
fn timed(stat: Stat) -> Stat {
    let clock = |zxid: Zxid| 1_700_000_000_000 + zxid.0 as i64 * 7;
    Stat { ctime_ms: clock(stat.czxid), mtime_ms: clock(stat.mzxid), ..stat }
}
