//! Small changes of plans. What comes out always passes `validate`, and is fair by the fault atlas.

use sim::fault::{Fault, Target, TimedFault};
use sim::seed::Draws;

use crate::any::{AnySystem, Systems};
use crate::generate::{FIRST_FAULT_MS, Ground, MARGIN_MS, fair};
use crate::plan::{Plan, validate};

/// The shortest and the longest shift of a fault, in milliseconds.
const SHIFT_MS: (u64, u64) = (5, 4_000);
/// The shortest and the longest stretch of another plan's faults that is laid over, in milliseconds.
const OVERLAY_MS: (u64, u64) = (500, 15_000);
/// Faults of a plan that splicing and doubling do not go beyond.
const FAULTS_MAX: usize = 120;

/// Changes a plan in one to three ways. `other` is a plan whose faults may be taken over.
pub fn mutate(systems: Systems, plan: &Plan, other: &Plan, draws: &mut Draws) -> Plan {
    let system = systems.of(plan);
    let mut changed = Plan { found: None, ..plan.clone() };
    for _ in 0..draws.range(1, 3) {
        change(system, &mut changed, other, draws);
    }
    // A run of the same plan would show the same.
    if changed == (Plan { found: None, ..plan.clone() }) {
        new_seed(&mut changed, draws);
    }
    changed.faults.retain(|fault| fault.at_ms < changed.chaos_ms);
    changed.faults.sort_by_key(|fault| fault.at_ms);
    changed.faults = fair(system, &changed.topology, std::mem::take(&mut changed.faults));
    debug_assert_eq!(validate(systems, &changed), Ok(()));
    changed
}

fn change(system: &dyn AnySystem, plan: &mut Plan, other: &Plan, draws: &mut Draws) {
    match draws.below(20) {
        0..3 => shift_one(plan, draws),
        3 => shift_from(plan, draws),
        4..7 => splice(plan, other, draws),
        7..9 => double(plan, draws),
        16.. => overlay(plan, other, draws),
        9..12 => change_target(system, plan, draws),
        12 => stretch(plan, draws),
        13 => forget_half(plan, draws),
        _ => new_seed(plan, draws),
    }
}

/// One fault strikes earlier or later.
fn shift_one(plan: &mut Plan, draws: &mut Draws) {
    let (earlier, by_ms) = shift(draws);
    let end_ms = end_ms(plan);
    if let Some(fault) = any_fault(plan, draws) {
        *fault = moved(fault, earlier, by_ms, end_ms);
    }
}

/// All faults from one on strike earlier or later.
fn shift_from(plan: &mut Plan, draws: &mut Draws) {
    let (earlier, by_ms) = shift(draws);
    let end_ms = end_ms(plan);
    let first = draws.below(plan.faults.len().max(1) as u64) as usize;
    for fault in plan.faults.iter_mut().skip(first) {
        *fault = moved(fault, earlier, by_ms, end_ms);
    }
}

/// The faults of two plans: one's up to a moment, the other's from there on.
fn splice(plan: &mut Plan, other: &Plan, draws: &mut Draws) {
    let end_ms = end_ms(plan);
    if !has_hosts_of(plan, other) || end_ms <= FIRST_FAULT_MS {
        return new_seed(plan, draws);
    }
    let at_ms = draws.range(FIRST_FAULT_MS, end_ms);
    plan.faults.retain(|fault| fault.at_ms < at_ms);
    let rest = other.faults.iter().filter(|fault| fault.at_ms >= at_ms);
    plan.faults.extend(rest.map(|fault| moved(fault, false, 0, end_ms)));
    plan.faults.truncate(FAULTS_MAX);
}

/// Faults of another plan strike beside this one's for a while, so that more of them meet.
fn overlay(plan: &mut Plan, other: &Plan, draws: &mut Draws) {
    let end_ms = end_ms(plan);
    if !has_hosts_of(plan, other) || other.faults.is_empty() {
        return new_seed(plan, draws);
    }
    let first = draws.below(other.faults.len() as u64) as usize;
    let from_ms = other.faults[first].at_ms;
    let until_ms = from_ms + draws.log_uniform(OVERLAY_MS.0, OVERLAY_MS.1);
    // They may come at another time than there, all of them by as much.
    let (earlier, by_ms) = if draws.chance(0.5) { shift(draws) } else { (false, 0) };
    let taken = other.faults.iter().filter(|fault| (from_ms..until_ms).contains(&fault.at_ms));
    let room = FAULTS_MAX.saturating_sub(plan.faults.len());
    plan.faults.extend(taken.take(room).map(|fault| moved(fault, earlier, by_ms, end_ms)));
}

