//! Operations that the contradiction does not speak of.
//!
//! The explanation of a violated guarantee names a handful of operations among a thousand
//! ([`Failure::operations`](crate::judge::Failure::operations)). Often they and the faults are all that it
//! takes; if not, then what their clients asked, or what was asked about the same objects
//! ([`System::objects`](crate::System::objects)): histories are judged object by object (Herlihy and Wing,
//! "Linearizability", TOPLAS 1990, section 3.1: it is local).

use std::collections::BTreeSet;

use super::passes::sweep;
use super::{Search, edit};
use crate::any::AnySystem;
use crate::plan::{Plan, PlannedOperation};

/// With how many seeds each is tried, as long as runs are short: it saves most of the search.
const SEEDS: u64 = 24;

/// All that the contradiction does not speak of, or that has less to do with it.
pub(super) fn unnamed(search: &mut Search<'_>, name: &'static str) {
    let (plan, system) = (search.best(), search.system());
    let named: BTreeSet<usize> = search.named().iter().copied().collect();
    if named.is_empty() {
        return;
    }
    let of = |n: &usize| &plan.operations[*n];
    let clients: BTreeSet<u32> = named.iter().map(of).map(|each| each.client).collect();
    let objects: BTreeSet<String> =
        named.iter().map(of).flat_map(|each| system.objects(&each.action)).collect();
    let is_about = |each: &PlannedOperation| {
        let about = system.objects(&each.action);
        about.is_empty() || about.iter().any(|object| objects.contains(object))
    };
    let is_asked_by = |each: &PlannedOperation| clients.contains(&each.client);
    let keep = |is_kept: &dyn Fn(usize, &PlannedOperation) -> bool| {
        edit::without_operations(plan, |n| {
            let each = &plan.operations[n];
            !is_kept(n, each) && !system.lasts(&each.action)
        })
    };
    let candidates = [
        keep(&|n, _| named.contains(&n)),
        keep(&|n, each| named.contains(&n) || is_about(each) && !system.is_read(&each.action)),
        keep(&|_, each| is_about(each) && is_asked_by(each)),
        keep(&|_, each| is_about(each)),
        keep(&|_, each| is_asked_by(each)),
    ];
    let all = plan.operations.len();
    let mut fewer: Vec<Plan> = Vec::new();
    for candidate in candidates.into_iter().filter(|candidate| candidate.operations.len() < all) {
        if !fewer.iter().any(|other| other.operations == candidate.operations) {
            fewer.push(candidate);
        }
    }
    search.gamble(name, fewer, SEEDS);
}

/// All that is about one object, or about several.
pub(super) fn objects(search: &mut Search<'_>, name: &'static str) {
    let system = search.system();
    if all_objects(system, search.best()).len() < 2 {
        return;
    }
    sweep(
        search,
        name,
        |plan| all_objects(system, plan).len(),
        |plan, from, to| {
            let gone = &all_objects(system, plan)[from..to];
            edit::without_operations(plan, |n| {
                let about = system.objects(&plan.operations[n].action);
                about.iter().any(|object| gone.contains(object))
            })
        },
    );
}

/// Every object of a plan, in the order of its operations.
fn all_objects(system: &dyn AnySystem, plan: &Plan) -> Vec<String> {
    let mut objects: Vec<String> = Vec::new();
    for object in plan.operations.iter().flat_map(|each| system.objects(&each.action)) {
        if !objects.contains(&object) {
            objects.push(object);
        }
    }
    objects
}
