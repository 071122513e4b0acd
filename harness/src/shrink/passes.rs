//! What is left out, in which order: the coarse and cheap first.

use sim::fault::{FaultKind, TimedFault};
use sim::seed::Draws;

use super::{Search, anchors, aside, edit};
use crate::any::AnySystem;
use crate::plan::Plan;
use crate::system::{Group, Limit, Weight};

/// Pairs are tried among so many operations at most: there are nearly 200 then.
const PAIRS_AMONG_MAX: usize = 20;

/// Fewer things than these are left out one by one and in pairs.
const SCATTERED_MIN: usize = 5;
/// Candidates for each share of things that are left out at once.
const SCATTERED_EACH: u64 = 8;
/// A list is thinned out so often at most before others have their turn.
const SCATTERED_ROUNDS_MAX: u64 = 20;

/// Candidates for each fault that is left out while others move.
const JITTERS_EACH: u64 = 16;

/// Into so many stretches a plan is cut at most.
const STRETCHES_MAX: usize = 32;
/// A shorter stretch is left to the passes that leave out single things.
const STRETCH_MIN_MS: u64 = 100;

/// A kind of thing to leave out.
pub(super) struct Pass {
    pub(super) name: &'static str,
    pub(super) run: fn(&mut Search<'_>, &'static str),
    /// When it is worth its runs.
    pub(super) grain: Grain,
}

/// How fine something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Grain {
    /// Both ends of the plan, at whatever length it has.
    Ends,
    /// Large parts of it.
    Coarse,
    /// Single things, once most is left out.
    Fine,
}

/// How thoroughly to search: the coarse and cheap first, since a long plan costs a hundred times
/// what a short one does.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stage {
    /// Passes up to this grain are made.
    pub(super) grain: Grain,
    /// Lists are cut into so many parts at most.
    pub(super) parts_max: usize,
    /// With how many seeds a candidate is tried, if the options allow so many.
    pub(super) seeds: u64,
}

/// In order; each is repeated until it finds nothing.
///
/// The ends come first, and with more seeds too before anything else: what is left of a plan that
/// fails within its last second costs next to nothing, and all that follows becomes cheap.
pub(super) const STAGES: [Stage; 8] = [
    Stage { grain: Grain::Ends, parts_max: 1, seeds: 1 },
    Stage { grain: Grain::Ends, parts_max: 1, seeds: 4 },
    Stage { grain: Grain::Coarse, parts_max: 4, seeds: 1 },
    Stage { grain: Grain::Coarse, parts_max: 4, seeds: 4 },
    Stage { grain: Grain::Coarse, parts_max: 16, seeds: 4 },
    Stage { grain: Grain::Fine, parts_max: usize::MAX, seeds: 1 },
    Stage { grain: Grain::Fine, parts_max: usize::MAX, seeds: 4 },
    Stage { grain: Grain::Fine, parts_max: usize::MAX, seeds: 16 },
];

/// What remains to be tried when no way led to a small plan.
pub(super) const LAST_STAGES: [Stage; 2] = [
    Stage { grain: Grain::Fine, parts_max: usize::MAX, seeds: 64 },
    Stage { grain: Grain::Fine, parts_max: usize::MAX, seeds: 256 },
];

/// As many operations as a person holds in the head.
const FEW_OPERATIONS: usize = 12;
/// With how many seeds a much smaller plan is tried: when it succeeds, it saves more than it costs.
const GAMBLE_SEEDS: u64 = 24;

/// In order.
pub(super) const ALL: [Pass; 19] = [
    Pass { name: "what comes afterwards", run: afterwards, grain: Grain::Ends },
    Pass {
        name: "what the contradiction does not speak of",
        run: aside::unnamed,
        grain: Grain::Ends,
    },
    Pass { name: "what came long before", run: beginning, grain: Grain::Ends },
    Pass { name: "objects", run: aside::objects, grain: Grain::Coarse },
    Pass { name: "limits", run: limits, grain: Grain::Coarse },
    Pass { name: "most operations", run: most_operations, grain: Grain::Coarse },
    Pass { name: "large values", run: values, grain: Grain::Coarse },
    Pass { name: "stretches of time", run: stretches, grain: Grain::Coarse },
    Pass { name: "kinds of faults", run: kinds, grain: Grain::Coarse },
    Pass { name: "faults", run: faults, grain: Grain::Coarse },
    Pass { name: "clients", run: clients, grain: Grain::Coarse },
    Pass { name: "servers", run: servers, grain: Grain::Coarse },
    Pass { name: "operations", run: operations, grain: Grain::Coarse },
    Pass { name: "several things at once", run: scattered, grain: Grain::Coarse },
    Pass { name: "pairs of operations", run: pairs, grain: Grain::Fine },
    Pass { name: "a fault, the others at other moments", run: moments, grain: Grain::Fine },
    Pass { name: "a fault, another where the code is", run: anchors::run, grain: Grain::Fine },
    Pass { name: "durations", run: durations, grain: Grain::Fine },
    Pass { name: "configuration", run: configuration, grain: Grain::Fine },
];

