//! Locks by the recipe in a simulated ensemble: one client after the other holds, and everything is
//! written down.

use harness::{PlannedOperation, RunOptions};
use scenarios::action::Action;
use scenarios::claims::ClaimEnd;
use scenarios::record::ClientOperation;

use crate::support::{plan, run};

#[test]
fn a_lock_passes_from_client_to_client() {
    let mut plan = plan(3, "[]");
    for client in 1..=3 {
        let action = Action::Lock { path: "/l/k".into(), hold_ms: 50 };
        plan.operations.push(PlannedOperation::new(2_000, client, action));
    }
    let history = run(&plan, &RunOptions::default()).record.history;
    let mut held: Vec<(u64, u64)> = history
        .claims
        .iter()
        .map(|claim| {
            let (end, ended_ns) = claim.end.as_ref().unwrap();
            assert_eq!(*end, ClaimEnd::Released);
            (claim.grant.as_ref().unwrap().at_ns, *ended_ns)
        })
        .collect();
    held.sort_unstable();
    assert_eq!(held.len(), 3);
    assert!(held.iter().all(|(from_ns, to_ns)| to_ns - from_ns >= 50_000_000));
    let tokens: Vec<_> = history.guarded_writes.iter().map(|write| write.token).collect();
    assert!(tokens.is_sorted() && tokens.len() == 6, "{tokens:?}");
    assert!(history.guarded_writes.iter().all(|write| write.accepted));
    let text = |operation: &ClientOperation| format!("{:?}", operation.request);
    let recorded = history.operations.iter().filter(|op| text(op).contains("-lock-")).count();
    assert!(recorded >= 9, "the recipe's requests are written down: {recorded}");
}