/// Whether every host that the other plan's faults may strike is one of this plan's.
pub(super) fn has_hosts_of(plan: &Plan, other: &Plan) -> bool {
    plan.system == other.system
        && other.topology.iter().all(|(group, count)| *count <= plan.count(group))
}

/// A fault strikes once more.
fn double(plan: &mut Plan, draws: &mut Draws) {
    let end_ms = end_ms(plan);
    let (earlier, by_ms) = shift(draws);
    if plan.faults.len() < FAULTS_MAX
        && let Some(fault) = any_fault(plan, draws)
    {
        let again = moved(fault, earlier, by_ms, end_ms);
        plan.faults.push(again);
    }
}

/// A fault of one server strikes another one.
fn change_target(system: &dyn AnySystem, plan: &mut Plan, draws: &mut Draws) {
    let ground = Ground::of(system, &plan.topology);
    let servers = ground.servers.len() as u64;
    let role = |index: usize| system.roles().get(index).map(|role| role.name);
    let target = match (draws.below(3), role(0), role(1)) {
        (0, Some(first), _) => Target::named(first),
        (1, _, Some(second)) => Target::Nth(second.to_owned(), draws.below(servers)),
        _ => Target::named(ground.servers[draws.range(1, servers) as usize - 1].clone()),
    };
    let Some(timed) = any_fault(plan, draws) else { return };
    // Clients have faults of their own kinds, and keep them.
    let is_servers = timed.fault.target().is_some_and(|target| !ground.is_client(target));
    let may_strike = !timed.fault.is_amnesia() || !ground.must_remember(&target);
    if is_servers
        && may_strike
        && let Some(fault) = timed.fault.with_target(&target)
    {
        timed.fault = fault;
    }
}

/// A fault lasts half or twice as long.
fn stretch(plan: &mut Plan, draws: &mut Draws) {
    let (end_ms, longer) = (end_ms(plan), draws.chance(0.5));
    let Some(fault) = any_fault(plan, draws) else { return };
    if let Some(until_ms) = fault.until_ms {
        let lasts_ms = until_ms - fault.at_ms;
        let lasts_ms = if longer { lasts_ms.saturating_mul(2) } else { lasts_ms / 2 };
        let until_ms = fault.at_ms + lasts_ms.max(1);
        fault.until_ms = Some(until_ms.min(end_ms.max(fault.at_ms + 1)));
    }
}

/// Half of what clients ask for is gone, but not what they begin with: what they work on is made there.
fn forget_half(plan: &mut Plan, draws: &mut Draws) {
    plan.operations.retain(|operation| operation.at_ms < FIRST_FAULT_MS || draws.chance(0.5));
}

/// Delays and whatever else is left to the world are drawn anew.
fn new_seed(plan: &mut Plan, draws: &mut Draws) {
    plan.seed = draws.bits() >> 16;
}

fn any_fault<'a>(plan: &'a mut Plan, draws: &mut Draws) -> Option<&'a mut TimedFault> {
    let index = draws.below(plan.faults.len().max(1) as u64) as usize;
    plan.faults.get_mut(index)
}

/// Whether to go back in time, and how far.
fn shift(draws: &mut Draws) -> (bool, u64) {
    (draws.chance(0.5), draws.log_uniform(SHIFT_MS.0, SHIFT_MS.1))
}

fn end_ms(plan: &Plan) -> u64 {
    plan.chaos_ms.saturating_sub(MARGIN_MS).max(1)
}