/// What was planned for after the contradiction cannot have caused it. If that comes when chaos is
/// over, chaos may be over sooner.
fn afterwards(search: &mut Search<'_>, name: &'static str) {
    let (plan, failed_ms) = (search.best(), search.failed_ms());
    let ends_ms: Vec<u64> = match failed_ms >= plan.chaos_ms {
        true => [8, 4, 2].map(|part| plan.chaos_ms / part).to_vec(),
        false => [0, 100, 1_000].map(|margin_ms| failed_ms + margin_ms).to_vec(),
    };
    let shorter = ends_ms.into_iter().filter(|end_ms| *end_ms > 0 && *end_ms < plan.chaos_ms);
    let candidates = shorter.map(|end_ms| edit::without_end(plan, end_ms)).collect();
    search.try_all(name, candidates);
}

/// Most of what happens long before is forgotten by then: only the last eighth of the time up to the
/// contradiction, or a quarter, or half.
fn beginning(search: &mut Search<'_>, name: &'static str) {
    let plan = search.best();
    let end_ms = search.failed_ms().min(plan.chaos_ms);
    let begins_ms = [32, 16, 8, 4, 2].map(|part| end_ms - end_ms / part);
    let candidates: Vec<Plan> = begins_ms
        .into_iter()
        .filter_map(|from_ms| edit::without_beginning(search.system(), plan, from_ms))
        .collect();
    search.try_all(name, candidates);
}

/// Whatever happens only after so many changes: never, or soon, so that few of them will do. What a plan of a thousand operations needs a hundred of for, another needs two. The limit may
/// have to be reached when it was, among the faults of that moment: then the first writes go.
fn limits(search: &mut Search<'_>, name: &'static str) {
    for &Limit { read, write, plain } in search.system().limits() {
        let plan = search.best();
        let present = read(plan);
        if present >= plain {
            continue;
        }
        let with = |plan: &Plan, value| {
            let mut plan = plan.clone();
            write(&mut plan, value);
            plan
        };
        let sooner = [1, 2, 3, 5, 8, 16, 32].into_iter().filter(|value| *value < present);
        let mut candidates: Vec<Plan> =
            std::iter::once(plain).chain(sooner).map(|value| with(plan, value)).collect();
        if plan.operations.len() > FEW_OPERATIONS {
            // At the same moment: without as many writes, of which some may have counted for nothing or
            // for more.
            for left in [8, 16, 32, 64].into_iter().filter(|left| *left < present) {
                let later =
                    edit::without_first_changes(search.system(), plan, (present - left) as usize);
                let values = [left, left + 4, left / 4, left / 2, left * 3 / 4];
                candidates.extend(values.map(|value| with(&later, value)));
            }
        }
        search.gamble(name, candidates, GAMBLE_SEEDS / 4);
    }
}

/// A handful of writes, close together where it matters or spread over the run: many operations
/// are often there only so that one of them comes at the right moment.
fn most_operations(search: &mut Search<'_>, name: &'static str) {
    let (plan, end_ms) = (search.best(), search.failed_ms().min(search.best().chaos_ms));
    if plan.operations.len() <= FEW_OPERATIONS {
        return;
    }
    let system = search.system();
    let candidates = last_few(system, plan, end_ms, [20, 100, 400, 1_500, end_ms]).collect();
    search.gamble(name, candidates, GAMBLE_SEEDS);
    few_large_operations(search, name);
}

/// What needs a hundred transactions may need their bytes: a handful with larger values.
fn few_large_operations(search: &mut Search<'_>, name: &'static str) {
    let (plan, end_ms) = (search.best(), search.failed_ms().min(search.best().chaos_ms));
    let system = search.system();
    let Some(&Weight { read, write, large }) = system.weight() else { return };
    if plan.operations.len() <= FEW_OPERATIONS || read(plan) >= large {
        return;
    }
    let with_large = |mut plan: Plan| {
        write(&mut plan, large);
        plan
    };
    let last = last_few(system, plan, end_ms, [100, 1_500, end_ms]);
    let first = [4, FEW_OPERATIONS].map(|count| edit::first_operations(plan, count));
    let candidates = first.into_iter().chain(last).map(with_large).collect();
    search.gamble(name, candidates, GAMBLE_SEEDS);
}

/// A handful of writes up to a moment, spread over each of these widths that fits before it.
fn last_few<const N: usize>(
    system: &'static dyn AnySystem,
    plan: &Plan,
    end_ms: u64,
    widths_ms: [u64; N],
) -> impl Iterator<Item = Plan> {
    let fitting = widths_ms.into_iter().filter(move |width_ms| *width_ms <= end_ms);
    fitting.flat_map(move |width_ms| {
        [4, FEW_OPERATIONS]
            .map(|count| edit::last_operations(system, plan, count, end_ms, width_ms))
    })
}

