//! Every property of a ZooKeeper history, in the order in which to read their failures.

use std::fmt;

use checker::Verdict;

use super::ZHistory;
use super::{
    ephemerals, fifo, read_your_writes, reads, sequential, session_zxid, single_znode, sync_read,
    watch_complete, watch_once, watch_order, witness,
};

/// A property's short name, the same as in its explanations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PropertyName(pub &'static str);

impl fmt::Display for PropertyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// Checks everything that the history claims. A property that it does not claim is left out.
pub fn check_all(history: &ZHistory) -> Vec<(PropertyName, Verdict)> {
    let mut verdicts = vec![
        (PropertyName("write linearizability"), witness::check(history)),
        (PropertyName("reads at their zxid"), reads::check(history)),
        (PropertyName("FIFO client order"), fifo::check(history)),
        (PropertyName("single system image"), session_zxid::check(history)),
        (PropertyName("read your writes"), read_your_writes::check(history)),
        (PropertyName("watch order"), watch_order::check(history)),
        (PropertyName("one-shot watches"), watch_once::check(history)),
        (PropertyName("watch completeness"), watch_complete::check(history)),
        (PropertyName("ephemerals"), ephemerals::check(history)),
        (PropertyName("sequential names"), sequential::check(history)),
        (PropertyName("linearizability"), single_znode::check(history)),
    ];
    if history.claims.sync_is_barrier {
        verdicts.push((PropertyName("sync then read"), sync_read::check(history)));
    }
    verdicts
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::znode::testing::Ensemble;
    use crate::znode::{CreateMode, MultiOp, Outcome, Request, SessionEventKind, SessionId};

    #[derive(Debug, Clone)]
    enum Action {
        Request { session: usize, request: Request, watch: bool, is_lost: bool },
        Close(usize),
        Expire(usize),
    }

    fn path() -> impl Strategy<Value = String> {
        prop::sample::select(vec!["/a", "/b", "/a/x", "/a/y", "/a/s-", "/a/s-0000000001"])
            .prop_map(str::to_owned)
    }

    fn part() -> impl Strategy<Value = MultiOp> {
        use CreateMode::{Ephemeral, EphemeralSequential, Persistent, PersistentSequential};
        let modes =
            vec![Persistent, Persistent, Ephemeral, EphemeralSequential, PersistentSequential];
        let version = || prop::sample::select(vec![-1, -1, 0, 1]);
        let data = || "[a-c]".prop_map(|text| text.as_str().into());
        prop_oneof![
            4 => (path(), data(), prop::sample::select(modes))
                .prop_map(|(path, data, mode)| MultiOp::Create { path, data, mode }),
            2 => (path(), version()).prop_map(|(path, version)| MultiOp::Delete { path, version }),
            3 => (path(), data(), version())
                .prop_map(|(path, data, version)| MultiOp::SetData { path, data, version }),
            1 => (path(), version()).prop_map(|(path, version)| MultiOp::Check { path, version }),
        ]
    }

    fn request() -> impl Strategy<Value = Request> {
        prop_oneof![
            6 => part().prop_map(|part| match part {
                MultiOp::Create { path, data, mode } => Request::Create { path, data, mode },
                MultiOp::Delete { path, version } => Request::Delete { path, version },
                MultiOp::SetData { path, data, version } => {
                    Request::SetData { path, data, version }
                }
                check @ MultiOp::Check { .. } => Request::Multi { ops: vec![check] },
            }),
            2 => prop::collection::vec(part(), 1..4).prop_map(|ops| Request::Multi { ops }),
            2 => path().prop_map(|path| Request::Exists { path }),
            2 => path().prop_map(|path| Request::GetData { path }),
            2 => path().prop_map(|path| Request::GetChildren2 { path }),
            1 => path().prop_map(|path| Request::Sync { path }),
        ]
    }

    fn action() -> impl Strategy<Value = Action> {
        let lost = prop::bool::weighted(0.1);
        prop_oneof![
            20 => (0..3usize, request(), any::<bool>(), lost).prop_map(
                |(session, request, watch, is_lost)| {
                    Action::Request { session, request, watch, is_lost }
                }
            ),
            1 => (0..3usize).prop_map(Action::Close),
            1 => (0..3usize).prop_map(Action::Expire),
        ]
    }

    fn honest(actions: &[Action]) -> ZHistory {
        let mut ensemble = Ensemble::new();
        let mut sessions: Vec<SessionId> = (1..4).map(|client| ensemble.session(client)).collect();
        let mut lost = Vec::new();
        for action in actions {
            match action {
                Action::Request { session, request, watch, is_lost } => {
                    let index = ensemble.run(sessions[*session], request.clone(), *watch);
                    if *is_lost {
                        lost.push(index);
                    }
                }
                Action::Close(session) => {
                    ensemble.close(sessions[*session]);
                    sessions[*session] = ensemble.session(*session as u32 + 1);
                }
                Action::Expire(session) => {
                    ensemble.wait_ms(Ensemble::TIMEOUT_MS);
                    ensemble.expire(sessions[*session]);
                    sessions[*session] = ensemble.session(*session as u32 + 1);
                }
            }
        }
        let mut history = ensemble.into_history();
        for index in lost {
            // A lost read leaves its watch registered at the server; drop such ambiguity.
            if history.operations[index].request.is_write() || !history.operations[index].watch {
                history.operations[index].outcome = Outcome::Unknown;
                history.operations[index].zxid = None;
            }
        }
        history.claims.sync_is_barrier = true;
        history
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

        #[test]
        fn honest_histories_are_valid(actions in prop::collection::vec(action(), 1..60)) {
            let mut history = honest(&actions);
            prop_assume!(!history.operations.is_empty());
            for with_commits in [true, false] {
                if !with_commits {
                    history.commits = None;
                }
                for (property, verdict) in check_all(&history) {
                    prop_assert!(
                        verdict.is_valid(),
                        "with commits: {}, {}: {}", with_commits, property, verdict
                    );
                }
            }
        }
    }

    #[test]
    fn without_operations_nothing_is_checked() {
        let mut history = ZHistory::default();
        history.claims.sync_is_barrier = true;
        let verdicts = check_all(&history);
        assert_eq!(verdicts.len(), 12);
        assert!(verdicts.iter().all(|(_, verdict)| *verdict == Verdict::nothing_checked()));
    }

    #[test]
    fn names_are_those_of_the_explanations() {
        let mut ensemble = Ensemble::new();
        let a = ensemble.session(1);
        ensemble.create(a, "/k", "a", CreateMode::Ephemeral);
        ensemble.set(a, "/k", "b", 0);
        ensemble.get(a, "/k");
        ensemble.session_event(a, SessionEventKind::Reconnected);
        let mut history = ensemble.into_history();
        history.operations[2].zxid = Some(crate::znode::Zxid(1));
        history.operations[1].zxid = Some(crate::znode::Zxid(1));
        let mut failed = 0;
        for (property, verdict) in check_all(&history) {
            if let Some(explanation) = verdict.explanation() {
                assert_eq!(explanation.property, property.0);
                failed += 1;
            }
        }
        assert!(failed >= 3, "{failed}");
    }
}
