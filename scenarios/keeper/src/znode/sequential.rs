//! Sequential names under one parent are unique and increase in the order of zxids.
//!
//! The guide: a sequential znode's name ends in a counter of ten digits, which is unique to the
//! parent. Locks, elections and queues stand on it. The counter starts again only when the parent
//! itself is deleted and created anew.

use std::collections::BTreeMap;

use checker::Verdict;

use super::render::{Explain, nothing, operation_line};
use super::replay::results;
use super::tree::parent_of;
use super::{MultiOp, MultiResult, ZHistory, ZOperation};

const PROPERTY: &str = "sequential names";

/// Checks the names of all sequential znodes that were reported.
pub fn check(history: &ZHistory) -> Verdict {
    if let Some(nothing) = nothing(history) {
        return nothing;
    }
    let mut writes: Vec<&ZOperation> =
        history.operations.iter().filter(|op| op.committed_zxid().is_some()).collect();
    writes.sort_by_key(|op| op.zxid);
    // Unanswered deletions of a parent may have started its counter again.
    let mut restarted: Vec<String> = Vec::new();
    for operation in history.operations.iter().filter(|op| !op.is_known()) {
        restarted.extend(operation.request.parts().iter().filter_map(deleted));
    }
    let mut last: BTreeMap<String, (i32, &ZOperation)> = BTreeMap::new();
    for operation in writes {
        let parts = operation.request.parts();
        for (part, result) in parts.iter().zip(results(operation)) {
            if let Some(path) = deleted(part) {
                last.remove(&path);
            }
            let (MultiOp::Create { path: asked, mode, .. }, MultiResult::Created { path, .. }) =
                (part, result)
            else {
                continue;
            };
            if !mode.is_sequential() {
                continue;
            }
            let Some(number) = counter(asked, &path) else {
                let headline = format!("the name {path} has no counter of ten digits");
                let note = format!("expected {asked} and ten digits");
                let explain = Explain::new(PROPERTY, headline);
                return explain.contradiction(operation_line(operation), note);
            };
            let parent = parent_of(&path).to_owned();
            if restarted.contains(&parent) {
                continue;
            }
            if let Some((before, by)) = last.insert(parent, (number, operation))
                && number <= before
            {
                let same = number == before;
                let how = if same { "is repeated" } else { "went back" };
                let headline = format!("the counter of {} {how}", parent_of(&path));
                return Explain::new(PROPERTY, headline)
                    .line(operation_line(by), format!("number {before}"))
                    .contradiction(operation_line(operation), format!("number {number}"));
            }
        }
    }
    Verdict::Valid
}

fn deleted(part: &MultiOp) -> Option<String> {
    match part {
        MultiOp::Delete { path, .. } => Some(path.clone()),
        MultiOp::Create { .. } | MultiOp::SetData { .. } | MultiOp::Check { .. } => None,
    }
}

/// The counter at the end of a name. It is signed and wraps, so its digits may have a sign.
fn counter(asked: &str, path: &str) -> Option<i32> {
    let digits = path.strip_prefix(asked)?;
    let is_number = digits.len() >= 10 && digits.trim_start_matches('-').len() + 1 >= digits.len();
    digits.parse().ok().filter(|_| is_number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::znode::testing::Ensemble;
    use crate::znode::{CreateMode, Outcome, Response};

    fn sample() -> ZHistory {
        let mut ensemble = Ensemble::new();
        let a = ensemble.session(1);
        ensemble.create(a, "/q", "", CreateMode::Persistent);
        ensemble.create(a, "/q/a-", "", CreateMode::PersistentSequential);
        ensemble.create(a, "/q/b-", "", CreateMode::EphemeralSequential);
        ensemble.delete(a, "/q/b-0000000001", -1);
        ensemble.delete(a, "/q/a-0000000000", -1);
        ensemble.delete(a, "/q", -1);
        ensemble.create(a, "/q", "", CreateMode::Persistent);
        ensemble.create(a, "/q/a-", "", CreateMode::PersistentSequential);
        ensemble.into_history()
    }

    fn rename(history: &mut ZHistory, index: usize, to: &str) {
        history.operations[index].outcome =
            Outcome::Ok(Response::Created { path: to.to_owned(), stat: None });
    }

    #[test]
    fn increasing_names_are_valid_and_start_again_with_a_new_parent() {
        assert_eq!(check(&sample()), Verdict::Valid);
    }

    #[test]
    fn repeated_and_decreasing_and_malformed_names_are_seen() {
        for (name, expected) in [
            ("/q/b-0000000000", "is repeated"),
            ("/q/b--000000001", "went back"),
            ("/q/b-7", "has no counter"),
        ] {
            let mut history = sample();
            rename(&mut history, 2, name);
            let text = check(&history).explanation().expect(name).to_string();
            assert!(text.contains(expected), "{text}");
        }
    }
}