/// Values as the plan writes them, or smaller ones.
fn values(search: &mut Search<'_>, name: &'static str) {
    let Some(&Weight { read, write, .. }) = search.system().weight() else { return };
    while read(search.best()) > 0 && !search.is_over() {
        let plan = search.best();
        let with = |bytes| {
            let mut plan = plan.clone();
            write(&mut plan, bytes);
            plan
        };
        let smaller = [0, read(plan) / 8, read(plan) / 2];
        let candidates = smaller.into_iter().map(with).collect();
        if search.try_all(name, candidates).is_none() {
            return;
        }
    }
}

/// What happens in a stretch of time, and the time with it: a cause may lie long before its effect,
/// with nothing that matters in between.
fn stretches(search: &mut Search<'_>, name: &'static str) {
    let parts_max = search.stage().parts_max.clamp(8, STRETCHES_MAX) as u64;
    let mut parts = 2;
    while parts <= parts_max && !search.is_over() {
        let plan = search.best();
        let length_ms = plan.chaos_ms / parts;
        if length_ms < STRETCH_MIN_MS {
            return;
        }
        let without = |part: u64| {
            let from_ms = part * length_ms;
            edit::without_stretch(search.system(), plan, from_ms, from_ms + length_ms)
        };
        // From the end, as elsewhere; what is left is cut into as many parts again.
        let candidates = (0..parts).rev().map(without).collect();
        if search.try_all(name, candidates).is_none() {
            parts *= 2;
        }
    }
}

