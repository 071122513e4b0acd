//! From what a run left behind to the history that the checker judges.
//!
//! The clients' side is carried over word for word. The list of commits comes from the servers:
//! every transaction that any of them delivered and that changed something, once.

use std::collections::BTreeMap;

use crate::record::{
    ClientOperation, ClientOutcome, ClientSessionEvent, ClientWatchEvent, RunRecord, SessionChange,
};
use crate::znode::{
    Claims, ClientId, Commit, CommitKind, CreateMode, Cxid, Data, ErrorCode, FastClock, MultiOp,
    MultiResult, Outcome, Request, Response, SessionEvent, SessionEventKind, SessionId, Stat,
    WatchEvent, WatchEventKind, ZHistory, ZOperation, Zxid,
};
use harness::record::MonotonicDrift;
use keeper_core::observation::Observation;
use keeper_core::record as wire_record;
use keeper_core::wire::client as wire;

/// The history of a run. Requests that were never sent are left out, and so are those that speak of
/// the connection and not of the tree.
pub fn history(record: &RunRecord) -> ZHistory {
    ZHistory {
        operations: record.history.operations.iter().filter_map(operation).collect(),
        sessions: record.history.sessions.iter().map(session_event).collect(),
        watches: record.history.watches.iter().filter_map(watch_event).collect(),
        commits: known_commits(record),
        claims: Claims { sync_is_barrier: true, fast_clocks: fast_clocks(record) },
    }
}

/// Servers whose monotonic clocks, by which sessions expire, ran fast.
fn fast_clocks(record: &RunRecord) -> Vec<FastClock> {
    let is_fast = |drift: &&MonotonicDrift| drift.host.starts_with('n') && drift.ppm > 0;
    let fast = record.monotonic_drifts.iter().filter(is_fast);
    fast.map(|drift| FastClock {
        from_ns: drift.from_ns,
        to_ns: drift.to_ns.unwrap_or(u64::MAX),
        ppm: drift.ppm.unsigned_abs(),
    })
    .collect()
}

/// Every transaction that was delivered anywhere; none if the list cannot place every write.
pub(crate) fn known_commits(record: &RunRecord) -> Option<Vec<Commit>> {
    every_request_is_named(record).then(|| commits(record))
}

/// Whether the list of commits can place every unanswered write: in a run that was cut off, some
/// requests were under way of which nobody knows the number.
fn every_request_is_named(record: &RunRecord) -> bool {
    let is_nameless = |operation: &&ClientOperation| {
        operation.xid == 0 && operation.outcome == ClientOutcome::Unknown
    };
    !record
        .history
        .operations
        .iter()
        .filter(is_nameless)
        .any(|operation| is_write(&operation.request))
}

/// Whether a request can change the tree.
pub(crate) fn is_write(request: &wire::Request) -> bool {
    self::request(request).is_some_and(|(request, _)| request.is_write())
}

fn operation(operation: &ClientOperation) -> Option<ZOperation> {
    let (request, watch) = request(&operation.request)?;
    let (outcome, zxid) = match &operation.outcome {
        ClientOutcome::NotSent => return None,
        ClientOutcome::Unknown => (Outcome::Unknown, None),
        ClientOutcome::Error { zxid, code } => {
            (Outcome::Error(ErrorCode(code.to_wire())), Some(Zxid(zxid.0)))
        }
        ClientOutcome::Ok { zxid, response } => {
            let response = answer(&request, response)?;
            (Outcome::Ok(response), Some(Zxid(zxid.0)))
        }
    };
    Some(ZOperation {
        client: ClientId(operation.client),
        session: SessionId(operation.session.0),
        cxid: Cxid(operation.xid),
        request,
        watch,
        invoke_ns: operation.invoke_ns,
        complete_ns: operation.complete_ns,
        outcome,
        zxid,
        invoke_sequence: operation.invoke_sequence,
        sequence: operation.sequence,
    })
}