/// The fault at another time, as long as before as far as time is left.
fn moved(timed: &TimedFault, earlier: bool, by_ms: u64, end_ms: u64) -> TimedFault {
    let at_ms = if earlier { timed.at_ms.saturating_sub(by_ms) } else { timed.at_ms + by_ms };
    let at_ms = at_ms.max(FIRST_FAULT_MS).min(end_ms - 1);
    let until_ms = timed
        .until_ms
        .map(|until_ms| (at_ms + until_ms.saturating_sub(timed.at_ms)).min(end_ms).max(at_ms + 1));
    let mut fault = timed.fault.clone();
    if let Fault::Restore { taken_ms, .. } = &mut fault {
        *taken_ms = at_ms.min(*taken_ms);
    }
    TimedFault { at_ms, until_ms, when: timed.when.clone(), fault }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::testing::{STORE, SYSTEMS, plan_in};

    fn plans() -> impl Iterator<Item = Plan> {
        (0..3).map(|n| plan_in(n, n * 3 + 1))
    }

    #[test]
    fn every_mutant_makes_sense_is_fair_and_differs() {
        for (index, plan) in plans().enumerate() {
            for n in 0..60 {
                let other = plan_in(index as u64 + 1, n);
                let mutant = mutate(SYSTEMS, &plan, &other, &mut Draws::new(n, "test", 0));
                assert_eq!(validate(SYSTEMS, &mutant), Ok(()), "{n}");
                assert_ne!(mutant, plan);
                assert_eq!(fair(&STORE, &mutant.topology, mutant.faults.clone()), mutant.faults);
                assert!(mutant.faults.iter().all(|fault| fault.at_ms >= FIRST_FAULT_MS));
                assert!(mutant.faults.is_sorted_by_key(|fault| fault.at_ms));
            }
        }
    }

    #[test]
    fn mutants_of_mutants_stay_in_bounds() {
        let mut plan = plan_in(0, 1);
        for n in 0..300 {
            let other = plan_in(n, n);
            plan = mutate(SYSTEMS, &plan, &other, &mut Draws::new(n, "test", 0));
            assert_eq!(validate(SYSTEMS, &plan), Ok(()));
            assert!(plan.faults.len() <= FAULTS_MAX + 1);
        }
    }

    /// What changed of a plan with one change of each kind.
    fn changed(change: fn(&mut Plan, &mut Draws)) -> BTreeSet<&'static str> {
        let before = plan_in(0, 5);
        let mut after = before.clone();
        change(&mut after, &mut Draws::new(3, "test", 0));
        let times = |plan: &Plan| {
            plan.faults.iter().map(|fault| (fault.at_ms, fault.until_ms)).collect::<Vec<_>>()
        };
        let faults =
            |plan: &Plan| plan.faults.iter().map(|fault| fault.fault.clone()).collect::<Vec<_>>();
        let all = [
            ("seed", before.seed != after.seed),
            ("operations", before.operations != after.operations),
            ("times", times(&before) != times(&after)),
            ("faults", faults(&before) != faults(&after)),
        ];
        all.into_iter().filter(|(_, differs)| *differs).map(|(what, _)| what).collect()
    }

    #[test]
    fn each_change_changes_what_it_says() {
        assert_eq!(changed(shift_one), ["times"].into());
        assert_eq!(changed(shift_from), ["times"].into());
        assert_eq!(changed(stretch), ["times"].into());
        assert_eq!(changed(double), ["times", "faults"].into());
        assert_eq!(changed(forget_half), ["operations"].into());
        assert_eq!(changed(new_seed), ["seed"].into());
        let splice = |plan: &mut Plan, draws: &mut Draws| {
            splice(plan, &plan_in(0, 8), draws);
        };
        assert_eq!(changed(splice), ["times", "faults"].into());
        let overlay = |plan: &mut Plan, draws: &mut Draws| {
            let before = plan.faults.clone();
            overlay(plan, &plan_in(0, 8), draws);
            assert!(plan.faults.starts_with(&before) && plan.faults.len() > before.len());
        };
        assert_eq!(changed(overlay), ["times", "faults"].into());
    }

    #[test]
    fn a_target_is_changed_and_nothing_else_of_its_fault() {
        let fault: Fault =
            serde_json::from_str(r#"{"kind":"eio","target":"n1","op":"sync","nth":3}"#).unwrap();
        let leader = Target::named("leader");
        let changed = serde_json::to_string(&fault.with_target(&leader)).unwrap();
        assert_eq!(changed, r#"{"kind":"eio","target":"leader","op":"sync","nth":3}"#);
        let nobodys = Fault::Isolate { who: leader.clone(), reset_on_heal: 0.0 };
        assert_eq!(nobodys.with_target(&leader), None);
    }
}
