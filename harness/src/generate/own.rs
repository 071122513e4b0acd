//! Faults of the kinds that a system declares.

use sim::fault::{Fault, Target, TimedFault};
use sim::seed::Draws;

use super::{FIRST_FAULT_MS, Ground, MARGIN_MS};
use crate::system::OwnFault;

/// How many seeds of a hundred have faults of one kind.
const SEEDS_PERCENT: u64 = 55;
/// The fewest and the most of one kind in a seed.
const EPISODES: (u64, u64) = (1, 8);

/// Faults of a system's own kinds for a seed, in any order. Each kind has a stream of its own: a new one
/// changes nothing of the others. None of them lasts beyond the margin at the end.
pub fn own_faults(seed: u64, ground: &Ground, chaos_ms: u64) -> Vec<TimedFault> {
    let of_kind = |own: &'static OwnFault| {
        let mut draws = Draws::new(seed, own.name, 0);
        let is_on = draws.below(100) < SEEDS_PERCENT;
        let count = if is_on { draws.range(EPISODES.0, EPISODES.1) } else { 0 };
        let hosts = ground.hosts_of(own.group);
        let one = move |_| {
            let host = draws.pick(hosts)?.clone();
            let end_ms = chaos_ms - MARGIN_MS;
            let at_ms = draws.range(FIRST_FAULT_MS, end_ms - 1);
            let lasts_ms = draws.log_uniform(own.lasts_ms.0.max(1), own.lasts_ms.1);
            let amount = draws.range(own.amount.0, own.amount.1);
            let target = match own.role.filter(|_| draws.chance(0.5)) {
                Some(role) => Target::named(role),
                None => Target::named(host),
            };
            let fault = Fault::Own { name: own.name.to_owned(), target, amount };
            Some(TimedFault::new(at_ms, Some((at_ms + lasts_ms).min(end_ms)), fault))
        };
        (0..count).filter_map(one)
    };
    ground.own.iter().flat_map(of_kind).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Topology;
    use crate::testing::STORE;

    #[test]
    fn some_seeds_have_them_within_their_bounds() {
        let hosts = [("servers".to_owned(), 3), ("clients".to_owned(), 1)];
        let ground = Ground::of(&STORE, &Topology::from(hosts));
        let drawn: Vec<Vec<TimedFault>> =
            (0..60).map(|seed| own_faults(seed, &ground, 30_000)).collect();
        let with = drawn.iter().filter(|faults| !faults.is_empty()).count();
        assert!((15..50).contains(&with), "{with} of 60 seeds");
        let declared = crate::testing::OWN_FAULTS[0];
        for timed in drawn.iter().flatten() {
            let Fault::Own { name, target, amount } = &timed.fault else { panic!("{timed:?}") };
            assert_eq!(name, declared.name);
            assert!(
                ["leader", "n1", "n2", "n3"].contains(&target.to_string().as_str()),
                "{target}"
            );
            assert!((declared.amount.0..=declared.amount.1).contains(amount), "{timed:?}");
            let lasts_ms = timed.until_ms.expect("it ends") - timed.at_ms;
            assert!(lasts_ms <= declared.lasts_ms.1, "{timed:?}");
        }
    }
}