/// The request and whether it leaves a watch; none if the checker's model has nothing like it.
fn request(request: &wire::Request) -> Option<(Request, bool)> {
    Some(match request {
        wire::Request::Create(create) => {
            let (path, data, mode) = (create.path.clone(), data(&create.data), mode(create)?);
            (Request::Create { path, data, mode }, false)
        }
        wire::Request::Delete { path, version } => {
            (Request::Delete { path: path.clone(), version: *version }, false)
        }
        wire::Request::SetData { path, data: bytes, version } => {
            let (path, data, version) = (path.clone(), data(bytes), *version);
            (Request::SetData { path, data, version }, false)
        }
        wire::Request::Exists { path, watch } => (Request::Exists { path: path.clone() }, *watch),
        wire::Request::GetData { path, watch } => (Request::GetData { path: path.clone() }, *watch),
        wire::Request::GetChildren2 { path, watch } => {
            (Request::GetChildren2 { path: path.clone() }, *watch)
        }
        wire::Request::Sync { path } => (Request::Sync { path: path.clone() }, false),
        wire::Request::Multi(parts) => {
            let ops = parts.iter().map(part).collect::<Option<Vec<_>>>()?;
            (Request::Multi { ops }, false)
        }
        _ => return None,
    })
}

fn part(part: &wire::MultiOp) -> Option<MultiOp> {
    Some(match part {
        wire::MultiOp::Create(create) => MultiOp::Create {
            path: create.path.clone(),
            data: data(&create.data),
            mode: mode(create)?,
        },
        wire::MultiOp::Delete { path, version } => {
            MultiOp::Delete { path: path.clone(), version: *version }
        }
        wire::MultiOp::SetData { path, data: bytes, version } => {
            MultiOp::SetData { path: path.clone(), data: data(bytes), version: *version }
        }
        wire::MultiOp::Check { path, version } => {
            MultiOp::Check { path: path.clone(), version: *version }
        }
        wire::MultiOp::CreateContainer(_) | wire::MultiOp::CreateTtl { .. } => return None,
    })
}

fn mode(create: &wire::CreateRequest) -> Option<CreateMode> {
    Some(match create.mode()? {
        wire::CreateMode::Persistent => CreateMode::Persistent,
        wire::CreateMode::Ephemeral => CreateMode::Ephemeral,
        wire::CreateMode::PersistentSequential => CreateMode::PersistentSequential,
        wire::CreateMode::EphemeralSequential => CreateMode::EphemeralSequential,
        wire::CreateMode::Container
        | wire::CreateMode::PersistentWithTtl
        | wire::CreateMode::PersistentSequentialWithTtl => return None,
    })
}

/// An answer in the checker's words; which one it is follows from the request.
fn answer(request: &Request, response: &wire::Response) -> Option<Response> {
    Some(match (request, response) {
        (Request::Create { .. }, wire::Response::Path(path)) => {
            Response::Created { path: path.clone(), stat: None }
        }
        (Request::Create { .. }, wire::Response::PathStat { path, stat: created }) => {
            Response::Created { path: path.clone(), stat: Some(stat(created)) }
        }
        (Request::Delete { .. }, wire::Response::Empty) => Response::Deleted,
        (Request::Exists { .. }, wire::Response::Stat(seen)) => {
            Response::Exists { stat: stat(seen) }
        }
        (Request::SetData { .. }, wire::Response::Stat(set)) => Response::Set { stat: stat(set) },
        (Request::GetData { .. }, wire::Response::DataStat { data: bytes, stat: seen }) => {
            Response::Data { data: data(bytes), stat: stat(seen) }
        }
        (Request::GetChildren2 { .. }, wire::Response::ChildrenStat { children, stat: seen }) => {
            Response::Children { children: children.clone(), stat: stat(seen) }
        }
        (Request::Sync { .. }, wire::Response::Path(_)) => Response::Synced,
        (Request::Multi { .. }, wire::Response::Multi(results)) => {
            let results = results.iter().map(result).collect::<Option<Vec<_>>>()?;
            Response::Multi { results }
        }
        _ => return None,
    })
}

fn result(result: &wire::MultiResult) -> Option<MultiResult> {
    Some(match result {
        wire::MultiResult::Create { path } => {
            MultiResult::Created { path: path.clone(), stat: None }
        }
        wire::MultiResult::Create2 { path, stat: created } => {
            MultiResult::Created { path: path.clone(), stat: Some(stat(created)) }
        }
        wire::MultiResult::SetData { stat: set } => MultiResult::Set { stat: stat(set) },
        wire::MultiResult::Delete => MultiResult::Deleted,
        wire::MultiResult::Check => MultiResult::Checked,
        wire::MultiResult::Error(code) => MultiResult::Error(ErrorCode(code.to_wire())),
        wire::MultiResult::Data { .. } | wire::MultiResult::Children { .. } => return None,
    })
}

/// The checker does not tell null from empty data, and no workload writes either.
fn data(data: &wire_record::Data) -> Data {
    Data(data.as_deref().unwrap_or_default().to_vec())
}

