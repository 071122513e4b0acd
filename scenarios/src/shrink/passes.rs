//! What is left out, in which order: the coarse and cheap first.

use sim::cluster::plan::Plan;

use super::{Search, edit};

/// A kind of thing to leave out.
pub(super) struct Pass {
    pub(super) name: &'static str,
    pub(super) run: fn(&mut Search<'_>, &'static str),
}

/// In order; they are repeated until none finds anything.
pub(super) const ALL: [Pass; 7] = [
    Pass { name: "what comes afterwards", run: afterwards },
    Pass { name: "faults", run: faults },
    Pass { name: "clients", run: clients },
    Pass { name: "operations", run: operations },
    Pass { name: "servers", run: servers },
    Pass { name: "durations", run: durations },
    Pass { name: "configuration", run: configuration },
];

/// What was planned for after the contradiction cannot have caused it.
fn afterwards(search: &mut Search<'_>, name: &'static str) {
    let plan = &search.best;
    let mut candidates = Vec::new();
    for margin_ms in [0, 100, 1_000] {
        let end_ms = search.failed_ms.saturating_add(margin_ms).max(1);
        if end_ms >= plan.chaos_ms {
            continue;
        }
        let mut cut = edit::without_operations(plan, |index| plan.operations[index].at_ms > end_ms);
        cut = edit::without_faults(&cut, |index| plan.faults[index].at_ms >= end_ms);
        cut.chaos_ms = end_ms;
        for fault in &mut cut.faults {
            fault.until_ms = fault.until_ms.map(|until_ms| until_ms.min(end_ms));
        }
        candidates.push(cut);
    }
    search.try_all(name, candidates);
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

/// Leaves out runs of items: half of them, then a quarter, down to single ones.
fn sweep(
    search: &mut Search<'_>,
    name: &'static str,
    count: fn(&Plan) -> usize,
    without: fn(&Plan, usize, usize) -> Plan,
) {
    let mut size = count(&search.best);
    while size > 0 {
        // From the end: what comes late is rarely needed. An accepted candidate moves only what
        // lies behind it.
        let mut end = count(&search.best);
        while end > 0 && !search.is_over() {
            let jobs = search.options.jobs.max(1);
            let ends: Vec<usize> = (0..jobs)
                .map_while(|turn| end.checked_sub(turn * size))
                .filter(|e| *e > 0)
                .collect();
            let plan = &search.best;
            let candidates =
                ends.iter().map(|end| without(plan, end.saturating_sub(size), *end)).collect();
            let tried = ends.len();
            end = match search.try_all(name, candidates) {
                Some(accepted) => ends[accepted].saturating_sub(size),
                None => end.saturating_sub(tried * size),
            };
        }
        size /= 2;
    }
}

fn clients(search: &mut Search<'_>, name: &'static str) {
    one_by_one(search, name, |plan| plan.topology.clients, edit::without_client);
}

fn servers(search: &mut Search<'_>, name: &'static str) {
    one_by_one(search, name, |plan| plan.topology.servers, edit::without_server);
}

/// Leaves out one of several numbered from 1, while one can go.
fn one_by_one(
    search: &mut Search<'_>,
    name: &'static str,
    count: fn(&Plan) -> u32,
    without: fn(&Plan, u32) -> Plan,
) {
    loop {
        let plan = &search.best;
        let number = count(plan);
        if number <= 1 {
            return;
        }
        let candidates = (1..=number).rev().map(|gone| without(plan, gone)).collect();
        if search.try_all(name, candidates).is_none() {
            return;
        }
    }
}

/// Milder and shorter faults, and less waiting between one thing and the next.
fn durations(search: &mut Search<'_>, name: &'static str) {
    let mut index = 0;
    while index < search.best.faults.len() && !search.is_over() {
        let plan = &search.best;
        let milder = edit::milder(&plan.faults[index]).into_iter().map(|fault| {
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
        let moments = edit::moments_ms(&search.best);
        let Some(&to_ms) = moments.get(index) else { return };
        let from_ms = if index == 0 { 0 } else { moments[index - 1] };
        let gap_ms = to_ms - from_ms;
        // A second is short enough to read past, and shorter gaps are mostly chance.
        let shorter = [gap_ms / 2, gap_ms / 4].into_iter().filter(|by_ms| *by_ms >= 500);
        let plan = &search.best;
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
    let plain: [fn(&mut Plan); 4] = [
        |plan| plan.conditions.latency_max_ms = plan.conditions.latency_min_ms.max(1),
        |plan| plan.conditions.fsync_us = plan.conditions.fsync_us.min(1_000),
        |plan| plan.ensemble.snap_count = plan.ensemble.snap_count.max(100_000),
        |plan| plan.ensemble.commit_log_count = plan.ensemble.commit_log_count.max(500),
    ];
    for simplify in plain {
        let mut plan = search.best.clone();
        simplify(&mut plan);
        if plan != search.best {
            search.try_all(name, vec![plan]);
        }
    }
}
