//! What a property speaks of, where that is not in every run: watches, ephemerals, sequential
//! names, transactions, `sync`. A property holds of a run without any of it, but has judged nothing.

use checker::znode::{CreateMode, MultiOp, Request, ZHistory, ZOperation};

/// Whether a run has anything that the property speaks of. A property that is not known here speaks
/// of every run.
pub(crate) fn has_subject(property: &str, history: &ZHistory) -> bool {
    let any = |is_one: fn(&ZOperation) -> bool| history.operations.iter().any(is_one);
    match property {
        "watch order" | "one-shot watches" | "watch completeness" => any(|o| o.watch),
        "ephemerals" | "ephemerals go with their session" => {
            any(|o| modes(&o.request).any(CreateMode::is_ephemeral))
        }
        "sequential names" => any(|o| modes(&o.request).any(CreateMode::is_sequential)),
        "all or nothing" => any(|o| matches!(o.request, Request::Multi { .. })),
        "sync then read" => any(|o| matches!(o.request, Request::Sync { .. })),
        _ => true,
    }
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
    use crate::judge::property_names;
    use crate::property::testing::honest_run;

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
        let names = property_names();
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