fn stat(stat: &wire_record::Stat) -> Stat {
    Stat {
        czxid: Zxid(stat.czxid.0),
        mzxid: Zxid(stat.mzxid.0),
        ctime_ms: stat.ctime_ms,
        mtime_ms: stat.mtime_ms,
        version: stat.version,
        cversion: stat.cversion,
        aversion: stat.aversion,
        ephemeral_owner: stat.ephemeral_owner,
        data_length: stat.data_length,
        num_children: stat.num_children,
        pzxid: Zxid(stat.pzxid.0),
    }
}

fn session_event(event: &ClientSessionEvent) -> SessionEvent {
    let kind = match event.kind {
        SessionChange::Created { timeout_ms } => SessionEventKind::Created { timeout_ms },
        SessionChange::Disconnected => SessionEventKind::Disconnected,
        SessionChange::Reconnected => SessionEventKind::Reconnected,
        SessionChange::Expired => SessionEventKind::Expired,
        SessionChange::Closed { zxid } => SessionEventKind::Closed { zxid: Some(Zxid(zxid.0)) },
        SessionChange::CloseUnknown => SessionEventKind::CloseUnknown,
    };
    SessionEvent {
        client: ClientId(event.client),
        session: SessionId(event.session.0),
        kind,
        server: event.server.clone(),
        at_ns: event.at_ns,
        sequence: event.sequence,
    }
}

fn watch_event(event: &ClientWatchEvent) -> Option<WatchEvent> {
    let kind = match event.kind {
        wire::EventType::NodeCreated => WatchEventKind::NodeCreated,
        wire::EventType::NodeDeleted => WatchEventKind::NodeDeleted,
        wire::EventType::NodeDataChanged => WatchEventKind::NodeDataChanged,
        wire::EventType::NodeChildrenChanged => WatchEventKind::NodeChildrenChanged,
        wire::EventType::None
        | wire::EventType::DataWatchRemoved
        | wire::EventType::ChildWatchRemoved
        | wire::EventType::PersistentWatchRemoved => return None,
    };
    Some(WatchEvent {
        client: ClientId(event.client),
        session: SessionId(event.session.0),
        kind,
        path: event.path.clone(),
        zxid: event.zxid.map(|zxid| Zxid(zxid.0)),
        at_ns: event.at_ns,
        sequence: event.sequence,
    })
}

/// Every transaction that was delivered anywhere, in order.
///
/// The end of a session is told by the server right behind its delivery. Of the others only the
/// beginnings of sessions have no request number: clients count theirs from 1. A request that was
/// refused holds its position too, but changes nothing: it is left out, so that an unanswered one
/// does not pass for a write that took effect.
fn commits(record: &RunRecord) -> Vec<Commit> {
    let mut commits: BTreeMap<u64, Commit> = BTreeMap::new();
    // Where each server is in the order.
    let mut places: BTreeMap<u32, u64> = BTreeMap::new();
    for observed in &record.observations {
        let place = places.entry(observed.server).or_default();
        match observed.observation {
            Observation::Recovered { snapshot: zxid, .. } | Observation::Replaced { zxid, .. } => {
                *place = zxid.0;
            }
            Observation::Delivered { zxid, is_change, session, cxid, .. } => {
                *place = zxid.0;
                let kind = match cxid {
                    0 => CommitKind::CreateSession,
                    _ if !is_change => continue,
                    _ => CommitKind::Operation,
                };
                let (session, cxid) = (SessionId(session.0), Cxid(cxid));
                let commit = Commit { zxid: Zxid(zxid.0), session, cxid, kind };
                commits.entry(zxid.0).or_insert(commit);
            }
            Observation::SessionClosed { session, .. } => {
                let (zxid, session, kind) =
                    (Zxid(*place), SessionId(session.0), CommitKind::CloseSession);
                let commit = Commit { zxid, session, cxid: Cxid(0), kind };
                commits.insert(*place, commit);
            }
            _ => {}
        }
    }
    commits.into_values().collect()
}

#[cfg(test)]
mod tests {
    use keeper_core::error::Code;
    use keeper_core::ids;

    use super::*;
    use crate::property::testing::{Script, zxid};

    fn sent(request: wire::Request, outcome: ClientOutcome) -> ClientOperation {
        ClientOperation {
            client: 2,
            planned: 0,
            session: ids::SessionId(7),
            xid: 3,
            request,
            invoke_ns: 10,
            complete_ns: Some(20),
            outcome,
            invoke_sequence: 5,
            sequence: 6,
        }
    }

