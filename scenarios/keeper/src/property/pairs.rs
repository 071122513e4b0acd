//! A multi takes effect whole or not at all (ZooKeeper Programmer's Guide, "multi": atomic).
//!
//! Workloads write the two znodes of a pair, `/pair1/left` and `/pair1/right`, only together and
//! with one value. So no client may see one of them with a write that the other lacks, whatever
//! order and whichever servers it reads them in. This needs no model of the tree: it is a second
//! opinion beside the replay of all writes.

use std::collections::BTreeMap;

use crate::record::{ClientOperation, ClientOutcome, RunRecord};
use crate::znode::Data as Shown;
use harness::plan::Plan;
use keeper_core::ids::Zxid;
use keeper_core::record::{Data, Stat};
use keeper_core::wire::client::{Request, Response};

use super::{Property, PropertyVerdict, Story};

/// What the paths of pairs begin with.
pub(crate) const PAIR_PREFIX: &str = "/pair";

pub(super) const PROPERTY: Property = Property {
    has_subject: crate::subject::has_multis,
    name: "all or nothing",
    source: "ZooKeeper Programmer's Guide, multi",
    check,
};

/// A read of one half.
struct Half<'a> {
    operation: &'a ClientOperation,
    /// The state that it was read from.
    seen_at: Zxid,
    data: &'a Data,
    stat: &'a Stat,
}

fn check(_plan: &Plan, record: &RunRecord) -> PropertyVerdict {
    let mut pairs: BTreeMap<&str, Vec<Half<'_>>> = BTreeMap::new();
    for (pair, half) in record.history.operations.iter().filter_map(half) {
        pairs.entry(pair).or_default().push(half);
    }
    for reads in pairs.values() {
        let mut writes: BTreeMap<Zxid, &Half<'_>> = BTreeMap::new();
        for read in reads {
            let first = writes.entry(read.stat.mzxid).or_insert(read);
            if first.data != read.data {
                return explain("the halves of one multi differ", first, read);
            }
        }
        for read in reads {
            let last = writes.range(..=read.seen_at).next_back();
            let missed = last.filter(|(zxid, _)| **zxid > read.stat.mzxid);
            if let Some((_, first)) = missed {
                return explain("a multi took effect by half", first, read);
            }
        }
    }
    PropertyVerdict::Holds
}

fn half(operation: &ClientOperation) -> Option<(&str, Half<'_>)> {
    let Request::GetData { path, .. } = &operation.request else { return None };
    let ClientOutcome::Ok { zxid, response: Response::DataStat { data, stat } } =
        &operation.outcome
    else {
        return None;
    };
    let (pair, _) = path.rsplit_once('/').filter(|(pair, _)| pair.starts_with(PAIR_PREFIX))?;
    Some((pair, Half { operation, seen_at: *zxid, data, stat }))
}

fn explain(headline: &str, first: &Half<'_>, second: &Half<'_>) -> PropertyVerdict {
    let line = |story: Story, half: &Half<'_>| {
        let path = match &half.operation.request {
            Request::GetData { path, .. } => path.as_str(),
            _ => "",
        };
        let data = Shown(half.data.as_deref().unwrap_or_default().to_vec());
        let at_ns = half.operation.complete_ns.unwrap_or(half.operation.invoke_ns);
        let text = format!("get {path} → {data} written at {}", half.stat.mzxid);
        let client = format!("c{}", half.operation.client);
        story.line(client, at_ns, text, format!("in the state of {}", half.seen_at))
    };
    let at_ns = second.operation.complete_ns.unwrap_or(second.operation.invoke_ns);
    line(line(Story::new(headline), first), second).violated(at_ns)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Script, plan, zxid};
    use super::*;

    fn read(script: Script, side: &str, value: &str, written: u32, seen: u32) -> Script {
        let path = format!("/pair1/{side}");
        let stat = Stat { mzxid: zxid(1, written), ..Stat::default() };
        let data = Some(value.to_owned().into());
        let request = Request::GetData { path, watch: false };
        script.answered(1, request, zxid(1, seen), Response::DataStat { data, stat })
    }

    fn headline(script: Script) -> Option<String> {
        let verdict = check(&plan(), &script.record());
        verdict.violation().map(|violation| violation.headline.clone())
    }

    #[test]
    fn halves_of_different_moments_are_right() {
        let script = read(Script::new(), "left", "b", 5, 9);
        let script = read(script, "right", "a", 3, 4);
        assert_eq!(headline(read(script, "right", "b", 5, 7)), None);
    }

    #[test]
    fn half_a_multi_is_seen() {
        let script = read(Script::new(), "left", "b", 5, 9);
        let half = headline(read(script, "right", "a", 3, 6));
        assert_eq!(half.as_deref(), Some("a multi took effect by half"));
        let script = read(Script::new(), "left", "b", 5, 9);
        let differs = headline(read(script, "right", "a", 5, 9));
        assert_eq!(differs.as_deref(), Some("the halves of one multi differ"));
    }

    #[test]
    fn other_znodes_may_be_written_alone() {
        let request = Request::GetData { path: "/k1/left".to_owned(), watch: false };
        let stat = Stat { mzxid: zxid(1, 1), ..Stat::default() };
        let answer = |data: &str| Response::DataStat { data: Some(data.to_owned().into()), stat };
        let script = Script::new().answered(1, request.clone(), zxid(1, 1), answer("a"));
        assert_eq!(headline(script.answered(1, request, zxid(1, 1), answer("b"))), None);
    }
}