/// All faults of one kind.
fn kinds(search: &mut Search<'_>, name: &'static str) {
    let kind = |timed: &TimedFault| timed.fault.kind();
    let mut kinds: Vec<FaultKind> = Vec::new();
    for fault in &search.best().faults {
        let kind = kind(fault);
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    while !kinds.is_empty() && !search.is_over() {
        let plan = search.best();
        let without =
            |gone: &FaultKind| edit::without_faults(plan, |n| kind(&plan.faults[n]) == *gone);
        let candidates = kinds.iter().map(without).collect();
        match search.try_in_order(name, candidates) {
            Some(gone) => kinds.drain(..=gone).for_each(drop),
            None => return,
        }
    }
}

fn faults(search: &mut Search<'_>, name: &'static str) {
    sweep(
        search,
        name,
        |plan| plan.faults.len(),
        |plan, from, to| edit::without_faults(plan, |index| (from..to).contains(&index)),
    );
}

fn operations(search: &mut Search<'_>, name: &'static str) {
    sweep(
        search,
        name,
        |plan| plan.operations.len(),
        |plan, from, to| edit::without_operations(plan, |index| (from..to).contains(&index)),
    );
}

/// Leaves out runs of items: all of them, half of them, then a quarter, down to single ones.
pub(super) fn sweep(
    search: &mut Search<'_>,
    name: &'static str,
    count: impl Fn(&Plan) -> usize,
    without: impl Fn(&Plan, usize, usize) -> Plan,
) {
    let all = count(search.best());
    let smallest = all.checked_div(search.stage().parts_max).unwrap_or(0).max(1);
    let mut size = all;
    while size >= smallest {
        // From the end: what comes late is rarely needed. An accepted candidate moves only what
        // lies behind it.
        let mut end = count(search.best());
        while end > 0 && !search.is_over() {
            let jobs = search.jobs();
            let ends: Vec<usize> = (0..jobs)
                .map_while(|turn| end.checked_sub(turn * size))
                .filter(|e| *e > 0)
                .collect();
            let plan = search.best();
            let candidates =
                ends.iter().map(|end| without(plan, end.saturating_sub(size), *end)).collect();
            let tried = ends.len();
            end = match search.try_in_order(name, candidates) {
                // More may be gone than was named: what is left behind it, too.
                Some(accepted) => ends[accepted].saturating_sub(size).min(count(search.best())),
                None => end.saturating_sub(tried * size),
            };
        }
        size /= 2;
    }
}

/// Things here and there at once: each may be needed as long as the others are there, because it
/// makes up for what they do.
fn scattered(search: &mut Search<'_>, name: &'static str) {
    type Count = fn(&Plan) -> usize;
    type Without = fn(&Plan, &[bool]) -> Plan;
    let lists: [(Count, Without); 2] = [
        (|plan| plan.faults.len(), |plan, gone| edit::without_faults(plan, |n| gone[n])),
        (|plan| plan.operations.len(), |plan, gone| edit::without_operations(plan, |n| gone[n])),
    ];
    for (count, without) in lists {
        for round in 0..SCATTERED_ROUNDS_MAX {
            let plan = search.best();
            let all = count(plan);
            if all < SCATTERED_MIN {
                break;
            }
            let candidate = |n: u64| {
                let mut draws = Draws::new(plan.seed, "shrink scattered", round * 1_000 + n);
                // A half, then a quarter, then an eighth.
                let share = 0.5_f64.powi(1 + (n / SCATTERED_EACH) as i32);
                let gone: Vec<bool> = (0..all).map(|_| draws.chance(share)).collect();
                without(plan, &gone)
            };
            let candidates = (0..3 * SCATTERED_EACH).map(candidate).collect();
            if search.try_all(name, candidates).is_none() {
                break;
            }
        }
    }
}

/// Two operations at once: a client that waits for answers in vain needs the next one to come in
/// time, and two that are left out may do where one does not.
fn pairs(search: &mut Search<'_>, name: &'static str) {
    loop {
        let plan = search.best();
        let count = plan.operations.len();
        if count > PAIRS_AMONG_MAX {
            return;
        }
        let pairs = (0..count).flat_map(|one| (one + 1..count).map(move |other| (one, other)));
        let without = |(one, other)| edit::without_operations(plan, |n| n == one || n == other);
        let candidates = pairs.map(without).collect();
        if search.try_all(name, candidates).is_none() {
            return;
        }
    }
}

fn clients(search: &mut Search<'_>, name: &'static str) {
    hosts(search, name, true);
}

fn servers(search: &mut Search<'_>, name: &'static str) {
    hosts(search, name, false);
}

fn hosts(search: &mut Search<'_>, name: &'static str, is_client: bool) {
    for group in search.system().groups().iter().filter(|group| group.is_client == is_client) {
        one_by_one(search, name, group);
    }
}

/// Leaves out one host of a group, while one can go.
fn one_by_one(search: &mut Search<'_>, name: &'static str, group: &Group) {
    loop {
        let plan = search.best();
        let number = plan.count(group.name);
        if number <= group.hosts_min {
            return;
        }
        let without = |gone| edit::without_host(plan, group, gone);
        let candidates = (1..=number).rev().map(without).collect();
        if search.try_all(name, candidates).is_none() {
            return;
        }
    }
}

/// One fault less, and each of the others a little earlier or later, or as it was: what a fault did
/// for the failure is often only that others came in time.
fn moments(search: &mut Search<'_>, name: &'static str) {
    for round in 0.. {
        let plan = search.best();
        let all = plan.faults.len();
        let candidate = |n: u64| {
            let mut draws = Draws::new(plan.seed, "shrink moments", round * 1_000 + n);
            let gone = (n % all as u64) as usize;
            edit::jittered(&edit::without_faults(plan, |index| index == gone), &mut draws)
        };
        let candidates = (0..all as u64 * JITTERS_EACH).map(candidate).collect();
        if all < 2 || search.try_all(name, candidates).is_none() {
            return;
        }
    }
}

/// Milder and shorter faults, and less waiting between one thing and the next.
fn durations(search: &mut Search<'_>, name: &'static str) {
    let mut index = 0;
    while index < search.best().faults.len() && !search.is_over() {
        let plan = search.best();
        let milder = plan.faults[index].milder().into_iter().map(|fault| {
            let mut plan = plan.clone();
            plan.faults[index] = fault;
            plan
        });
        if search.try_all(name, milder.collect()).is_none() {
            index += 1;
        }
    }
    let mut index = 0;
    loop {
        let moments = edit::moments_ms(search.best());
        let Some(&to_ms) = moments.get(index) else { return };
        let from_ms = if index == 0 { 0 } else { moments[index - 1] };
        let gap_ms = to_ms - from_ms;
        // A second is short enough to read past, and shorter gaps are mostly chance.
        let shorter = [gap_ms / 2, gap_ms / 4].into_iter().filter(|by_ms| *by_ms >= 500);
        let plan = search.best();
        let candidates: Vec<Plan> =
            shorter.map(|by_ms| edit::earlier(plan, to_ms, by_ms)).collect();
        if candidates.is_empty() || search.try_all(name, candidates).is_none() {
            index += 1;
        }
        if search.is_over() {
            return;
        }
    }
}

/// The plainest configuration and conditions.
fn configuration(search: &mut Search<'_>, name: &'static str) {
    let plain: [fn(&mut Plan); 2] = [
        |plan| plan.conditions.latency_max_ms = plan.conditions.latency_min_ms.max(1),
        |plan| plan.conditions.fsync_us = plan.conditions.fsync_us.min(1_000),
    ];
    for simplify in plain {
        let mut plan = search.best().clone();
        simplify(&mut plan);
        if plan != *search.best() {
            search.try_all(name, vec![plan]);
        }
    }
    let plainer = search.system().plainer(search.best());
    search.try_all(name, plainer);
}