    fn create(flags: i32) -> wire::CreateRequest {
        let data = Some("x".into());
        wire::CreateRequest { path: "/a".into(), data, acl: vec![], flags, want_stat: true }
    }

    #[test]
    fn a_create_keeps_its_mode_and_its_stat() {
        let stat = wire_record::Stat { version: 4, ..wire_record::Stat::default() };
        let response = wire::Response::PathStat { path: "/a0000000001".into(), stat };
        let outcome = ClientOutcome::Ok { zxid: zxid(1, 9), response };
        let converted = operation(&sent(wire::Request::Create(create(3)), outcome)).unwrap();
        assert!(matches!(
            &converted.request,
            Request::Create { mode: CreateMode::EphemeralSequential, .. }
        ));
        assert!(matches!(
            &converted.outcome,
            Outcome::Ok(Response::Created { stat: Some(stat), .. }) if stat.version == 4
        ));
        assert_eq!(converted.zxid, Some(Zxid(zxid(1, 9).0)));
        assert_eq!((converted.invoke_sequence, converted.sequence), (5, 6));
    }

    #[test]
    fn fast_clocks_of_servers_are_told() {
        let drift = |host: &str, ppm| MonotonicDrift {
            planned: 0,
            host: host.to_owned(),
            ppm,
            from_ns: 5,
            to_ns: Some(9),
        };
        let mut record = Script::new().record();
        record.monotonic_drifts = vec![drift("n1", 700), drift("n2", -700), drift("c1", 700)];
        let fast = FastClock { from_ns: 5, to_ns: 9, ppm: 700 };
        assert_eq!(history(&record).claims.fast_clocks, [fast]);
    }

    #[test]
    fn what_was_not_sent_is_left_out_and_what_was_lost_is_unknown() {
        let request = || wire::Request::Exists { path: "/a".into(), watch: true };
        assert_eq!(operation(&sent(request(), ClientOutcome::NotSent)), None);
        let lost = operation(&sent(request(), ClientOutcome::Unknown)).unwrap();
        assert_eq!((lost.outcome, lost.zxid, lost.watch), (Outcome::Unknown, None, true));
        let close = wire::Request::CloseSession;
        assert_eq!(operation(&sent(close, ClientOutcome::Unknown)), None);
    }

    #[test]
    fn a_failed_multi_is_an_answer_with_error_results() {
        let parts = vec![
            wire::MultiOp::Check { path: "/a".into(), version: 1 },
            wire::MultiOp::Create(create(0)),
        ];
        let results = vec![
            wire::MultiResult::Error(Code::BadVersion),
            wire::MultiResult::Error(Code::RuntimeInconsistency),
        ];
        let response = wire::Response::Multi(results);
        let outcome = ClientOutcome::Ok { zxid: zxid(1, 1), response };
        let converted = operation(&sent(wire::Request::Multi(parts), outcome)).unwrap();
        let bad_version = MultiResult::Error(ErrorCode::BAD_VERSION);
        assert!(matches!(
            &converted.outcome,
            Outcome::Ok(Response::Multi { results }) if results[0] == bad_version
        ));
        assert_eq!(converted.committed_zxid(), None);
    }

    #[test]
    fn commits_are_every_change_once_with_their_kinds() {
        let session = ids::SessionId(7);
        let delivered = |counter, cxid, is_change| {
            let (zxid, hash, digest) = (zxid(1, counter), 0, 0);
            Observation::Delivered { zxid, hash, digest, is_change, session, cxid }
        };
        let closed = Observation::SessionClosed { session, ephemerals_left: 0 };
        let script = (1..=2).fold(Script::new(), |script, server| {
            script
                .see(server, delivered(1, 0, true))
                .see(server, delivered(2, 4, true))
                .see(server, delivered(3, 5, false))
                .see(server, delivered(4, 6, true))
                .see(server, closed.clone())
                .see(server, delivered(5, 0, true))
                .see(server, closed.clone())
        });
        let found: Vec<(u64, CommitKind)> = commits(&script.record())
            .iter()
            .map(|commit| (commit.zxid.0 & 0xff, commit.kind))
            .collect();
        use CommitKind::{CloseSession, CreateSession, Operation};
        let expected = [(1, CreateSession), (2, Operation), (4, CloseSession), (5, CloseSession)];
        assert_eq!(found, expected, "3 was refused");
    }
}
