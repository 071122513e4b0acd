//! What a property speaks of, where that is not in every run: watches, ephemerals, sequential
//! names, transactions, `sync`. A property holds of a run without any of it, but has judged nothing.

use keeper_core::wire::client as wire;

use crate::record::{ClientOutcome, RunRecord};
use crate::znode::{CreateMode, MultiOp, Request, ZHistory, ZOperation};

/// Whether a run has anything that the property speaks of. A property that is not known here speaks
/// of every run.
pub(crate) fn has_subject(property: &str, history: &ZHistory) -> bool {
    let any = |is_one: fn(&ZOperation) -> bool| history.operations.iter().any(is_one);
    match property {
        "watch order" | "one-shot watches" | "watch completeness" => any(|o| o.watch),
        "ephemerals" => any(|o| modes(&o.request).any(CreateMode::is_ephemeral)),
        "sequential names" => any(|o| modes(&o.request).any(CreateMode::is_sequential)),
        "sync then read" => any(|o| matches!(o.request, Request::Sync { .. })),
        _ => true,
    }
}

/// Whether a client asked for an ephemeral znode.
pub(crate) fn has_ephemerals(record: &RunRecord) -> bool {
    const EPHEMERAL: i32 = 1;
    let is_ephemeral = |create: &wire::CreateRequest| create.flags & EPHEMERAL != 0;
    asked(record).any(|request| match request {
        wire::Request::Create(create) => is_ephemeral(create),
        wire::Request::Multi(ops) => {
            ops.iter().any(|op| matches!(op, wire::MultiOp::Create(create) if is_ephemeral(create)))
        }
        _ => false,
    })
}

/// Whether a client asked for a transaction.
pub(crate) fn has_multis(record: &RunRecord) -> bool {
    asked(record).any(|request| matches!(request, wire::Request::Multi(_)))
}

/// The requests that were sent.
fn asked(record: &RunRecord) -> impl Iterator<Item = &wire::Request> {
    let operations = record.history.operations.iter();
    let sent = operations.filter(|operation| operation.outcome != ClientOutcome::NotSent);
    sent.map(|operation| &operation.request)
}

/// The modes of the nodes that a request creates.
fn modes(request: &Request) -> impl Iterator<Item = CreateMode> + '_ {
    let alone = match request {
        Request::Create { mode, .. } => Some(*mode),
        _ => None,
    };
    let ops: &[MultiOp] = match request {
        Request::Multi { ops } => ops,
        _ => &[],
    };
    let within = ops.iter().filter_map(|op| match op {
        MultiOp::Create { mode, .. } => Some(*mode),
        _ => None,
    });
    alone.into_iter().chain(within)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::convert;
    use crate::property::testing::{SYSTEMS, honest_run};

    #[test]
    fn a_run_without_watches_says_nothing_about_watches() {
        let mut history = convert::history(&honest_run().1);
        let subjects = [
            "watch order",
            "one-shot watches",
            "watch completeness",
            "ephemerals",
            "ephemerals go with their session",
            "sequential names",
            "all or nothing",
            "sync then read",
        ];
        let names = SYSTEMS.property_names();
        for name in subjects {
            assert!(names.contains(&name), "{name} is a property");
        }
        let silent = |history: &ZHistory| {
            names.iter().copied().filter(|name| !has_subject(name, history)).collect::<Vec<_>>()
        };
        let before = silent(&history);
        assert!(before.iter().all(|name| subjects.contains(name)));
        assert!(before.contains(&"one-shot watches") && before.contains(&"ephemerals"));
        history.operations[0].watch = true;
        let create =
            |mode| MultiOp::Create { path: "/a".to_owned(), data: Vec::new().into(), mode };
        history.operations[1].request =
            Request::Multi { ops: vec![create(CreateMode::EphemeralSequential)] };
        let after = silent(&history);
        assert!(after.iter().all(|name| *name == "sync then read"), "{after:?}");
    }
}
